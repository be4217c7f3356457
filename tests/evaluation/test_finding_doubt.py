"""Findings that the judge cannot see in real images are marked, and the means where most are."""

from __future__ import annotations

from typing import Any

import pytest

from drai_cli.evaluation.findings import describe


def numbers(**of_judge: tuple[float, float]) -> dict[str, Any]:
    """As `measure_findings` gives them: the judge's AUC on real images and its lower end, by finding."""
    by_finding = {
        name: {
            "auc": 0.9, "balanced": 0.9, "balanced_real": 0.6,
            "auc_real": {"value": value, "low": low, "high": 1.0},
        }
        for name, (value, low) in of_judge.items()
    }  # fmt: skip
    mean = {"auc": 0.9, "auc_real": 0.7, "balanced": 0.9, "balanced_real": 0.6}
    return {
        "agreement": {"by_finding": by_finding, "mean": mean, "all_right": 0.5, "all_right_real": 0.5},
        "co_occurrence": {"correlation": 0.9, "correlation_real": 0.8},
        "swaps": None, "label_in_style": None, "findings": list(of_judge),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ({"mass": (0.9, 0.8), "edema": (0.8, 0.7)}, set()),
        ({"mass": (0.9, 0.8), "edema": (0.8, 0.45)}, {"edema"}),
        ({"mass": (0.9, 0.8), "edema": (0.53, 0.51)}, {"edema"}),
        ({"mass": (0.6, 0.4), "edema": (0.21, 0.14)}, {"mass", "edema", ""}),
    ],
)
def test_numbers_of_a_judge_at_chance_are_marked(
    judge: dict[str, tuple[float, float]], expected: set[str]
) -> None:
    part = describe(numbers(**judge), tuple(judge))
    assert {measure.label for measure in part.measures if measure.doubt} == expected
    assert part.verdict.startswith("No verdict") == ("" in expected)
    assert all(name in part.doubts[0] for name in expected)
    assert bool(part.doubts) == bool(expected)
