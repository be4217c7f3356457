"""How samples and real images overlap in feature space: precision and recall, density and coverage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

NEIGHBOURS = 5
_BLOCK = 1 << 22  # distances at a time


def manifold_rows(
    real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], neighbours: int = NEIGHBOURS
) -> dict[str, Float[np.ndarray, " rows"]]:
    """The share of either set that lies within the other's neighbourhoods, row by row; the means are the measures.

    A row's neighbourhood is the ball around it that reaches to the `neighbours`-th nearest row of its own set, edge
    included, as in Kynkäänniemi et al. 2019, eq. 1 (≤). The package prdc of Naeem et al. excludes the edge (<); the
    two differ only where distances are equal, as between copies.

    Returns:
        A value per row of `other`: `precision`, whether it lies within any ball of `real` (Kynkäänniemi et al. 2019,
        eq. 1 and 2), and `density`, the number of real balls that it lies in, over `neighbours`. A value per row of
        `real`: `recall`, whether it lies within any ball of `other`, and `coverage`, whether its ball has a row of
        `other` in it (Naeem et al. 2020, eq. 5 and 7). Means are from 0 to 1, and of density about 1 for two draws of
        one set.

    Raises:
        ValueError: Not more rows than `neighbours` on a side.
    """
    if min(len(real), len(other)) <= neighbours:
        raise ValueError(f"{len(real)} and {len(other)} rows for {neighbours} neighbours")
    real, other = np.asarray(real, np.float64), np.asarray(other, np.float64)
    real_radii, other_radii = _radii(real, neighbours), _radii(other, neighbours)
    inside_real = _inside(other, real, real_radii)
    inside_other = _inside(real, other, other_radii)
    return {
        "precision": inside_real.any(1).astype(np.float64),
        "recall": inside_other.any(1).astype(np.float64),
        "density": inside_real.sum(1) / neighbours,
        "coverage": inside_real.any(0).astype(np.float64),
    }


def _radii(rows: Float[np.ndarray, "n d"], neighbours: int) -> Float[np.ndarray, " n"]:
    """Distance of each row to its `neighbours`-th nearest other row."""
    radii = [np.partition(block, neighbours, axis=1)[:, neighbours] for block in _distances(rows, rows)]
    return np.concatenate(radii)  # the row itself is the nearest


def _inside(
    points: Float[np.ndarray, "m d"], centres: Float[np.ndarray, "n d"], radii: Float[np.ndarray, " n"]
) -> Bool[np.ndarray, "m n"]:
    """Which points lie in which balls."""
    return np.concatenate([block <= radii for block in _distances(points, centres)])


def _distances(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Distances of the rows, some rows of `first` at a time."""
    square = np.square(second).sum(1)
    step = max(1, _BLOCK // max(1, len(second)))
    for start in range(0, len(first), step):
        rows = first[start : start + step]
        squared = np.square(rows).sum(1)[:, None] + square - 2 * rows @ second.T
        yield np.sqrt(squared.clip(0))
