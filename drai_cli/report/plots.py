"""Plots of one measure over labels or variants: a table whose rows each have a strip of SVG on one common axis.

As a table, a plot wraps long labels, reads its numbers to a screen reader and fits a phone. Positions are per cent of
the strip's width, so that nothing is stretched. The drawing is `templates/plot.html`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from drai_cli.report.findings import Baseline, Measure
from drai_cli.report.html_page import render
from drai_cli.report.wording import MINUS, number

_EDGE = 3.0  # per cent kept free on both sides
_INTERVALS = 4  # between ticks, about
_FAR = 1e100  # values farther from zero are not drawn


@dataclass(frozen=True)
class Axis:
    """A linear axis from its first tick to its last."""

    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value lies, in per cent of the strip's width."""
        low, high = self.ticks[0], self.ticks[-1]
        return _EDGE + (100 - 2 * _EDGE) * (value - low) / (high - low)


def axis_over(values: Iterable[float | None]) -> Axis:
    """An axis with round ticks that holds all values that can be drawn."""
    known = _drawable(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1 / _FAR):
        reach = abs(high) / 2 if abs(high) > 1 / _FAR else 0.5
        low, high = low - reach, high + reach
    rough = (high - low) / _INTERVALS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Axis(tuple(index * step for index in range(first, last + 1)))


def plot(measures: Sequence[Measure], name: str) -> str:
    """The plot of the measures of one key, by label or, where they have none, by variant.

    Args:
        measures: Of one key, in the order to show them.
        name: Unique on the page.
    """
    has_labels = any(measure.label for measure in measures)
    axis = axis_over(
        value for measure in measures for each in (measure, measure.baseline) if each for value in _span(each)
    )
    step = axis.ticks[1] - axis.ticks[0]
    whats = list(dict.fromkeys(measure.baseline.what for measure in measures if measure.baseline))
    groups: dict[str, list[dict[str, Any]]] = {}
    for measure in measures:
        row = _row(measure, axis, has_labels)
        groups.setdefault(measure.variant if has_labels else "", []).append(row)
    return render(
        "plot.html",
        name=name,
        measure=measures[0],
        kind="label" if has_labels else "variant",
        # The part's table has the measures without a label, and how to read them.
        how_to_read=measures[0].how_to_read if all(measure.label for measure in measures) else "",
        legend="" if not whats else f"baseline: {whats[0]}" if len(whats) == 1 else "each row's baseline",
        has_n=any(measure.n is not None for measure in measures),
        ticks=[{"place": axis.place(tick), "text": tick_text(tick, step)} for tick in axis.ticks],
        groups=list(groups.items()),
    )


def _row(measure: Measure, axis: Axis, has_labels: bool) -> dict[str, Any]:
    """A row's texts and positions; a list of positions is empty where a value is unknown."""
    baseline = measure.baseline
    return {
        "measure": measure,
        "is_all": has_labels and not measure.label,
        "name": measure.label if has_labels else measure.variant or measure.name,
        "baseline": number(baseline.value if baseline else None),
        "band": _places(axis, baseline.low, baseline.high) if baseline else [],
        "mark": _places(axis, baseline.value) if baseline else [],
        "whisker": _places(axis, measure.low, measure.high),
        "dot": _places(axis, measure.value),
    }


def _span(each: Measure | Baseline) -> tuple[float | None, ...]:
    return each.value, each.low, each.high


def tick_text(tick: float, step: float) -> str:
    """A tick with as many decimal places as its axis' step needs."""
    exponent = math.floor(math.log10(step) + 1e-9)
    if not -4 <= exponent < 6:
        return number(tick) if abs(tick) > step / 2 else "0"
    text = f"{tick:,.{max(0, -exponent)}f}"
    return text.lstrip("-") if abs(tick) < step / 2 else text.replace("-", MINUS)


def _places(axis: Axis, *values: float | None) -> list[float]:
    """Where the values lie, from the left; nothing if any is unknown."""
    known = _drawable(values)
    return [axis.place(value) for value in sorted(known)] if len(known) == len(values) else []


def _drawable(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and abs(value) < _FAR]
