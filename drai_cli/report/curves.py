"""Curves of measures over a run, and lines for what they are compared with, drawn by `templates/curve.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drai_cli.report.html_page import render
from drai_cli.report.plots import axis_over, tick_text
from drai_cli.report.wording import number


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it shows.
        points: Images seen, in thousands, and value; in order.
        is_reference: Whether it is what the others are compared with: values on real images, or by chance.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    is_reference: bool = False


def draw_chart(title: str, how_to_read: str, lines: Sequence[Line], last_kimg: float) -> Markup:
    """Lines on one pair of axes, as HTML; nothing if no line has a point.

    Args:
        title: Of the chart.
        how_to_read: In one sentence.
        lines: At most two that are no references.
        last_kimg: Where the horizontal axis ends.
    """
    known = [line for line in lines if line.points]
    if not known:
        return Markup("")
    axis = axis_over(value for line in known for _, value in line.points)
    low, high = axis.ticks[0], axis.ticks[-1]
    step = axis.ticks[1] - low
    across = max(last_kimg, 1e-9)
    shown = []
    kinds = iter(("first", "second", "third", "fourth"))
    for line in known:
        places = [
            (100 * kimg / across, 100 - 100 * (value - low) / (high - low)) for kimg, value in line.points
        ]
        shown.append(
            {
                "name": line.name,
                "kind": "reference" if line.is_reference else next(kinds),
                "points": " ".join(f"{x:.2f},{y:.2f}" for x, y in places),
                "is_single": len(places) == 1,
                "at": places[-1],
                "last": number(line.points[-1][1]),
            }
        )
    said = ", ".join(
        f"{line.name} {number(line.points[0][1])} to {number(line.points[-1][1])}" for line in known
    )
    return Markup(
        render(
            "curve.html",
            title=title,
            how_to_read=how_to_read,
            lines=shown,
            said=said,
            ticks=[
                {"place": 100 - 100 * (tick - low) / (high - low), "text": tick_text(tick, step)}
                for tick in axis.ticks
            ],
            last=f"{last_kimg:g}",
        )
    )
