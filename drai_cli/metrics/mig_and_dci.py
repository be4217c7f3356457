"""How codes represent known factors: the mutual information gap (MIG), and DCI with a lasso.

Codes and factors in, numbers out; knows nothing of images or networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from drai_cli.metrics.factors import r_squared
from drai_cli.metrics.known_factors import KnownFactors, checked_factors, factor_bins, factor_columns
from drai_cli.metrics.lasso import fit_lasso
from drai_cli.metrics.probes import fitting_rows

CODE_BINS = 20
PENALTIES = tuple(float(value) for value in np.logspace(-0.25, -3, 12))
"""Penalties to try for each factor, relative to the smallest penalty at which all its weights are 0."""


@dataclass(frozen=True)
class Mig:
    """The mutual information gap.

    Attributes:
        value: Mean of `gaps`, from 0 to 1.
        gaps: By factor.
        information: Mutual information in nats, one row per code dimension and one column per factor, as in `gaps`.
        n: Rows behind the estimate.
    """

    value: float
    gaps: dict[str, float]
    information: Float64[np.ndarray, "d factors"]
    n: int


def mutual_information_gap(codes: Float[np.ndarray, "n d"], factors: KnownFactors) -> Mig:
    """(I(z₁; v) - I(z₂; v)) / H(v) of the two most informative dimensions, mean over factors (Chen et al. 2018).

    The information is computed from counts, with codes in 20 bins of equal width over their range, as in Locatello et
    al. 2019, where Chen et al. integrate over the posterior; continuous factors are in 10 quantile bins. A code with
    one factor in several dimensions, such as the label in a content vector, has a MIG near 0 however well it is
    separated from style, because MIG expects one dimension per factor. Counts of n rows overestimate the information of
    every dimension by about 19 · 9 / 2n nats.

    Args:
        codes: Posterior means, one row per image; the whole code or a block of it. With a single dimension, the second
            best has information 0.
        factors: By name; whole numbers are categories. A factor that does not vary has gap 0.

    Raises:
        ValueError: Lengths differ, or values are not finite.
    """
    codes = checked_factors(codes, factors)
    bins = np.stack([_bins(column) for column in codes.T], 1)
    information = np.zeros((codes.shape[1], len(factors)))
    gaps = {}
    for place, (name, values) in enumerate(factors.items()):
        binned = factor_bins(values)
        information[:, place] = [mutual_information(column, binned) for column in bins.T]
        entropy = mutual_information(binned, binned)
        least, most = np.sort(np.append(information[:, place], 0.0))[-2:]
        gaps[name] = float((most - least) / entropy) if entropy > 0 else 0.0
    return Mig(float(np.mean(list(gaps.values()))), gaps, information, len(codes))


def mutual_information(first: Int64[np.ndarray, " n"], second: Int64[np.ndarray, " n"]) -> float:
    """Mutual information of two arrays of bins from 0, in nats; of an array with itself, its entropy."""
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    counts = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns)
    share = counts / len(first)
    apart = np.outer(share.sum(1), share.sum(0))
    seen = share > 0
    return float(max((share[seen] * np.log(share[seen] / apart[seen])).sum(), 0.0))


def _bins(column: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Bins of equal width over the range; a single one where the column is constant."""
    low, high = column.min(), column.max()
    if not high > low:
        return np.zeros(len(column), np.int64)
    return ((column - low) / (high - low) * CODE_BINS).astype(np.int64).clip(max=CODE_BINS - 1)


@dataclass(frozen=True)
class Dci:
    """Disentanglement, completeness and informativeness.

    Attributes:
        disentanglement: 1 where each dimension encodes one factor; dimensions are weighted by their importance.
        completeness: 1 where one dimension encodes each factor; factors are weighted by their importance.
        informativeness: Mean R² over factors; 1 where all are predicted.
        by_factor: R² of each factor.
        completeness_by_factor: Of each factor.
        shares: By factor, the share of its importance in each block; empty where it has none.
        importance: Mean absolute weight, one row per dimension and one column per factor.
        n: Rows behind R².
    """

    disentanglement: float
    completeness: float
    informativeness: float
    by_factor: dict[str, float]
    completeness_by_factor: dict[str, float]
    shares: dict[str, dict[str, float]]
    importance: Float64[np.ndarray, "d factors"]
    n: int


def measure_dci(
    codes: Float[np.ndarray, "n d"],
    factors: KnownFactors,
    parts: np.ndarray,
    blocks: Mapping[str, slice] | None = None,
    *,
    part: str = "test",
    seed: int,
) -> Dci:
    """Disentanglement, completeness, informativeness (Eastwood & Williams 2018, section 2) with a lasso as predictor.

    Codes and factors are standardised by the rows used for fitting; a dimension's importance for a factor is its
    weight's absolute value, averaged over the factor's columns (categories, or an angle's cosine and sine). The penalty
    is chosen for each factor on the validation rows, by the rule of one standard error (Hastie et al. 2009, 7.10).
    Informativeness is R² on the rows of `part`, at least 0 for each factor, where the paper reports the error. The
    lasso finds linear relations only, and among redundant dimensions it may use any one: shares then describe what was
    used, not everything that is encoded.

    Args:
        codes: Posterior means, one row per image: content and style side by side, or either.
        factors: By name; whole numbers are categories.
        parts: `train`, `validation` or `test` per row.
        blocks: Columns by name, such as `content` and `style`, for `shares`.
        part: Rows that informativeness is reported on.
        seed: Of the rows that choose the penalty where `part` is `validation`.

    Raises:
        ValueError: Lengths differ, values are not finite, or a part has no rows.
    """
    codes = checked_factors(codes, factors)
    rows = fitting_rows(parts, part, seed)
    if not all(len(each) for each in rows):
        raise ValueError("rows are needed to fit, to choose the penalty and to report")
    fitted, chooser, reported = rows
    table = _standardised(codes, fitted)
    targets = {name: _standardised(factor_columns(name, values), fitted) for name, values in factors.items()}
    together = np.concatenate(list(targets.values()), 1)
    path = [
        np.zeros((codes.shape[1], together.shape[1])),
        *fit_lasso(table[fitted], together[fitted], PENALTIES),
    ]
    importance = np.zeros((codes.shape[1], len(factors)))
    scores, start = {}, 0
    for place, (name, true) in enumerate(targets.items()):
        of = slice(start, start := start + true.shape[1])
        weights = _chosen([each[:, of] for each in path], table[chooser], true[chooser])
        importance[:, place] = np.abs(weights).mean(1)
        scores[name] = max(_explained(table[reported] @ weights, true[reported]), 0.0)
    total = importance.sum()
    complete = _focus(importance)
    return Dci(
        disentanglement=float(_focus(importance.T) @ importance.sum(1) / total) if total else 0.0,
        completeness=float(complete @ importance.sum(0) / total) if total else 0.0,
        informativeness=float(np.mean(list(scores.values()))),
        by_factor=scores,
        completeness_by_factor=dict(zip(factors, complete.tolist(), strict=True)),
        shares={name: _shares(importance[:, place], blocks or {}) for place, name in enumerate(factors)},
        importance=importance,
        n=len(reported),
    )


def _standardised(
    columns: Float64[np.ndarray, "n k"], fitted: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, "n k"]:
    """Columns of mean 0 and deviation 1 over the fitted rows; all 0 where they do not vary there."""
    mean, deviation = columns[fitted].mean(0), columns[fitted].std(0)
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    return np.where(varies, (columns - mean) / np.where(varies, deviation, 1.0), 0.0)


def _chosen(
    path: Sequence[Float64[np.ndarray, "d k"]],
    table: Float64[np.ndarray, "n d"],
    true: Float64[np.ndarray, "n k"],
) -> Float64[np.ndarray, "d k"]:
    """The first weights, by falling penalty, whose loss is within one standard error of the best loss.

    Without that margin, a factor that cannot be predicted gets small random weights everywhere, which would determine
    the entropies.
    """
    losses = [np.square(true - table @ weights).mean(1) for weights in path]
    best = min(losses, key=lambda loss: float(loss.mean()))
    margin = best.mean() + best.std() / np.sqrt(len(best))
    return next(weights for weights, loss in zip(path, losses, strict=True) if loss.mean() <= margin)


def _explained(predicted: Float64[np.ndarray, "n k"], true: Float64[np.ndarray, "n k"]) -> float:
    """Mean R² over the columns that vary; 0 where none does."""
    varies = true.std(0) > 0
    return float(r_squared(predicted[:, varies], true[:, varies]).mean()) if varies.any() else 0.0


def _focus(importance: Float64[np.ndarray, "a b"]) -> Float64[np.ndarray, " b"]:
    """1 - entropy of each column's shares, to the base of their number; 0 for a column of zeros."""
    total = importance.sum(0)
    share = importance / np.where(total > 0, total, 1.0)
    logs = np.log(np.where(share > 0, share, 1.0))
    entropy = -(share * logs).sum(0) / np.log(max(len(importance), 2))
    return np.where(total > 0, 1 - entropy, 0.0)


def _shares(importance: Float64[np.ndarray, " d"], blocks: Mapping[str, slice]) -> dict[str, float]:
    total = importance.sum()
    return {name: float(importance[of].sum() / total) for name, of in blocks.items()} if total else {}
