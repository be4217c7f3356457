"""Several methods side by side as HTML: the table of their measures, its notes, and figures next to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drai_cli.report.comparison_tables import lay_out
from drai_cli.report.findings import COMPARISON_SCHEMA, Comparison, Figure
from drai_cli.report.html_page import render


def comparison_html(
    title: str,
    comparison: Comparison,
    figures: Sequence[Figure] = (),
    *,
    lead: str = "",
    settings: Mapping[str, Any] | None = None,
    version: str = "",
) -> str:
    """A page of its own; the same bytes for the same comparison.

    Args:
        title: Of the page.
        comparison: The measures.
        figures: Those with the same `part` are shown side by side under it.
        lead: What was compared, in a sentence or two.
        settings: What all methods had in common.
        version: Of drai.

    Raises:
        ValueError: A figure is not a PNG file.
    """
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.part, []).append(figure)
    numbers = iter(range(1, len(figures) + 1))
    return render(
        "comparison.html",
        title=title,
        version=version,
        schema=COMPARISON_SCHEMA,
        lead=lead,
        methods=lay_out(comparison),
        figures=[(part, [(next(numbers), figure) for figure in group]) for part, group in groups.items()],
        settings=settings or {},
    )
