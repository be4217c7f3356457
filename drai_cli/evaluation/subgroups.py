"""Subgroups of patients from the values of a column: names as they are, numbers in thirds."""

from __future__ import annotations

import numpy as np

from drai_cli.conditions.attribute import is_missing

_NAMES = 12
"""Most different values of a column of names; a column of numbers with more is split into thirds."""


def subgroups_of(values: np.ndarray) -> np.ndarray:
    """The subgroup of each row as text; empty where the value is missing.

    Args:
        values: Text per row.
    """
    known = np.array([not is_missing(value) for value in values.tolist()], bool)
    out = np.where(known, values, "")
    names = np.unique(out[known])
    if len(names) <= _NAMES:
        return out
    try:
        numbers = out[known].astype(np.float64)
    except ValueError:
        return out
    low, high = np.quantile(numbers, [1 / 3, 2 / 3])
    thirds = np.select(
        [numbers <= low, numbers <= high],
        [f"up to {low:g}", f"{low:g} to {high:g}"],
        f"over {high:g}",
    )
    named = out.astype("<U40")
    named[known] = thirds
    return named
