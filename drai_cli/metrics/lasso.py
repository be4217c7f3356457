"""Lasso regression for a falling sequence of penalties, by accelerated proximal steps. Arrays in, weights out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

_ROUNDS = 5000
_TOLERANCE = 1e-5  # of the gradient, which is a correlation where targets are standardised


def fit_lasso(
    table: Float64[np.ndarray, "n d"], targets: Float64[np.ndarray, "n k"], penalties: Sequence[float]
) -> Iterator[Float64[np.ndarray, "d k"]]:
    """Weights that minimise |y - Xw|² / 2n + λ |w|₁ for each target, without an intercept.

    FISTA (Beck & Teboulle 2009) on the products XᵀX and Xᵀy for all targets together. The momentum of a target restarts
    by the gradient scheme of O'Donoghue & Candès 2015; each penalty starts from the previous solution.

    Args:
        table: Columns of mean 0 and deviation 1, or all 0.
        targets: Of mean 0.
        penalties: λ relative to the smallest one at which all weights of a target are 0, falling.
    """
    within, toward = table.T @ table / len(table), table.T @ targets / len(table)
    step = 1 / max(float(np.linalg.eigvalsh(within)[-1]), 1e-12)
    largest = np.abs(toward).max(0)
    weights = np.zeros_like(toward)
    for penalty in penalties:
        ahead, momentum = weights, np.ones(targets.shape[1])
        for _ in range(_ROUNDS):
            raised = ahead - step * (within @ ahead - toward)
            new = np.sign(raised) * np.maximum(np.abs(raised) - step * penalty * largest, 0)
            missed = np.abs(new - ahead).max() / step
            momentum[((ahead - new) * (new - weights)).sum(0) > 0] = 1
            grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead, weights = new + (momentum - 1) / grown * (new - weights), new
            momentum = grown
            if missed < _TOLERANCE:
                break
        yield weights
