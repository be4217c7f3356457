"""Several methods' measures as tables: Markdown, CSV and LaTeX; which cells are best, and their notes.

Pure functions of a comparison; HTML is `comparison_html`'s.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter

from drai_cli.report.findings import Cell, Comparison, ComparisonRow
from drai_cli.report.wording import DASH, DIRECTIONS, MINUS, mean_and_deviation, number

BEST = "★"
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "±": r"$\pm$",
    MINUS: "$-$", DASH: "--", "×": r"$\times$", BEST: r"$^{\star}$", "\n": " ",
}  # fmt: skip
_SUPERSCRIPTS = {sign: str(index) for index, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "-"}


def best_cells(row: ComparisonRow) -> frozenset[int]:
    """Places of the best means; several if they cannot be told apart at the digits shown.

    Cells that say nothing are left out. Empty with fewer than two numbers, and for `baseline` without a baseline.
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
    """The number of seeds that most cells rest on; 0 where none says."""
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
    found = dict.fromkeys(
        text for row in comparison.rows for cell in row.cells if (text := cell_note(cell, usual))
    )
    return {text: _letter(index) for index, text in enumerate(found)}


def cell_note(cell: Cell, usual: int) -> str:
    """A cell's doubt and note, and its number of seeds where that is not the usual one."""
    seeds = (
        f"{cell.n} seed{'' if cell.n == 1 else 's'}" if cell.mean is not None and 0 < cell.n != usual else ""
    )
    doubt = f"says nothing: {cell.doubt}" if cell.doubt else ""
    return "; ".join(part for part in (doubt, cell.note, seeds) if part)


def cell_text(cell: Cell) -> str:
    """The number, or a dash."""
    return mean_and_deviation(cell.mean, cell.std)


def has_baselines(comparison: Comparison) -> bool:
    """Whether the table needs a column for baselines."""
    return any(row.baseline is not None for row in comparison.rows)


def to_markdown(comparison: Comparison) -> str:
    """A table of measures by methods, the best in bold with a star, notes below."""
    notes, usual = footnotes(comparison), usual_seeds(comparison)
    beside = has_baselines(comparison)
    columns = ["measure", *comparison.methods, *(["baseline"] if beside else [])]
    lines = [_markdown_row(columns), "|" + "---|" * len(columns)]
    for row in comparison.rows:
        best = best_cells(row)
        cells = [f"{_markdown(row.name)} {DIRECTIONS[row.better][0]}"]
        for place, cell in enumerate(row.cells):
            text = f"**{cell_text(cell)}** {BEST}" if place in best else cell_text(cell)
            found = cell_note(cell, usual)
            cells.append(f"{text} ({notes[found]})" if found else text)
        if beside:
            cells.append(_baseline_text(row))
        lines.append("| " + " | ".join(_markdown_line(cell) for cell in cells) + " |")
    lines += ["", heading(comparison)]
    lines += [f"\n({letter}) {_markdown(text)}" for text, letter in notes.items()]
    return "\n".join(lines) + "\n"


def to_csv(comparison: Comparison) -> str:
    """One line a cell, numbers at full precision, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["key", "measure", "better", "baseline", "method", "mean", "std", "n", "is_best", "note"])
    for row in comparison.rows:
        best = best_cells(row)
        baseline = "" if row.baseline is None else repr(float(row.baseline.value))
        for place, (method, cell) in enumerate(zip(comparison.methods, row.cells, strict=True)):
            mean, std = ("" if value is None else repr(float(value)) for value in (cell.mean, cell.std))
            writer.writerow(
                [
                    row.key,
                    row.name,
                    row.better,
                    baseline,
                    method,
                    mean,
                    std,
                    cell.n,
                    int(place in best),
                    cell_note(cell, cell.n),
                ]
            )
    return out.getvalue()


def to_latex(comparison: Comparison, label: str = "tab:comparison") -> str:
    r"""A `table` for the package booktabs; the best in bold with a star, notes below.

    Args:
        comparison: The measures.
        label: For `\ref`; letters, digits, `:`, `-` and `.` only.
    """
    notes, usual = footnotes(comparison), usual_seeds(comparison)
    beside = has_baselines(comparison)
    columns = ["Measure", *comparison.methods, *(["Baseline"] if beside else [])]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(heading(comparison))}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
        r"\toprule",
        " & ".join(map(latex, columns)) + r" \\",
        r"\midrule",
    ]
    for row in comparison.rows:
        best = best_cells(row)
        cells = [latex(f"{row.name} {DIRECTIONS[row.better][0]}")]
        for place, cell in enumerate(row.cells):
            text = latex(cell_text(cell))
            text = rf"\textbf{{{text}}}{latex(BEST)}" if place in best else text
            found = cell_note(cell, usual)
            cells.append(rf"{text}\textsuperscript{{{notes[found]}}}" if found else text)
        if beside:
            cells.append(latex(_baseline_text(row)))
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if notes:
        each = r" \\ ".join(rf"\textsuperscript{{{letter}}} {latex(text)}" for text, letter in notes.items())
        lines += [r"\par\smallskip", rf"{{\footnotesize {each}}}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def latex(text: str) -> str:
    """Text as LaTeX shows it: what is special there, and the signs that our numbers use, by their commands."""
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


def _baseline_text(row: ComparisonRow) -> str:
    return DASH if row.baseline is None else f"{number(row.baseline.value)} ({row.baseline.what})"


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(map(_markdown, cells)) + " |"


def _markdown(text: str) -> str:
    """Text without meaning to Markdown or to the HTML in it."""
    for sign in "\\`*_{}[]#|":
        text = text.replace(sign, "\\" + sign)
    return _markdown_line(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _markdown_line(text: str) -> str:
    return " ".join(text.split())


def _letter(index: int) -> str:
    """A, b, ..., z, aa, ab, ..."""
    rest, place = divmod(index, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("a") + place)
