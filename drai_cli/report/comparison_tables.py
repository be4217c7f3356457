"""Several methods' measures as tables: which cells are best, their notes; Markdown, CSV and LaTeX.

Pure functions of a comparison; HTML is `comparison_html`'s.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from drai_cli.io.csv_rows import encode_csv
from drai_cli.report.findings import Baseline, Better, Cell, Comparison, ComparisonRow
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
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % quantiles of Student's distribution for 1 to 10 degrees of freedom."""
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
    """The place of the best mean, where seeds show that it is the best; else empty.

    It differs from every other mean by more than the spread between seeds explains (Welch's test, 95 %). So nothing is
    marked for one seed, for equal means, with fewer than two numbers, and for `baseline` without a baseline. Cells that
    are not informative are left out.
    """
    cells = {
        place: cell
        for place, cell in enumerate(row.cells)
        if cell.mean is not None and math.isfinite(cell.mean) and not cell.doubt
    }
    if len(cells) < 2 or (row.better == "baseline" and row.baseline is None):
        return frozenset()
    aim = row.baseline.value if row.baseline is not None and row.better == "baseline" else None
    costs = {place: _cost(cell, row.better, aim) for place, cell in cells.items()}
    best = min(costs, key=lambda place: costs[place])
    is_apart = all(
        costs[place] - costs[best] > _unseen(cells[best], cell)
        for place, cell in cells.items()
        if place != best
    )
    return frozenset([best] if is_apart else [])


def _cost(cell: Cell, better: Better, aim: float | None) -> float:
    """Smaller is better."""
    assert cell.mean is not None
    if aim is not None:
        return abs(cell.mean - aim)
    return -cell.mean if better == "higher" else cell.mean


def _unseen(first: Cell, second: Cell) -> float:
    """The largest difference between two means that seeds alone explain (Welch 1947, 95 %); infinite for one seed."""
    if first.std is None or second.std is None or first.n < 2 or second.n < 2:
        return math.inf
    each = [cell.std**2 / cell.n for cell in (first, second) if cell.std is not None]
    total = sum(each)
    if not total:
        return 0.0
    freedom = total**2 / sum(part**2 / (cell.n - 1) for part, cell in zip(each, (first, second), strict=True))
    return _t(freedom) * math.sqrt(total)


def _t(freedom: float) -> float:
    """The 97.5 % quantile of Student's distribution; for fractions of a degree that of the next lower whole one."""
    whole = max(1, int(freedom))
    return _T[whole - 1] if whole <= len(_T) else 1.96 + 2.4 / whole


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
        return "Means."
    if seeds == 1:
        return "One training run each: no best is marked, as another seed may change the order."
    return (
        f"Mean ± standard deviation over {seeds} training runs of different seeds; {BEST} marks a mean that is better "
        "than every other by more than seeds explain (Welch's test, 95 %)."
    )


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
    """A table of measures by methods, a best one that seeds confirm in bold with a star, notes below."""
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
    rows: list[list[object]] = [
        ["key", "measure", "better", "baseline", "method", "mean", "std", "n", "is_best", "note"]
    ]
    for row in comparison.rows:
        best = best_cells(row)
        baseline = None if row.baseline is None else row.baseline.value
        for place, (method, cell) in enumerate(zip(comparison.methods, row.cells, strict=True)):
            base, mean, std = (
                "" if value is None else repr(float(value)) for value in (baseline, cell.mean, cell.std)
            )
            note = cell_note(cell, cell.n)
            rows.append(
                [row.key, row.name, row.better, base, method, mean, std, cell.n, int(place in best), note]
            )
    return encode_csv(rows).decode()


def to_latex(comparison: Comparison, label: str = "tab:comparison") -> str:
    r"""A `table` for the package booktabs; a best one that seeds confirm in bold with a star, notes below.

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
