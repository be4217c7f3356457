"""Spread of samples within a label against that of real images: shows collapse. Features in, ratios out."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.metrics import intervals


def measure_spread(
    real: Float[np.ndarray, "n d"],
    real_labels: Int64[np.ndarray, " n"],
    real_groups: np.ndarray,
    made: Float[np.ndarray, "m d"],
    made_labels: Int64[np.ndarray, " m"],
    *,
    seed: int,
) -> dict[str, Any]:
    """Per label, the mean over features of the samples' standard deviation over that of the real images; 1 is right.

    The interval resamples the real images by group and the samples one by one.

    Returns:
        `labels`: by label index, the ratio with its interval and `n` real images; `least`: the smallest ratio.
    """
    by_label: dict[str, Any] = {}
    for label in np.unique(real_labels):
        mine, theirs = real[real_labels == label], made[made_labels == label]
        if len(mine) < 3 or len(theirs) < 3:
            continue
        first = intervals.group_weights(real_groups[real_labels == label], seed, 300)
        second = intervals.group_weights(np.arange(len(theirs)), seed + 1, 300)
        value = float(
            _deviation(theirs, np.ones((1, len(theirs))))[0] / _deviation(mine, np.ones((1, len(mine))))[0]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = _deviation(theirs, second) / _deviation(mine, first)
        low, high = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
        by_label[str(int(label))] = intervals.Estimate(value, float(low), float(high), len(mine)).to_json()
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
