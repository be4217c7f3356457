"""Plots put numbers where their axis says, and survive numbers that are none."""

from __future__ import annotations

import math
import re

import pytest

from drai_cli.report.findings import Baseline, Measure
from drai_cli.report.plots import axis_over, plot, tick_text


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0.61, 0.98), (0.6, 0.7, 0.8, 0.9, 1.0)), ((0.0, 0.023), (0.0, 0.01, 0.02, 0.03)),
        ((-3, 17), (-5, 0, 5, 10, 15, 20)), ((4, 4), (2, 3, 4, 5, 6)), ((0, 0), (-0.5, 0, 0.5)),
        ((math.nan, None), (0, 0.5, 1)), ((), (0, 0.5, 1)), ((1e9, 4e9), (1e9, 2e9, 3e9, 4e9)),
    ],
)  # fmt: skip
def test_ticks_are_round_and_hold_everything(values, ticks):
    found = axis_over(values)
    if ticks == (0, 0.5, 1):
        assert (found.ticks[0], found.ticks[-1]) == (0, pytest.approx(1))
    else:
        assert found.ticks == pytest.approx(ticks)
    assert all(0 < found.place(tick) < 100 for tick in found.ticks)


@pytest.mark.parametrize(
    ("tick", "step", "text"),
    [
        (0.30000000000000004, 0.1, "0.3"), (-1e-17, 0.1, "0.0"), (-5, 5, "−5"), (20_000, 5000, "20,000"),
        (3e9, 1e9, "3.00×10⁹"),
    ],
)  # fmt: skip
def test_ticks_as_text(tick, step, text):
    assert tick_text(tick, step) == text


def bar(value, low=None, high=None, **more):
    return Measure("m", "M", value, "higher", "How.", low, high, **more)


def test_dot_whisker_and_baseline_stand_where_they_should():
    found = plot([bar(5, 4, 8, label="a", baseline=Baseline("b", 0, -0.5, 10)), bar(6, label="b")], "p")
    row = found.split("<tbody>")[1].split("</tr>")[0]
    places = {
        kind: [float(x) for x in re.findall(rf'class="{kind}" (?:x1|cx|x)="([\d.]+)%"', row)]
        for kind in ("dot", "whisker", "mark", "band", "grid")
    }
    low, high = places["grid"][0], places["grid"][-1]
    where = {kind: [round(-5 + 15 * (x - low) / (high - low), 1) for x in xs] for kind, xs in places.items()}
    assert where["dot"] == [5]
    assert where["whisker"] == [4, 4, 8]
    assert where["mark"] == [0]
    assert where["band"] == [-0.5]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, 1e308, 5e-324])
def test_odd_numbers_are_no_odd_drawing(value):
    found = plot([bar(value, value, value, label="a"), bar(1.0, 2.0, 0.5, label="b")], "p")
    assert not re.findall(r'"(?:nan|inf|-)[^"]*%"', found)


def test_labels_of_several_variants_stand_in_groups():
    measures = [bar(i, label=label, variant=arm) for i, label in enumerate("ab") for arm in ("x", "y")]
    found = plot(measures, "p")
    assert re.findall(r"<bdi>(.)</bdi>", found) == ["x", "a", "b", "y", "a", "b"]


def test_columns_without_any_entry_are_left_out():
    assert "Baseline" not in plot([bar(1, label="a"), bar(2, label="b")], "p")
    assert ">n<" in plot([bar(1, label="a", n=3), bar(2, label="b")], "p")
