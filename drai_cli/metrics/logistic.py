"""Multinomial logistic regression by L-BFGS. Knows nothing of what its rows are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from drai_cli.metrics.judge import balanced_accuracy

_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
_STEPS = 60


def fit_logistic(
    table: Float[Tensor, "n d"],
    held_table: Float[Tensor, "k d"],
    held_labels: Int64[np.ndarray, " k"],
    label_count: int,
    loss: Callable[[Tensor], Tensor],
) -> nn.Linear:
    """The layer whose ridge gives the best balanced accuracy on the held rows.

    Args:
        table: Rows to fit on.
        held_table: Rows that select the ridge.
        held_labels: Of those.
        label_count: Labels in all.
        loss: Of the logits of `table`, without the ridge.
    """
    best, chosen = -1.0, _zeros(table.shape[1], label_count)
    for ridge in _RIDGES:
        layer = _zeros(table.shape[1], label_count)
        optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

        def step(
            layer: nn.Linear = layer, optimiser: torch.optim.LBFGS = optimiser, ridge: float = ridge
        ) -> Tensor:
            optimiser.zero_grad()
            value = loss(layer(table)) + ridge * layer.weight.square().sum()
            value.backward()
            return value

        optimiser.step(step)
        with torch.no_grad():
            now = balanced_accuracy(layer(held_table).argmax(1).numpy(), held_labels)
        if now > best:
            best, chosen = now, layer
    return chosen


def _zeros(inputs: int, outputs: int) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # draws no random numbers
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
