"""Scores of classifiers of several seeds on one set of images, under bootstrap draws of both.

Logits and labels in; every score is an array over draws, so that differences can be computed per draw. Knows nothing
of images or training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from drai_cli.metrics.intervals import DRAWS, Estimate, between, group_weights

_BLOCK = 1 << 22  # weights at a time


@dataclass(frozen=True, eq=False)
class Draws:
    """Weights of images and classifiers; the first row is the sample itself, the others are bootstrap draws.

    Attributes:
        images: Weight of each test image.
        seeds: Weight of each classifier; a row sums to 1.
    """

    images: Float[np.ndarray, "draws n"]
    seeds: Float[np.ndarray, "draws seeds"]


def draw_both(groups: np.ndarray, seeds: int, seed: int, draws: int = DRAWS) -> Draws:
    """Groups of images and classifiers, resampled with replacement independently.

    Of S classifiers S - 1 are drawn: with so few, drawing S would make the variance of their mean too small by
    (S - 1) / S (Rao and Wu 1988). With one classifier the interval is over images only.

    Args:
        groups: Group per test image.
        seeds: Classifiers.
        seed: Of the draws.
        draws: Bootstrap draws.
    """
    images = np.concatenate([np.ones((1, len(groups))), group_weights(groups, seed, draws)])
    shares = np.full((draws + 1, seeds), 1 / seeds)
    if seeds > 1:
        generator = np.random.default_rng([seed, seeds])
        shares[1:] = generator.multinomial(seeds - 1, shares[0], size=draws) / (seeds - 1)
    return Draws(images, shares)


def estimate_of(values: Float[np.ndarray, " draws"], n: int) -> Estimate:
    """The sample's own value with the interval of the draws."""
    return between(float(values[0]), values[1:], n)


def recalls(
    logits: Float[np.ndarray, "seeds n outputs"], labels: Int64[np.ndarray, " n"], draws: Draws
) -> Float[np.ndarray, "draws labels"]:
    """Correct share of each label's images, mean over classifiers; the labels are those present, in order.

    NaN where no image of the label was drawn. The mean over labels is balanced accuracy.
    """
    indicator = (labels[:, None] == np.unique(labels)).astype(np.float64)
    total = np.zeros((len(draws.images), indicator.shape[1]))
    for predicted, share in zip(logits.argmax(2), draws.seeds.T, strict=True):
        total += share[:, None] * (draws.images @ ((predicted == labels)[:, None] * indicator))
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / (draws.images @ indicator)


def macro_mean_of(columns: Float[np.ndarray, "draws labels"]) -> Float[np.ndarray, " draws"]:
    """The mean over the columns that are finite; NaN where none is."""
    known = np.isfinite(columns)
    with np.errstate(invalid="ignore"):
        return np.where(known, columns, 0.0).sum(1) / known.sum(1)


def macro_auc(
    logits: Float[np.ndarray, "seeds n outputs"], labels: Int64[np.ndarray, " n"], draws: Draws
) -> Float[np.ndarray, " draws"]:
    """Area under the ROC curve of each label against the rest, by its probability; mean over labels and classifiers."""
    present = np.unique(labels)
    total = np.zeros((len(draws.images), len(present)))
    for scores, share in zip(log_softmax(logits), draws.seeds.T, strict=True):
        for column, label in enumerate(present):
            total[:, column] += share * auc(scores[:, label], labels == label, draws.images)
    return macro_mean_of(total)


def auc(
    scores: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"], weights: Float[np.ndarray, "draws n"]
) -> Float[np.ndarray, " draws"]:
    """Probability that a positive row scores above a negative one, ties counted half (Mann-Whitney), per weighting.

    NaN where only one kind was drawn.

    Args:
        scores: Higher is more likely positive.
        positive: Which rows are.
        weights: How often each row is drawn.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))  # of each run of ties
    is_positive = positive[order].astype(np.float64)
    areas = []
    step = max(1, _BLOCK // len(scores))
    for start in range(0, len(weights), step):
        block = weights[start : start + step, order]
        above = np.add.reduceat(block * is_positive, starts, axis=1)
        tied = np.add.reduceat(block * (1 - is_positive), starts, axis=1)
        below = np.cumsum(tied, axis=1) - tied
        with np.errstate(invalid="ignore", divide="ignore"):
            areas.append((above * (below + tied / 2)).sum(1) / (above.sum(1) * tied.sum(1)))
    return np.concatenate(areas)


def log_softmax(logits: Float[np.ndarray, "... outputs"]) -> Float[np.ndarray, "... outputs"]:
    """Logarithms of probabilities in float64; they rank like probabilities, without rounding to 1."""
    logits = np.asarray(logits, np.float64)
    peak = logits.max(-1, keepdims=True)
    out: np.ndarray = logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))
    return out
