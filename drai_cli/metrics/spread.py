"""Spread of samples within a label relative to real images: shows mode collapse. Features in, ratios out."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.metrics import intervals

_DRAWS = 300


def measure_spread(
    real: Float[np.ndarray, "n d"],
    real_labels: Int64[np.ndarray, " n"],
    real_groups: np.ndarray,
    made: Float[np.ndarray, "m d"],
    made_labels: Int64[np.ndarray, " m"],
    *,
    other: Float[np.ndarray, "k d"] | None = None,
    other_labels: Int64[np.ndarray, " k"] | None = None,
    seed: int,
) -> dict[str, Any]:
    """Per label, the mean over features of the samples' standard deviation over that of the real images.

    1 is best. The interval resamples the real images by group and the samples individually.

    Args:
        real: Features of real images of the part.
        real_labels: Of those.
        real_groups: Of those.
        made: Features of samples.
        made_labels: Of those.
        other: Features of real images of another part; their ratio is the baseline.
        other_labels: Of those.
        seed: Of the bootstrap.

    Returns:
        `labels`: by label index, the ratio with its interval, `n` real images, and `real`, the same ratio for the
            other part's images; labels with fewer than three images are left out. `least`: the smallest ratio.
    """
    by_label: dict[str, Any] = {}
    for label in np.unique(real_labels):
        mine, theirs = real[real_labels == label], made[made_labels == label]
        if len(mine) < 3 or len(theirs) < 3:
            continue
        scale = _deviation(mine, np.ones((1, len(mine))))[0]
        value = _deviation(theirs, np.ones((1, len(theirs))))[0] / scale
        first = intervals.group_weights(real_groups[real_labels == label], seed, _DRAWS)
        second = intervals.group_weights(np.arange(len(theirs)), seed + 1, _DRAWS)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = _deviation(theirs, second) / _deviation(mine, first)
        entry: dict[str, Any] = intervals.between(float(value), drawn, len(mine)).to_json()
        if other is not None and other_labels is not None:
            control = other[other_labels == label]
            if len(control) >= 3:
                entry["real"] = float(_deviation(control, np.ones((1, len(control))))[0] / scale)
        by_label[str(int(label))] = entry
    least = min(entry["value"] for entry in by_label.values()) if by_label else None
    return {"labels": by_label, "least": least}


def _deviation(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over features of the standard deviation (unbiased variance) under each row of weights, `[draws]`."""
    features = np.asarray(features, np.float64) - features.mean(0)
    total = weights.sum(1, keepdims=True)
    mean = weights @ features / total
    variance = weights @ features**2 / total - mean**2
    variance = variance.clip(0) * total / np.maximum(total - 1, 1e-9)
    out: np.ndarray = np.sqrt(variance).mean(1)
    return out
