"""Whether images keep to the range of real ones in the plainest respects: brightness, contrast, edges, colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from drai_cli.metrics import intervals
from drai_cli.metrics.mapping import Images

_TAILS = 0.001  # of the reference on either side


def plain_features(images: Images) -> Float[np.ndarray, "n looks"]:
    """Per image and channel: mean, standard deviation, mean absolute difference of neighbours; all in 0..1."""
    peak = float(np.iinfo(images.dtype).max)
    looks = []
    for start in range(0, len(images), 256):
        levels = images[start : start + 256].astype(np.float32) / peak
        steps = np.abs(np.diff(levels, axis=1)).mean((1, 2)), np.abs(np.diff(levels, axis=2)).mean((1, 2))
        looks.append(np.concatenate([levels.mean((1, 2)), levels.std((1, 2)), sum(steps) / 2], 1))
    out: np.ndarray = np.concatenate(looks)
    return out


def in_range(images: Images, reference: Images) -> Bool[np.ndarray, " n"]:
    """Which images lie within the reference's range in every respect, but for 0.1 % on either side of each."""
    low, high = np.quantile(plain_features(reference), [_TAILS, 1 - _TAILS], axis=0)
    looks = plain_features(images)
    out: np.ndarray = ((looks >= low) & (looks <= high)).all(1)
    return out


def measure_ranges(
    made: Images, real: Images, groups: np.ndarray, reference: Images, seed: int
) -> dict[str, Any]:
    """The share of samples, and of real images of the evaluated part, within the range of the training images."""
    flags = in_range(np.concatenate([made, real]), reference).astype(np.float64)
    return {
        name: intervals.estimate(intervals.mean(own), intervals.group_weights(of, seed)).to_json()
        for name, own, of in (
            ("samples", flags[: len(made)], np.arange(len(made))),
            ("real", flags[len(made) :], groups),
        )
    }
