"""Perceptual distances between images from feature maps, and positions with equal distances between neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

_LARGEST_MAP = 8
_FINE = 8  # positions per requested step in the first measurement of the path
_ROUNDS = 12


def perceptual_features(
    maps: Iterable[Float[Tensor, "batch channels height width"]],
) -> Float[Tensor, "batch feature"]:
    """Vectors whose Euclidean distance measures how different images look.

    LPIPS without learned weights (Zhang et al. 2018, equation 1): at every position of every stage the channels are
    normalised to unit length; squared differences are averaged over positions and summed over stages. Maps above 8 x 8
    are pooled, so that the kind of fine texture counts, not its exact position.
    """
    parts = []
    for stage in maps:
        side = min(_LARGEST_MAP, *stage.shape[2:])
        pooled = functional.adaptive_avg_pool2d(stage.float(), side)
        parts.append(functional.normalize(pooled, dim=1).flatten(1) / side)
    return torch.cat(parts, dim=1)


def step_distances(features: Float32[np.ndarray, "steps feature"]) -> Float[np.ndarray, " steps_less_one"]:
    """Distance of each row to the next."""
    return np.sqrt(np.square(np.diff(features.astype(np.float64), axis=0)).sum(1))


def unevenness(distances: Float[np.ndarray, " steps"]) -> float:
    """Coefficient of variation: deviation over mean; 0 for equal steps, and where all are 0."""
    mean = float(distances.mean()) if len(distances) else 0.0
    return float(distances.std()) / mean if mean > 0 else 0.0


def even_positions(
    features_at: Callable[[Float[np.ndarray, " positions"]], Float32[np.ndarray, "positions feature"]],
    steps: int,
) -> Float[np.ndarray, " steps"]:
    """Positions from 0 to 1 with equal distances between neighbours.

    First by the path's length, measured at fine steps; then, because a step is shorter than its curved path, by the
    steps themselves, until their unevenness no longer falls.

    Args:
        features_at: Features of the images at some positions.
        steps: How many positions, both ends included.
    """
    even = np.linspace(0, 1, steps)
    fine = np.linspace(0, 1, _FINE * (steps - 1) + 1)
    best = positions = _evened(fine, step_distances(features_at(fine)), even)
    least = np.inf
    for _ in range(_ROUNDS):
        distances = step_distances(features_at(positions))
        now = unevenness(distances)
        if now >= least:
            break
        best, least = positions, now
        positions = _evened(positions, distances, even)
    return best


def most_positions(steps: int) -> int:
    """At how many positions `even_positions` asks for features, at most."""
    return _FINE * (steps - 1) + 1 + _ROUNDS * steps


def _evened(positions: np.ndarray, distances: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Where the path through `positions`, with these step lengths, reaches each share of its length."""
    total = distances.sum()
    if not total > 0:
        return even
    reached = np.concatenate([[0.0], np.cumsum(distances) / total])
    evened = np.interp(even, reached, positions)
    evened[0], evened[-1] = 0.0, 1.0
    return evened
