"""Plots of one measure over labels or variants: a table whose rows each carry a strip of SVG on one common axis.

Being a table, a plot wraps long labels, says its numbers to a screen reader and fits a phone. Positions are per cent of
the strip's width, so that nothing is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drai_cli.report.findings import Baseline, Measure
from drai_cli.report.html_page import escape, isolated, table
from drai_cli.report.wording import DASH, DIRECTIONS, number, number_with_spread

_HEIGHT, _MIDDLE = 30, 15  # CSS px; the style sheet's 1.875rem
_EDGE = 3.0  # per cent kept free on both sides
_INTERVALS = 4  # between ticks, about
_FAR = 1e100  # what is farther from zero is not drawn


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
    kind = "label" if has_labels else "variant"
    sign, direction = DIRECTIONS[measures[0].better]
    # What is of no single label stands in the part's table too, and how to read it there.
    how_to_read = measures[0].how_to_read if all(measure.label for measure in measures) else ""
    caption = (
        f'<strong>{escape(measures[0].name)}</strong> by {kind} <span class="aside">{sign} {direction}</span>'
        f"<p>{escape(how_to_read)} {_legend(measures)}</p>"
    )
    axis = axis_over(each for measure in measures for each in _numbers_of(measure))
    # A narrow screen shows these two below the label and the value instead.
    further = {
        "beside": any(measure.baseline is not None for measure in measures),
        "count": any(measure.n is not None for measure in measures),
    }
    headings = {"beside": "Baseline", "count": "n"}
    head = (
        f'<th scope="col" class="name">{kind.capitalize()}</th><td class="strip"></td>'
        '<th scope="col" class="figure">Value <span class="interval">[95 %]</span></th>'
    ) + "".join(f'<th scope="col" class="{each}">{headings[each]}</th>' for each in further if further[each])
    groups: dict[str, list[Measure]] = {}
    for measure in measures:
        groups.setdefault(measure.variant if has_labels else "", []).append(measure)
    bodies = []
    for variant, group in groups.items():
        rows = "".join(_row(measure, axis, has_labels, further) for measure in group)
        if len(groups) > 1:
            words = isolated(variant) if variant else "no variant"
            rows = f'<tr class="group"><th colspan="3" scope="rowgroup">{words}</th></tr>\n{rows}'
        bodies.append(rows)
    return table(caption, head, bodies, name, "plot", _foot(axis))


def _row(measure: Measure, axis: Axis, has_labels: bool, further: Mapping[str, bool]) -> str:
    value, low, high = number_with_spread(measure.value, measure.low, measure.high)
    interval = "" if measure.low is None else f' <span class="interval">[{low}, {high}]</span>'
    is_all = has_labels and not measure.label
    own = (
        "all labels" if is_all else isolated(measure.label if has_labels else measure.variant or measure.name)
    )
    baseline = number(measure.baseline.value if measure.baseline else None)
    n = DASH if measure.n is None else f"{measure.n:,}"
    if further["count"]:
        own += f' <span class="narrow">n {n}</span>'
    if further["beside"]:
        interval += f' <span class="narrow">baseline {baseline}</span>'
    cells = [
        f'<th scope="row">{own}</th>',
        f'<td class="strip">{_strip(measure, axis)}</td>',
        f'<td><span class="number">{value}</span>{interval}</td>',
        f'<td class="beside">{baseline}</td>' if further["beside"] else "",
        f'<td class="count">{n}</td>' if further["count"] else "",
    ]
    kind = ' class="all"' if is_all else ""
    return f"<tr{kind}>{''.join(cells)}</tr>\n"


def _strip(measure: Measure, axis: Axis) -> str:
    """One row's drawing: the baseline's band and bar behind the whisker and the dot."""
    parts = [_line(axis.place(tick), 0, axis.place(tick), _HEIGHT, "grid") for tick in axis.ticks]
    baseline = measure.baseline
    if baseline is not None:
        if ends := _places(axis, baseline.low, baseline.high):
            left, width = ends[0], ends[1] - ends[0]
            parts.append(
                f'<rect class="band" x="{left:.2f}%" y="4" width="{width:.2f}%" height="{_HEIGHT - 8}"/>'
            )
        parts.extend(_line(at, 4, at, _HEIGHT - 4, "mark") for at in _places(axis, baseline.value))
    if ends := _places(axis, measure.low, measure.high):
        parts.append(_line(ends[0], _MIDDLE, ends[1], _MIDDLE, "whisker"))
        parts.extend(_line(end, _MIDDLE - 3, end, _MIDDLE + 3, "whisker") for end in ends)
    parts.extend(
        f'<circle class="dot" cx="{at:.2f}%" cy="{_MIDDLE}" r="4"/>' for at in _places(axis, measure.value)
    )
    return f'<svg aria-hidden="true">{"".join(parts)}</svg>'


def _foot(axis: Axis) -> str:
    """The axis, below the strips."""
    step = axis.ticks[1] - axis.ticks[0]
    drawn = "".join(
        _line(axis.place(tick), 0, axis.place(tick), 4, "grid")
        + f'<text class="{("even", "odd")[index % 2]}" x="{axis.place(tick):.2f}%" y="17" text-anchor="middle">'
        f"{tick_text(tick, step)}</text>"
        for index, tick in enumerate(axis.ticks)
    )
    return f'<tr><td></td><td class="strip"><svg class="axis" aria-hidden="true">{drawn}</svg></td><td></td></tr>\n'


def tick_text(tick: float, step: float) -> str:
    """A tick with as many decimal places as its axis' step needs."""
    exponent = math.floor(math.log10(step) + 1e-9)
    if not -4 <= exponent < 6:
        return number(tick) if abs(tick) > step / 2 else "0"
    text = f"{tick:,.{max(0, -exponent)}f}"
    return text.lstrip("-") if abs(tick) < step / 2 else text.replace("-", "−")


def _legend(measures: Sequence[Measure]) -> str:
    dot = _line(4, 7, 96, 7, "whisker") + '<circle class="dot" cx="50%" cy="7" r="4"/>'
    bar = '<rect class="band" x="15%" y="0" width="70%" height="14"/>' + _line(50, 0, 50, 14, "mark")
    parts = [f'<svg class="key" aria-hidden="true">{dot}</svg> value with its 95 % interval']
    baselines = [measure.baseline for measure in measures if measure.baseline is not None]
    if baselines:
        parts.append(f'<svg class="key" aria-hidden="true">{bar}</svg> {_baseline_words(baselines)}')
    return "; ".join(parts) + "."


def _baseline_words(baselines: Sequence[Baseline]) -> str:
    whats = list(dict.fromkeys(baseline.what for baseline in baselines))
    return f"baseline: {escape(whats[0])}" if len(whats) == 1 else "each row's baseline"


def _numbers_of(measure: Measure) -> tuple[float | None, ...]:
    baseline = measure.baseline
    beside = () if baseline is None else (baseline.value, baseline.low, baseline.high)
    return (measure.value, measure.low, measure.high, *beside)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}%" y1="{y1}" x2="{x2:.2f}%" y2="{y2}"/>'


def _places(axis: Axis, *values: float | None) -> list[float]:
    """Where the values lie, from the left; nothing if any is unknown."""
    known = _drawable(values)
    return [axis.place(value) for value in sorted(known)] if len(known) == len(values) else []


def _drawable(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and abs(value) < _FAR]
