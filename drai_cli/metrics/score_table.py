"""Scores of classifiers as estimates and verdicts: overall, of the rare labels together, and label by label.

Knows nothing of what the classifiers were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.metrics.scores import Draws, estimate_of, macro_auc, macro_mean_of, recalls

FEWEST_GROUPS = 6
"""Fewest groups for a conclusion about a label: five that all change one way have a probability of 1 in 16."""

Scores = dict[str, Float[np.ndarray, "draws *labels"]]
"""`balanced_accuracy`, `recall` (a column per label), `macro_auc` and `small` of an arm, by draw."""


class ScoreTable:
    """Turns scores per draw into estimates and verdicts, label by label.

    Args:
        labels: Of the test images.
        groups: Of those.
        small: Labels whose mean recall is reported in addition; may be empty.
    """

    def __init__(self, labels: Int64[np.ndarray, " n"], groups: np.ndarray, small: list[int]) -> None:
        self.labels, self.small = labels, small
        self.present = [int(label) for label in np.unique(labels)]
        self.counts = {label: int((labels == label).sum()) for label in self.present}
        self.groups = {label: len(np.unique(groups[labels == label])) for label in self.present}
        self.all_groups = len(np.unique(groups))
        is_small = np.isin(labels, small)
        self.small_count, self.small_groups = int(is_small.sum()), len(np.unique(groups[is_small]))

    def scores(self, logits: Float[np.ndarray, "seeds n outputs"], draws: Draws) -> Scores:
        recall = recalls(logits, self.labels, draws)
        scores = {"balanced_accuracy": macro_mean_of(recall), "recall": recall}
        if len(self.present) > 1:
            scores["macro_auc"] = macro_auc(logits, self.labels, draws)
        if self.small:
            scores["small"] = macro_mean_of(recall[:, np.isin(self.present, self.small)])
        return scores

    def estimates(self, scores: Scores) -> dict[str, Any]:
        def of_labels(columns: np.ndarray) -> dict[str, Any]:
            return {
                str(label): estimate_of(column, self.counts[label]).to_json()
                for label, column in zip(self.present, columns.T, strict=True)
            }

        counts = {"small": self.small_count}
        return {
            name: of_labels(values)
            if name == "recall"
            else estimate_of(values, counts.get(name, len(self.labels))).to_json()
            for name, values in scores.items()
        }

    def verdicts(self, differences: dict[str, Any]) -> dict[str, Any]:
        groups = {"small": self.small_groups}
        return {
            name: {label: verdict(each, self.groups[int(label)]) for label, each in difference.items()}
            if name == "recall"
            else verdict(difference, groups.get(name, self.all_groups))
            for name, difference in differences.items()
        }


def verdict(difference: Mapping[str, Any], groups: int) -> str:
    """`helped` where the difference's interval lies above 0, `harmed` below, `too few` groups, else `neither`."""
    if groups < FEWEST_GROUPS:
        return "too few"
    if difference["low"] > 0:
        return "helped"
    return "harmed" if difference["high"] < 0 else "neither"


def compare(
    table: ScoreTable, scores: Mapping[str, Scores], baseline: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Differences of every arm's scores from the baseline's over the same draws, and their verdicts, by arm."""
    theirs = scores[baseline]
    differences = {
        name: table.estimates({score: mine[score] - theirs[score] for score in mine})
        for name, mine in scores.items()
        if name != baseline
    }
    return differences, {name: table.verdicts(difference) for name, difference in differences.items()}
