"""Known factors of variation to compare codes with: bins for information, columns for regression.

Integers (such as labels) are categories, floats are continuous, and the angles of `PERIODS` are periodic.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float64, Int64, Shaped

from drai_cli.metrics.factors import PERIODS

KnownFactors = Mapping[str, Shaped[np.ndarray, " n"]]
BINS = 10


def factor_bins(values: Shaped[np.ndarray, " n"], bins: int = BINS) -> Int64[np.ndarray, " n"]:
    """Bin of each value: its category, or for a float with more than `bins` values, its quantile bin."""
    distinct, index = np.unique(values, return_inverse=True)
    if np.issubdtype(values.dtype, np.integer) or len(distinct) <= bins:
        return index.astype(np.int64)
    edges = np.quantile(np.asarray(values, np.float64), np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def factor_columns(name: str, values: Shaped[np.ndarray, " n"]) -> Float64[np.ndarray, "n columns"]:
    """Regression targets of a factor: an indicator per category, cosine and sine of an angle, or the value itself."""
    if np.issubdtype(values.dtype, np.integer):
        return (values[:, None] == np.unique(values)).astype(np.float64)
    values = np.asarray(values, np.float64)
    if name in PERIODS:
        turn = 2 * np.pi * values / PERIODS[name]
        return np.stack([np.cos(turn), np.sin(turn)], 1)
    return values[:, None]


def checked_factors(codes: Float[np.ndarray, "n d"], factors: KnownFactors) -> Float64[np.ndarray, "n d"]:
    """The codes in float64.

    Raises:
        ValueError: No factors or no code dimensions, factors of another length, or values that are not finite.
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or not codes.shape[1] or not len(codes) or not factors:
        raise ValueError(f"codes of shape {codes.shape} and {len(factors)} factors")
    for name, values in factors.items():
        if values.shape != (len(codes),):
            raise ValueError(f"{name} has shape {values.shape} for {len(codes)} codes")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite")
    if not np.isfinite(codes).all():
        raise ValueError("codes hold values that are not finite")
    return codes
