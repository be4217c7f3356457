"""Several methods' measures as tables: which cells are best, their notes; Markdown, CSV and LaTeX.

Pure functions of a comparison; HTML is `comparison_html`'s.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from drai_cli.report.findings import Baseline, Cell, Comparison, ComparisonRow
from drai_cli.report.wording import (
    BEST,
    DASH,
    DIRECTIONS,
    MINUS,
    markdown_table,
    markdown_text,
    mean_and_deviation,
    number,
)

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "±": r"$\pm$",
    MINUS: "$-$", DASH: "--", "×": r"$\times$", BEST: r"$^{\star}$", "\n": " ",
}  # fmt: skip
_SUPERSCRIPTS = {sign: str(index) for index, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "-"}


@dataclass(frozen=True)
class TableCell:
    """A method's number as text, whether it is the best of its row, and the letter of its note, if it has one."""

    text: str
    is_best: bool
    letter: str


@dataclass(frozen=True)
class TableRow:
    """A measure: its name, which way is better as a sign and in words, a cell per method, and the baseline."""

    name: str
    sign: str
    meaning: str
    cells: tuple[TableCell, ...]
    baseline: Baseline | None

    @property
    def baseline_text(self) -> str:
        return DASH if self.baseline is None else f"{number(self.baseline.value)} ({self.baseline.what})"


@dataclass(frozen=True)
class Table:
    """A comparison as text, whatever the markup.

    Attributes:
        heading: What the cells are, in one sentence.
        methods: Columns.
        rows: In the order to show them.
        notes: Note to its letter, in the order of the table.
    """

    heading: str
    methods: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: dict[str, str]

    @property
    def has_baselines(self) -> bool:
        """Whether the table needs a column for baselines."""
        return any(row.baseline is not None for row in self.rows)


def lay_out(comparison: Comparison) -> Table:
    """The comparison's texts, shared by all formats."""
    notes, usual = footnotes(comparison), usual_seeds(comparison)
    rows = []
    for row in comparison.rows:
        best = best_cells(row)
        cells = (
            TableCell(
                mean_and_deviation(cell.mean, cell.std), place in best, notes.get(cell_note(cell, usual), "")
            )
            for place, cell in enumerate(row.cells)
        )
        rows.append(TableRow(row.name, *DIRECTIONS[row.better], tuple(cells), row.baseline))
    return Table(heading(comparison), comparison.methods, tuple(rows), notes)


def best_cells(row: ComparisonRow) -> frozenset[int]:
    """Places of the best means; several if they are equal at the digits shown.

    Cells that are not informative are left out. Empty with fewer than two numbers, and for `baseline` without a
    baseline.
    """
    means = {
        place: cell.mean
        for place, cell in enumerate(row.cells)
        if cell.mean is not None and math.isfinite(cell.mean) and not cell.doubt
    }
    if len(means) < 2 or (row.better == "baseline" and row.baseline is None):
        return frozenset()
    if row.baseline is not None and row.better == "baseline":
        aim = row.baseline.value
        best = min(means.values(), key=lambda mean: abs(mean - aim))
        ties = {number(best), number(2 * aim - best)}  # as far from the aim on its other side
    else:
        best = min(means.values()) if row.better == "lower" else max(means.values())
        ties = {number(best)}
    return frozenset(place for place, mean in means.items() if number(mean) in ties)


def usual_seeds(comparison: Comparison) -> int:
    """The number of seeds behind most cells; 0 where no cell states one."""
    counts = Counter(
        cell.n for row in comparison.rows for cell in row.cells if cell.mean is not None and cell.n
    )
    return max(counts, key=lambda n: (counts[n], n), default=0)


def heading(comparison: Comparison) -> str:
    """What the cells are, in one sentence."""
    seeds = usual_seeds(comparison)
    if seeds == 0:
        return f"Means; {BEST} marks the best."
    if seeds == 1:
        return f"One training run each; {BEST} marks the best."
    return f"Mean ± standard deviation over {seeds} training runs of different seeds; {BEST} marks the best mean."


def footnotes(comparison: Comparison) -> dict[str, str]:
    """Note to its letter, in the order of the table, each note once."""
    usual = usual_seeds(comparison)
    texts = dict.fromkeys(
        text for row in comparison.rows for cell in row.cells if (text := cell_note(cell, usual))
    )
    return {text: _letter(index) for index, text in enumerate(texts)}


def cell_note(cell: Cell, usual: int) -> str:
    """A cell's doubt and note, and its number of seeds where it differs from the usual one."""
    seeds = (
        f"{cell.n} seed{'' if cell.n == 1 else 's'}" if cell.mean is not None and 0 < cell.n != usual else ""
    )
    doubt = f"not informative: {cell.doubt}" if cell.doubt else ""
    return "; ".join(part for part in (doubt, cell.note, seeds) if part)


def to_markdown(comparison: Comparison) -> str:
    """A table of measures by methods, the best in bold with a star, notes below."""
    table = lay_out(comparison)
    columns = map(markdown_text, ("measure", *table.methods, *(["baseline"] if table.has_baselines else [])))
    rows = []
    for row in table.rows:
        cells = [f"{markdown_text(row.name)} {row.sign}"]
        for cell in row.cells:
            text = f"**{cell.text}** {BEST}" if cell.is_best else cell.text
            cells.append(f"{text} ({cell.letter})" if cell.letter else text)
        rows.append([*cells, *([row.baseline_text] if table.has_baselines else [])])
    notes = [f"\n({letter}) {markdown_text(text)}" for text, letter in table.notes.items()]
    return "\n".join([markdown_table(columns, rows), "", table.heading, *notes]) + "\n"


def to_csv(comparison: Comparison) -> str:
    """One line per cell, numbers at full precision, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["key", "measure", "better", "baseline", "method", "mean", "std", "n", "is_best", "note"])
    for row in comparison.rows:
        best = best_cells(row)
        baseline = None if row.baseline is None else row.baseline.value
        for place, (method, cell) in enumerate(zip(comparison.methods, row.cells, strict=True)):
            base, mean, std = (
                "" if value is None else repr(float(value)) for value in (baseline, cell.mean, cell.std)
            )
            note = cell_note(cell, cell.n)
            writer.writerow(
                [row.key, row.name, row.better, base, method, mean, std, cell.n, int(place in best), note]
            )
    return out.getvalue()


def to_latex(comparison: Comparison, label: str = "tab:comparison") -> str:
    r"""A `table` for the package booktabs; the best in bold with a star, notes below.

    Args:
        comparison: The measures.
        label: For `\ref`; letters, digits, `:`, `-` and `.` only.
    """
    table = lay_out(comparison)
    columns = ["Measure", *table.methods, *(["Baseline"] if table.has_baselines else [])]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(table.heading)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
        r"\toprule",
        _latex_row(map(latex, columns)),
        r"\midrule",
    ]
    for row in table.rows:
        cells = [latex(f"{row.name} {row.sign}")]
        for cell in row.cells:
            text = rf"\textbf{{{latex(cell.text)}}}{latex(BEST)}" if cell.is_best else latex(cell.text)
            cells.append(rf"{text}\textsuperscript{{{cell.letter}}}" if cell.letter else text)
        lines.append(_latex_row([*cells, *([latex(row.baseline_text)] if table.has_baselines else [])]))
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.notes:
        each = r" \\ ".join(
            rf"\textsuperscript{{{letter}}} {latex(text)}" for text, letter in table.notes.items()
        )
        lines += [r"\par\smallskip", rf"{{\footnotesize {each}}}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def latex(text: str) -> str:
    """Text as LaTeX shows it: special characters, and the signs that our numbers use, by their commands."""
    out, power = [], ""
    for sign in text:
        if sign in _SUPERSCRIPTS:
            power += _SUPERSCRIPTS[sign]
            continue
        if power:
            out.append(f"$^{{{power}}}$")
            power = ""
        out.append(_LATEX.get(sign, sign))
    return "".join(out) + (f"$^{{{power}}}$" if power else "")


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _letter(index: int) -> str:
    """A, b, ..., z, aa, ab, ..."""
    rest, place = divmod(index, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("a") + place)
