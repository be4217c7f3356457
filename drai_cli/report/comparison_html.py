"""Several methods side by side as HTML: the table of their measures, its notes, and figures beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drai_cli.report.comparison_tables import (
    BEST,
    best_cells,
    cell_note,
    cell_text,
    footnotes,
    has_baselines,
    heading,
    usual_seeds,
)
from drai_cli.report.findings import COMPARISON_SCHEMA, Comparison, ComparisonRow, Figure
from drai_cli.report.html_page import escape, figures_block, isolated, page, settings_list, table
from drai_cli.report.wording import DASH, DIRECTIONS, number


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
        figures: Those with the same `part` stand side by side under it.
        lead: What was compared, in a sentence or two.
        settings: What all methods had in common.
        version: Of drai.

    Raises:
        ValueError: A figure is no PNG file.
    """
    sections = [f'<section id="measures">\n<h2>Measures</h2>\n{comparison_section(comparison)}</section>\n']
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.part, []).append(figure)
    if groups:
        blocks, first = [], 1
        for part, group in groups.items():
            blocks.append(f"<h3>{isolated(part)}</h3>\n{figures_block(group, first, 'beside-each-other')}")
            first += len(group)
        sections.append(f'<section id="figures">\n<h2>Figures</h2>\n{"".join(blocks)}</section>\n')
    if settings:
        sections.append(f'<section id="settings">\n<h2>Settings</h2>\n{settings_list(settings)}</section>\n')
    body = (
        f'<header>\n<p class="over">drai comparison</p>\n<h1>{isolated(title)}</h1>\n'
        + (f"<p>{escape(lead)}</p>\n" if lead else "")
        + f"</header>\n{''.join(sections)}<footer><p>Made by drai {escape(version or '(version not known)')}; "
        f"schema <code>{COMPARISON_SCHEMA}</code>.</p></footer>\n"
    )
    return page(title, body)


def comparison_section(comparison: Comparison) -> str:
    """The table with its notes, for a page that has more on it."""
    notes, usual = footnotes(comparison), usual_seeds(comparison)
    beside = has_baselines(comparison)
    columns = [isolated(method) for method in comparison.methods] + (["Baseline"] if beside else [])
    head = '<th scope="col">Measure</th>' + "".join(f'<th scope="col">{column}</th>' for column in columns)
    rows = [_row(row, notes, usual, beside) for row in comparison.rows]
    items = "".join(f"<li>{escape(text)}</li>" for text in notes)
    return table(escape(heading(comparison)), head, rows, "table-methods", "compared") + (
        f'<ol class="footnotes">{items}</ol>\n' if items else ""
    )


def _row(row: ComparisonRow, notes: Mapping[str, str], usual: int, has_baseline: bool) -> str:
    best = best_cells(row)
    sign, meaning = DIRECTIONS[row.better]
    cells = [f'<th scope="row">{escape(row.name)} <span class="aside">{sign} {meaning}</span></th>']
    for place, cell in enumerate(row.cells):
        text = escape(cell_text(cell))
        if place in best:
            text = f'<strong>{text}</strong> <span role="img" aria-label="best">{BEST}</span>'
        found = cell_note(cell, usual)
        cells.append(f"<td>{text}{f' <sup>{notes[found]}</sup>' if found else ''}</td>")
    if has_baseline:
        baseline = row.baseline
        cells.append(
            f"<td>{DASH}</td>"
            if baseline is None
            else f'<td>{number(baseline.value)} <span class="aside">{escape(baseline.what)}</span></td>'
        )
    return f"<tr>{''.join(cells)}</tr>\n"
