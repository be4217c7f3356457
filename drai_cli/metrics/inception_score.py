"""The inception score: how certain a classifier is of each image, and how many classes it predicts overall.

Knows nothing of images: class probabilities in, from the classifier that the caller names.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float64

from drai_cli.metrics.scores import log_softmax

SPLITS = 10


@dataclass(frozen=True)
class InceptionScore:
    """The score over splits, from 1 to the number of classes.

    Attributes:
        value: Mean over splits.
        deviation: Standard deviation over splits of n / splits images; not an interval of the mean.
        classifier: Its name; scores of different classifiers are not comparable.
        splits: How many.
        n: Images in all.
    """

    value: float
    deviation: float
    classifier: str
    splits: int
    n: int


def class_probabilities(logits: Float[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
    """Softmax over the last axis, in float64."""
    return np.exp(log_softmax(logits))


def inception_score(
    probabilities: Float[np.ndarray, "n k"], classifier: str, *, splits: int = SPLITS, seed: int
) -> InceptionScore:
    """The exponential of the mean divergence of p(y|x) from p(y), in each split (Salimans et al. 2016, section 4).

    Published scores use the Inception of 2015 with 50,000 images in 10 splits; with few images per split the score is
    too small, because p(y) is then the mean of few rows.

    Args:
        probabilities: p(y|x), one row per image.
        classifier: Its name.
        splits: Parts whose sizes differ by at most one, after shuffling.
        seed: Of the shuffling.

    Raises:
        ValueError: Fewer rows than splits, or rows that are not probabilities.
    """
    probabilities = np.asarray(probabilities, np.float64)
    count = len(probabilities)
    if splits < 1 or count < splits:
        raise ValueError(f"{count} rows for {splits} splits")
    if not (probabilities >= 0).all() or not np.allclose(probabilities.sum(1), 1, atol=1e-4):
        raise ValueError("rows are not probabilities")
    shuffled = probabilities[np.random.default_rng(seed).permutation(count)]
    ends = [part * count // splits for part in range(splits + 1)]
    scores = [_score(shuffled[start:end]) for start, end in pairwise(ends)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), classifier, splits, count)


def _score(rows: Float64[np.ndarray, "n k"]) -> float:
    overall = rows.mean(0)
    ratio = np.divide(rows, overall, out=np.ones_like(rows), where=rows > 0)  # 0 log 0 is 0
    return float(np.exp((rows * np.log(ratio)).sum(1).mean()))
