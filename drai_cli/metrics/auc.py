"""Area under the ROC curve with weighted rows, as `intervals` needs it. Scores and truths in, numbers out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int8

from drai_cli.conditions.findings import PRESENT, UNKNOWN
from drai_cli.metrics.intervals import Weights


def area(
    scores: Float[np.ndarray, " n"], is_positive: Bool[np.ndarray, " n"]
) -> Callable[[Weights], Float[np.ndarray, " draws"]]:
    """The probability that a positive row has a higher score than a negative one, ties half (Mann and Whitney 1947).

    NaN for a draw without rows of both kinds.
    """
    order = np.argsort(scores, kind="stable")
    ascending, positive = scores[order], is_positive[order].astype(np.float64)
    # Rows of equal score count as one step.
    starts = np.flatnonzero(np.r_[True, ascending[1:] != ascending[:-1]]) if len(scores) else np.array([0])

    def statistic(weights: Weights) -> Float[np.ndarray, " draws"]:
        ordered = weights[:, order]
        up = np.add.reduceat(ordered * positive, starts, axis=1)
        down = np.add.reduceat(ordered * (1 - positive), starts, axis=1)
        below = np.cumsum(down, 1) - down
        with np.errstate(invalid="ignore", divide="ignore"):
            out: np.ndarray = (up * (below + down / 2)).sum(1) / (up.sum(1) * down.sum(1))
        return out

    return statistic


def area_of(scores: Float[np.ndarray, " n"], states: Int8[np.ndarray, " n"]) -> float:
    """The area for a finding's states, rows where it is unknown left out; NaN unless it is both present and absent."""
    known = states != UNKNOWN
    present = states[known] == PRESENT
    if not present.any() or present.all():
        return float("nan")
    return float(area(scores[known], present)(np.ones((1, len(present))))[0])
