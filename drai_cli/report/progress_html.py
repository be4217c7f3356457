"""The page of a run in progress: pictures, curves, warnings, what comes next. Knows how it looks, not what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drai_cli.report.curves import Line, draw_chart
from drai_cli.report.html_page import render

_TITLES = {
    "agreement": ("Label agreement", "How often the judge sees the requested label in samples."),
    "kept": (
        "Label in swaps",
        "How often the judge sees the label of the content image (kept) or style image (leaked).",
    ),
    "followed": (
        "Style in swaps",
        "Correlation of the background with that of the style image, and of the content image.",
    ),
    "frechet": (
        "Distance",
        "Fréchet distance of half of the real images from as many samples, in the judge's features; lower is better.",
    ),
    "power": ("Fine and coarse detail", "Power of samples over that of real images, by spatial period."),
    "score": ("Score", "The mean that chooses the best snapshot; higher is better."),
}
_CHARTS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "agreement": (("agreement", "samples", False), ("judge", "real images", True), ("chance", "chance", True)),
    "kept": (
        ("kept", "kept", False), ("leaked", "leaked: the style image's", False),
        ("kept_of_a", "kept without a swap", True),
    ),
    "followed": (("followed", "style image", False), ("leftover", "content image", False)),
    "frechet": (("frechet_matched", "samples", False), ("frechet_real", "from the other half", True)),
    "power": (
        ("power_coarse", "over 8 px", False), ("power_middle", "4 to 8 px", False), ("power_fine", "below 4 px", False),
    ),
    "score": (("score", "score", False),),
}  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """The grid of a tick.

    Attributes:
        kimg: Thousands of images seen.
        png: The picture.
    """

    kimg: float
    png: bytes


@dataclass(frozen=True)
class RunPage:
    """What the page shows.

    Attributes:
        name: Of the run.
        state: How far it is, in words.
        is_over: Whether it has ended.
        facts: Of data and settings, by name.
        command: The command that goes on with it, or that made it.
        command_title: Which of these.
        ticks: As `stats.jsonl` has them.
        warnings: Of the last tick.
        latest: The newest grid at full size.
        film: Earlier grids, smaller, in order.
        standing: Of the model, in one word; empty if unknown.
        quality: Sentences with their standing.
        progress: Whether it still improves.
        advice: What would help.
        version: Of drai.
        written: When, in words.
    """

    name: str
    state: str
    is_over: bool
    facts: Mapping[str, Any]
    command: str
    command_title: str
    ticks: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    latest: Frame | None
    film: Sequence[Frame]
    standing: str
    quality: Sequence[tuple[str, str]]
    progress: str
    advice: Sequence[str]
    version: str
    written: str


def progress_html(page: RunPage) -> str:
    """The page, whole in one file that loads nothing."""
    last = page.ticks[-1]["images_seen"] / 1000 if page.ticks else 0.0
    charts = [
        draw_chart(*_TITLES[key], [_line(page.ticks, "validation", *one) for one in lines], last)
        for key, lines in _CHARTS.items()
    ]
    names = sorted({name for tick in page.ticks for name in tick.get("terms", {})})
    terms = [draw_chart(name, "", [_line(page.ticks, "terms", name, name, False)], last) for name in names]
    speed = draw_chart(
        "Speed",
        "Images per second.",
        [Line("images/s", tuple(_points(page.ticks, None, "images_per_s")))],
        last,
    )
    return render(
        "progress.html",
        title=f"{page.name}: progress",
        schema="drai-progress/1",
        version=page.version,
        page=page,
        charts=[chart for chart in charts if chart],
        terms=[chart for chart in (*terms, speed) if chart],
    )


def _line(ticks: Sequence[Mapping[str, Any]], group: str, key: str, name: str, is_reference: bool) -> Line:
    return Line(name, tuple(_points(ticks, group, key)), is_reference)


def _points(ticks: Sequence[Mapping[str, Any]], group: str | None, key: str) -> list[tuple[float, float]]:
    found = []
    for tick in ticks:
        values = tick if group is None else tick.get(group, {})
        value = values.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            found.append((tick["images_seen"] / 1000, float(value)))
    return found
