"""The report of an evaluation as one HTML page that loads nothing: the numbers, their uncertainty, how to read them.

Knows how a report looks, not what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from drai_cli.report.comparison_tables import lay_out
from drai_cli.report.findings import FIRST, REPORT_SCHEMA, Comparison, Figure, Measure, Report
from drai_cli.report.html_page import render
from drai_cli.report.plots import plot


def report_html(report: Report, figures: Sequence[Figure] = (), comparison: Comparison | None = None) -> str:
    """The page; the same bytes for the same report.

    Args:
        report: The results.
        figures: Each is shown in its part; those of a part that the report does not have come last.
        comparison: Several methods, shown after the parts.

    Raises:
        ValueError: A figure is not a PNG file.
    """
    subject, settings = dict(report.subject), dict(report.settings)
    if sha256 := subject.get("sha256"):
        settings["sha256 in full"] = sha256
    name, kind = str(subject.pop("name", None) or "a model"), subject.pop("kind", "")
    data = dict(report.data)
    places = {FIRST: -1} | {part.key: place for place, part in enumerate(report.parts)}
    in_order = sorted(figures, key=lambda figure: places.get(figure.part, len(places)))
    numbered = list(enumerate(in_order, 1))
    sections: list[dict[str, Any]] = []
    for index, part in enumerate(report.parts, 1):
        groups = _by_key(part.measures)
        shown = _by_key([measure for measure in part.measures if not measure.doubt])
        whole = [[measure for measure in group if not measure.label] for group in groups]
        plots = [
            plot(group, f"part-{index}-plot-{place}")
            for place, group in enumerate(shown, 1)
            if len(group) > 1 or group[0].label
        ]
        sections.append(
            {
                "part": part,
                "name": f"part-{index}",
                "is_in_summary": not part.measures or any(measure.is_headline for measure in part.measures),
                "groups": [group for group in whole if group],
                "plots": Markup("".join(plots)),
                "figures": [(number, figure) for number, figure in numbered if figure.part == part.key],
            }
        )
    return render(
        "evaluation.html",
        title=f"Evaluation of {name}",
        version=report.version,
        schema=REPORT_SCHEMA,
        name=name,
        kind=kind,
        date=report.date,
        card=report.card,
        data_name=str(data.get("name") or ""),
        data_part=str(data.get("part") or ""),
        data_n=data.get("n"),
        first_figures=[(number, figure) for number, figure in numbered if figure.part == FIRST],
        subject=subject,
        data=data,
        cautions=report.cautions,
        sections=sections,
        methods=comparison and lay_out(comparison),
        further_figures=[(number, figure) for number, figure in numbered if figure.part not in places],
        intervals=report.intervals,
        settings=settings,
    )


def _by_key(measures: Sequence[Measure]) -> list[list[Measure]]:
    """Measures of one key together, keys in the order of their first measure."""
    order = list(dict.fromkeys(measure.key for measure in measures))
    in_order = sorted(measures, key=lambda measure: order.index(measure.key))
    return [list(group) for _, group in groupby(in_order, key=lambda measure: measure.key)]
