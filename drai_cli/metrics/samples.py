"""Label agreement: does the judge assign the requested label to samples? Arrays in, JSON-able numbers out."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.metrics import intervals
from drai_cli.metrics.judge import Judge
from drai_cli.metrics.mapping import Images


class Extractor(Protocol):
    """Turns stored images into features for distances and spread; every number states its name."""

    @property
    def name(self) -> str: ...
    @property
    def comparable_with(self) -> str: ...
    def features(self, images: Images) -> Float[np.ndarray, "n d"]: ...


def rows_per_label(
    labels: Int64[np.ndarray, " n"], each: int, seed: int, *, again: bool = True
) -> Int64[np.ndarray, " k"]:
    """`each` rows of every label; rows of rare labels are repeated, or without `again` there are fewer of them."""
    generator = np.random.default_rng(seed)
    out = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        out.append(rows_in_turn(rows, each if again else min(each, len(rows)), generator))
    return np.concatenate(out)


def rows_in_turn(
    rows: Int64[np.ndarray, " n"], count: int, generator: np.random.Generator
) -> Int64[np.ndarray, " count"]:
    """`count` rows in random order; none is repeated before all others are used as often."""
    rounds = [generator.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate(rounds)[:count]


def measure_judge(
    judge: Judge, images: Images, labels: Int64[np.ndarray, " n"], groups: np.ndarray, seed: int
) -> intervals.Estimate:
    """The judge's balanced accuracy on real images, with its interval over groups."""
    weights = intervals.group_weights(groups, seed)
    return intervals.estimate(intervals.macro_mean(judge.labels(images) == labels, labels), weights)


def measure_agreement(
    judge: Judge,
    made: Images,
    made_labels: Int64[np.ndarray, " n"],
    own: intervals.Estimate,
    seed: int,
) -> dict[str, Any]:
    """Balanced accuracy of the judge on samples with respect to the requested labels, and the correct share per label.

    Args:
        judge: Trained on real training images.
        made: Samples.
        made_labels: Requested labels.
        own: The judge's balanced accuracy on real images, the baseline.
        seed: Of the bootstrap.
    """
    predicted = judge.labels(made)
    weights = intervals.group_weights(np.arange(len(made)), seed)
    agreement = intervals.estimate(intervals.macro_mean(predicted == made_labels, made_labels), weights)
    by_label = {str(int(k)): float((predicted[made_labels == k] == k).mean()) for k in np.unique(made_labels)}
    ratio = agreement.value / max(own.value, 1e-9)
    return {**agreement.to_json(), "labels": by_label, "real": own.to_json(), "ratio": ratio}
