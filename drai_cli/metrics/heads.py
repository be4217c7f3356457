"""Usefulness by a second kind of classifier: logistic regression on features that were trained elsewhere.

Features in, JSON-able numbers out. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.metrics.logistic import fit_logistic
from drai_cli.metrics.score_table import ScoreTable, compare
from drai_cli.metrics.scores import draw_both
from drai_cli.metrics.training_sets import REAL, Arm


@dataclass(frozen=True, eq=False)
class FeatureTest:
    """Features of real images that heads are tested on, with their labels and groups."""

    features: Float32[np.ndarray, "n d"]
    labels: Int64[np.ndarray, " n"]
    groups: np.ndarray


def measure_heads(
    arms: Sequence[Arm],
    features: Float32[np.ndarray, "n d"],
    labels: Int64[np.ndarray, " n"],
    held: Int64[np.ndarray, " k"],
    made_features: Float32[np.ndarray, "m d"],
    tests: Sequence[FeatureTest],
    label_count: int,
    small: Sequence[int],
    seed: int,
) -> list[dict[str, Any]]:
    """Scores of a head per arm and test set; arms that are trained in two steps are left out: a head has one optimum.

    An arm's rows are weighted as often as the built-in classifier draws them. Intervals are over test groups.

    Args:
        arms: From `make_arms`, with the rows of `features` and of `made_features`.
        features: Of the real images of all parts.
        labels: Of those.
        held: Rows that select the ridge.
        made_features: Of the pool of synthetic images.
        tests: Where to test.
        label_count: Labels in all.
        small: The rare labels.
        seed: Of the bootstrap.

    Returns:
        Per test set `arms`, `differences` (from `real`), `helped`, `n` and `groups`, as in `measure_usefulness`.
    """
    real_rows = np.concatenate([each for each in arms[0].set.rows if len(each)])
    mean, deviation = features[real_rows].mean(0), np.maximum(features[real_rows].std(0), 1e-6)

    def scaled(rows: Float32[np.ndarray, "n d"]) -> Tensor:
        return torch.from_numpy(((rows - mean) / deviation).astype(np.float32))

    table = torch.cat([scaled(features), scaled(made_features)])
    tested = [scaled(each.features) for each in tests]
    logits: list[dict[str, np.ndarray]] = [{} for _ in tests]
    for arm in arms:
        if arm.first is not None:
            continue
        layer = _fit(arm, table, table[held], labels[held], label_count)
        with torch.no_grad():
            for of_test, rows in zip(logits, tested, strict=True):
                of_test[arm.name] = layer(rows).numpy()[None]
    out = []
    for each, of_test in zip(tests, logits, strict=True):
        scoring = ScoreTable(each.labels, each.groups, sorted(set(small) & set(each.labels.tolist())))
        draws = draw_both(each.groups, 1, seed)
        scores = {name: scoring.scores(one, draws) for name, one in of_test.items()}
        differences, helped = compare(scoring, scores, REAL)
        estimates = {name: scoring.estimates(one) for name, one in scores.items()}
        out.append({
            "arms": estimates, "differences": differences, "helped": helped, "n": len(each.labels),
            "groups": scoring.all_groups,
        })  # fmt: skip
    return out


def _fit(
    arm: Arm, table: Tensor, held: Tensor, held_labels: Int64[np.ndarray, " k"], label_count: int
) -> nn.Linear:
    """Weighted multinomial logistic regression; the ridge is chosen by balanced accuracy on the held rows."""
    counts = [len(rows) for rows in arm.set.rows]
    rows = np.concatenate(arm.set.rows)
    targets = torch.from_numpy(np.repeat(np.arange(label_count), counts))
    share = np.repeat(arm.set.share / np.maximum(counts, 1), counts)
    weights, inputs = torch.from_numpy(share.astype(np.float32)), table[rows]

    def loss(logits: Tensor) -> Tensor:
        return (F.cross_entropy(logits, targets, reduction="none") * weights).sum()

    return fit_logistic(inputs, held, held_labels, label_count, loss)
