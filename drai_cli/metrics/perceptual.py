"""How far apart images look: distances between maps of features, and positions that are evenly spaced in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

_LARGEST_MAP = 8
_FINE = 8  # first positions per step asked for, by which the path is measured
_ROUNDS = 12


def perceptual_features(
    maps: Iterable[Float[Tensor, "batch channels height width"]],
) -> Float[Tensor, "batch feature"]:
    """Vectors whose Euclidean distance says how different images look.

    As LPIPS without its learned weights (Zhang et al. 2018, equation 1): at every place of every stage the channels are
    brought to unit length, squared differences are averaged over places and summed over stages. Maps above 8 x 8 are
    pooled, so that fine texture counts by its kind and not by where each grain lies.
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
    """Coefficient of variation: deviation over mean; 0 for equal steps, and where nothing moves."""
    mean = float(distances.mean()) if len(distances) else 0.0
    return float(distances.std()) / mean if mean > 0 else 0.0


def even_positions(
    features_at: Callable[[Float[np.ndarray, " positions"]], Float32[np.ndarray, "positions feature"]],
    steps: int,
) -> Float[np.ndarray, " steps"]:
    """Positions from 0 to 1 whose neighbours are equally far apart.

    By the path's length first, measured at fine steps; then, since a step cuts the path's corners, by the steps
    themselves, until they are even or get no more so.

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
        found = unevenness(distances)
        if found >= least:
            break
        best, least = positions, found
        positions = _evened(positions, distances, even)
    return best


def _evened(positions: np.ndarray, distances: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Where the path through `positions`, of these step lengths, reaches each share of its length."""
    total = distances.sum()
    if not total > 0:
        return even
    reached = np.concatenate([[0.0], np.cumsum(distances) / total])
    found = np.interp(even, reached, positions)
    found[0], found[-1] = 0.0, 1.0
    return found
