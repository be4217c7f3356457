"""A report's shape: one word for interval against baseline, and JSON that loses no zero."""

from __future__ import annotations

import json
import math

import pytest

from drai_cli.report.findings import Baseline, Cell, Comparison, ComparisonRow, Measure, Part, Report


def measure(better, low, high, baseline=None, **more):
    value = more.pop("value", 0.0 if low is None else (low + high) / 2)
    return Measure("m", "M", value, better, "How.", low, high, baseline=baseline, **more)


BESIDE = Baseline("beside", 10.0, 9.0, 11.0)


@pytest.mark.parametrize(
    ("better", "low", "high", "word"),
    [
        ("lower", 7, 9.9, "good"), ("lower", 9.5, 10.5, "near"), ("lower", 10.5, 12, "near"),
        ("lower", 11.1, 12, "poor"), ("higher", 10.1, 12, "good"), ("higher", 9.5, 10.5, "near"),
        ("higher", 8, 9.5, "near"), ("higher", 7, 8.9, "poor"),
        ("baseline", 9.9, 10.1, "good"), ("baseline", 10.5, 12, "near"), ("baseline", 8, 9.5, "near"),
        ("baseline", 11.1, 12, "poor"), ("baseline", 7, 8.9, "poor"),
    ],
)  # fmt: skip
def test_standing_is_interval_against_baseline(better, low, high, word):
    assert measure(better, low, high, BESIDE).standing == word


def test_standing_against_a_bare_number():
    assert measure("baseline", 0.4, 0.6, Baseline("chance", 0.5)).standing == "good"
    assert measure("baseline", 0.51, 0.6, Baseline("chance", 0.5)).standing == "poor"


@pytest.mark.parametrize(
    ("better", "low", "high", "word"),
    [
        ("higher", 0.3, 0.64, "inconclusive"), ("lower", 0.3, 0.64, "inconclusive"),
        ("baseline", 0.3, 0.64, "inconclusive"), ("baseline", 0.45, 0.55, "good"), ("higher", 0.45, 0.55, "near"),
        ("higher", 0.51, 0.9, "good"), ("higher", 0.05, 0.45, "poor"),
    ],
)  # fmt: skip
def test_wide_intervals_tell_nothing_unless_they_lie_apart(better, low, high, word):
    found = measure(better, low, high, Baseline("b", 0.5), n=40)
    assert found.standing == word
    if word == "inconclusive":
        (written,) = as_json(found)["parts"]["p"]["measures"]
        assert written["resolution"] == pytest.approx(0.17)


def test_what_says_nothing_has_no_standing_and_says_why():
    found = measure("lower", 7, 9.9, BESIDE, doubt="the judge is at chance")
    assert found.standing is None
    (written,) = as_json(found)["parts"]["p"]["measures"]
    assert written["doubt"] == "the judge is at chance"
    assert "standing" not in written


@pytest.mark.parametrize(
    "found",
    [
        measure("lower", None, None, BESIDE),
        measure("lower", 1, 2),
        measure("lower", 1, math.nan, BESIDE),
        measure("lower", 1, 2, Baseline("beside", math.nan)),
        measure("lower", 1, 2, Baseline("beside", 1.0, math.nan, 2.0)),
    ],
)
def test_no_word_without_interval_or_baseline(found):
    assert found.standing is None


def as_json(*measures):
    report = Report({"name": "a"}, {}, {}, (Part("p", "P", measures),))
    return json.loads(json.dumps(report.to_json(), allow_nan=False))


def test_json_keeps_zeros_and_drops_what_is_not_known():
    zero = Measure("m", "M", 0.0, "lower", "How.", 0.0, 0.05, n=0, baseline=Baseline("none", 0.0))
    (found,) = as_json(zero)["parts"]["p"]["measures"]
    assert found == {
        "key": "m", "name": "M", "value": 0.0, "low": 0.0, "high": 0.05, "n": 0, "better": "lower", "standing": "near",
        "baseline": {"what": "none", "value": 0.0}, "how_to_read": "How.",
    }  # fmt: skip


def test_json_has_null_for_a_value_that_is_not_finite():
    (found,) = as_json(Measure("m", "M", math.nan, "lower", "How.", math.nan, math.inf))["parts"]["p"][
        "measures"
    ]
    assert found["value"] is None
    assert "low" not in found
    assert "high" not in found


def test_json_says_how_intervals_are_made():
    assert "bootstrap" in as_json()["intervals"]


def test_comparison_needs_a_cell_a_method():
    with pytest.raises(ValueError, match="fid: 1 cells for 2 methods"):
        Comparison(("a", "b"), (ComparisonRow("fid", "FID", "lower", (Cell(1.0),)),))


def test_comparison_as_json():
    row = ComparisonRow(
        "fid", "FID", "lower", (Cell(0.0, 0.0, 3), Cell(None, note="no")), Baseline("real", 0.0)
    )
    found = json.loads(json.dumps(Comparison(("a", "b"), (row,)).to_json(), allow_nan=False))
    assert found["rows"][0]["cells"] == {"a": {"mean": 0.0, "std": 0.0, "n": 3}, "b": {"n": 0, "note": "no"}}
    assert found["rows"][0]["baseline"] == {"what": "real", "value": 0.0}
