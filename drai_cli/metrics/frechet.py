"""Distances between two sets of features: Fréchet distance and kernel distance (KID), float64.

Knows nothing of images; the caller chooses the features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.errors import InputError
from drai_cli.metrics.intervals import Estimate, between, group_weights


def frechet_distance(real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"]) -> float:
    """|mean difference|² + tr(C + C' - 2 (C C')^½) of two sets of features (Heusel et al. 2017, eq. 6).

    Biased upwards for small n: compare only at equal n, and with the distance between real sets. The trace of the
    root is computed from the symmetric C^½ C' C^½, so that rank-deficient covariances (n < d) need no jitter.
    """
    real, other = np.asarray(real, np.float64), np.asarray(other, np.float64)
    if not (np.isfinite(real).all() and np.isfinite(other).all()):
        raise InputError("features", "they are not finite: the model or the extractor is damaged")
    gap = real.mean(0) - other.mean(0)
    left, right = np.cov(real, rowvar=False), np.cov(other, rowvar=False)
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ right @ root)
    distance = gap @ gap + np.trace(left) + np.trace(right) - 2 * np.sqrt(cross.clip(0)).sum()
    return float(max(distance, 0.0))


def distance_from_halves(
    real: Float[np.ndarray, "n d"],
    halves: Sequence[Int64[np.ndarray, " half"]],
    other: Float[np.ndarray, "m d"],
    like: Sequence[Int64[np.ndarray, " half"]],
) -> float:
    """Fréchet distance of each half of a real set from what takes the place of the other half, their mean.

    With this the distance between the two halves can be compared: both are between sets of one size.

    Args:
        real: Features of real images.
        halves: Rows of each half.
        other: Features of other images.
        like: Rows of `other` that take the place of each half.
    """
    pairs = zip(halves, reversed(like), strict=True)
    return float(np.mean([frechet_distance(real[own], other[rows]) for own, rows in pairs]))


def kernel_distance(
    real: Float[np.ndarray, "n d"],
    other: Float[np.ndarray, "m d"],
    real_groups: np.ndarray,
    other_groups: np.ndarray,
    seed: int,
) -> Estimate:
    """Unbiased squared MMD with the cubic kernel (x·y / d + 1)³ (Bińkowski et al. 2018), with an interval.

    The expectation is 0 for two draws from one distribution, at any n; single values may be below 0. The
    interval is a bootstrap over groups on both sides; a row is never compared with a copy of itself.
    """
    real, other = np.asarray(real, np.float64), np.asarray(other, np.float64)
    dim = real.shape[1]

    def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        out: np.ndarray = (left @ right.T / dim + 1) ** 3
        return out

    within_real, within_other, across = kernel(real, real), kernel(other, other), kernel(real, other)
    np.fill_diagonal(within_real, 0)
    np.fill_diagonal(within_other, 0)

    def statistic(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        def within(weights: np.ndarray, matrix: np.ndarray) -> np.ndarray:
            pairs = weights.sum(1) ** 2 - (weights**2).sum(1)
            out: np.ndarray = ((weights @ matrix) * weights).sum(1) / pairs
            return out

        between = ((first @ across) * second).sum(1) / (first.sum(1) * second.sum(1))
        out: np.ndarray = within(first, within_real) + within(second, within_other) - 2 * between
        return out

    value = float(statistic(np.ones((1, len(real))), np.ones((1, len(other))))[0])
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one row alone has no pairs
        drawn = statistic(group_weights(real_groups, seed), group_weights(other_groups, seed + 1))
    return between(value, drawn, min(len(real), len(other)))


def match_counts(
    labels: Int64[np.ndarray, " n"], pool_labels: Int64[np.ndarray, " m"], seed: int
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Rows of two sets with equal class counts, drawn without replacement: as many of each as the smaller side has.

    Returns:
        Rows of the first set and rows of the second, in the same order of labels.
    """
    generator = np.random.default_rng(seed)
    first, second = [], []
    for label in np.unique(labels):
        mine, theirs = np.flatnonzero(labels == label), np.flatnonzero(pool_labels == label)
        count = min(len(mine), len(theirs))
        first.append(generator.permutation(mine)[:count])
        second.append(generator.permutation(theirs)[:count])
    return np.concatenate(first), np.concatenate(second)
