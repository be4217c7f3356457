"""How many test images a comparison of classifiers needs, before and after it is made. Numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

WORTH_SEEING = 0.05
"""A gain in balanced accuracy that users want to see."""
_CHANGED = 0.25
"""Share of test cases that one of two classifiers gets right and the other wrong, assumed before any is trained."""


def least_gain(groups: Int64[np.ndarray, " labels"]) -> float:
    """The half width of the interval of a gain in balanced accuracy that is to be expected.

    The recall of a label of n cases, of which a share d changes, has a difference of variance d / n (McNemar's
    table, without a true gain); balanced accuracy is the mean over labels. Gains below it cannot be seen.

    Args:
        groups: Test cases (groups) of each label; labels without any are left out.
    """
    present = groups[groups > 0]
    return float(1.96 * math.sqrt((_CHANGED / present).sum()) / len(present))


def cases_for(groups: Int64[np.ndarray, " labels"], gain: float = WORTH_SEEING) -> int:
    """Test cases, in the same proportions, with which `least_gain` is `gain`."""
    return math.ceil(groups.sum() * (least_gain(groups) / gain) ** 2)


def groups_for(width: float, groups: int, gain: float = WORTH_SEEING) -> int | None:
    """Test groups, in the same proportions, with which the `half_width` of so many groups becomes `gain`.

    None where it is not known. Intervals that also cover few classifiers make it an upper bound.
    """
    return math.ceil(groups * (width / gain) ** 2) if math.isfinite(width) else None


def half_width(differences: Sequence[Mapping[str, Any]]) -> float:
    """Half the width of the median interval of measured gains: gains below it cannot be seen. NaN without intervals."""
    widths = [(one["high"] - one["low"]) / 2 for one in differences]
    known = [width for width in widths if math.isfinite(width)]
    return float(np.median(known)) if known else math.nan
