"""Bootstrap intervals over groups: a measure is a weighted statistic, drawn groups are its weights.

Knows nothing of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

Weights = Float[np.ndarray, "draws n"]
DRAWS = 1000


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: The measure itself.
        low: 2.5 % quantile over bootstrap draws.
        high: 97.5 % quantile over bootstrap draws.
        n: Rows it was computed from.
    """

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int]:
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def group_weights(groups: np.ndarray, seed: int, draws: int = DRAWS) -> Weights:
    """How often each row's group is drawn, when as many groups as exist are drawn with replacement.

    Args:
        groups: Group name or number per row.
        seed: Of the draws.
        draws: Bootstrap draws.
    """
    names, index = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, index].astype(np.float64)


def pair_weights(first: np.ndarray, second: np.ndarray, seed: int, draws: int = DRAWS) -> Weights:
    """Weights of pairs: the groups of both members are resampled as one population."""
    names = np.unique(np.concatenate([first, second]))
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    sides = (counts[:, np.searchsorted(names, side)].astype(np.float64) for side in (first, second))
    left, right = sides
    return left * right


def estimate(statistic: Callable[[Weights], Float[np.ndarray, " draws"]], weights: Weights) -> Estimate:
    """The statistic with all weights one, and its interval over the rows of `weights`.

    Draws for which the statistic is undefined (a label that was not drawn) are left out.
    """
    value = float(statistic(np.ones((1, weights.shape[1])))[0])
    return between(value, statistic(weights), weights.shape[1])


def estimate_two(
    statistic: Callable[[Weights, Weights], Float[np.ndarray, " draws"]], first: Weights, second: Weights
) -> Estimate:
    """As `estimate`, of a statistic of two sets whose groups are drawn independently; `n` is the first one's."""
    value = float(statistic(np.ones((1, first.shape[1])), np.ones((1, second.shape[1])))[0])
    return between(value, statistic(first, second), first.shape[1])


def between(value: float, drawn: Float[np.ndarray, " draws"], n: int) -> Estimate:
    """A value with the interval of its draws; undefined draws are left out."""
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), n)


def macro_mean(
    values: Float[np.ndarray, " n"], labels: Int64[np.ndarray, " n"]
) -> Callable[[Weights], Float[np.ndarray, " draws"]]:
    """The mean over labels of each label's weighted mean; of correct answers this is balanced accuracy."""
    values = np.asarray(values, np.float64)
    present = np.unique(labels)
    indicator = (labels[:, None] == present).astype(np.float64)

    def statistic(weights: Weights) -> Float[np.ndarray, " draws"]:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = ((weights * values) @ indicator) / (weights @ indicator)
            # NaN for a draw without any label.
            out: np.ndarray = np.nansum(means, 1) / (~np.isnan(means)).sum(1)
        return out

    return statistic


def mean(values: Float[np.ndarray, " n"]) -> Callable[[Weights], Float[np.ndarray, " draws"]]:
    """The weighted mean."""
    values = np.asarray(values, np.float64)

    def statistic(weights: Weights) -> Float[np.ndarray, " draws"]:
        out: np.ndarray = _shares(weights) @ values
        return out

    return statistic


def quantile(
    values: Float[np.ndarray, " n"], share: float
) -> Callable[[Weights], Float[np.ndarray, " draws"]]:
    """The weighted quantile below which a new draw lies with probability `share`.

    It is interpolated between the order statistics at `share` (n + 1) (Hyndman and Fan 1996, definition 6), where each
    row counts as often as its weight, a whole number; with fewer than 1 / share - 1 rows it is the smallest value.
    """
    order = np.argsort(values, kind="stable")
    ascending = np.asarray(values, np.float64)[order]

    def statistic(weights: Weights) -> Float[np.ndarray, " draws"]:
        reached = weights[:, order].cumsum(1)
        total = reached[:, -1]
        place = np.clip(share * (total + 1), 1, total)
        below = np.floor(place)
        left, right = (
            ascending[(reached < rank[:, None]).sum(1)] for rank in (below, np.minimum(below + 1, total))
        )
        out: np.ndarray = left + (place - below) * (right - left)
        return out

    return statistic


def correlation(
    left: Float[np.ndarray, "n columns"], right: Float[np.ndarray, "n columns"]
) -> Callable[[Weights], Float[np.ndarray, " draws"]]:
    """Pearson's correlation of each column, averaged over columns."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)

    def statistic(weights: Weights) -> Float[np.ndarray, " draws"]:
        share = _shares(weights)
        mean_left, mean_right = share @ left, share @ right
        covariance = share @ (left * right) - mean_left * mean_right
        variance = (share @ left**2 - mean_left**2) * (share @ right**2 - mean_right**2)
        out: np.ndarray = (covariance / np.sqrt(np.maximum(variance, 1e-18))).mean(1)
        return out

    return statistic


def explained(
    predicted: Float[np.ndarray, " n"], true: Float[np.ndarray, " n"]
) -> Callable[[Weights], Float[np.ndarray, " draws"]]:
    """R²: 1 - residual over total sum of squares; below 0 where the mean is a better prediction."""
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)

    def statistic(weights: Weights) -> Float[np.ndarray, " draws"]:
        share = _shares(weights)
        total = share @ true**2 - (share @ true) ** 2
        out: np.ndarray = 1 - (share @ (predicted - true) ** 2) / np.maximum(total, 1e-18)
        return out

    return statistic


def _shares(weights: Weights) -> Weights:
    """Weights that add up to 1; NaN where all are 0, as for pairs of which no draw has both groups."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out: np.ndarray = weights / weights.sum(1, keepdims=True)
    return out
