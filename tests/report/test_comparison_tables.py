"""A comparison's tables: the best are marked, what is impossible has a dash and a note, markup in names stays text."""

from __future__ import annotations

import csv
import io
import math

import pytest

from drai_cli.report.comparison_html import comparison_html
from drai_cli.report.comparison_tables import (
    best_cells,
    footnotes,
    heading,
    latex,
    to_csv,
    to_latex,
    to_markdown,
)
from drai_cli.report.findings import Baseline, Cell, Comparison, ComparisonRow
from tests.report.html_checks import check_page
from tests.report.report_examples import example_comparison, example_figures


def row(better, *means, baseline=None, std=0.05, n=3):
    cells = (Cell(mean, std if mean is not None else None, n) for mean in means)
    return ComparisonRow("m", "M", better, tuple(cells), baseline)


@pytest.mark.parametrize(
    ("found", "best"),
    [
        (row("lower", 3, 1, 2), {1}), (row("higher", 3, 1, 2), {0}), (row("lower", None, 5, 6), {1}),
        (row("lower", 0.80301, 0.80299, 0.81), set()), (row("lower", 1, None), set()),
        (row("lower", math.nan, 1, 2), {1}),
        (row("baseline", 1, 2), set()), (row("baseline", 0.1, 0.6, 1.9, baseline=Baseline("b", 0.5)), {1}),
        (row("baseline", 0.4, 0.6, 0.9, baseline=Baseline("b", 0.5)), set()), (row("lower"), set()),
        # Within what seeds explain, for one seed, and beside a method of one seed nothing is marked.
        (row("lower", 1.0, 1.1), set()), (row("lower", 1.0, 1.12), {0}), (row("lower", 1.0, 1.12, n=2), set()),
        (row("lower", 1, 9, std=None, n=1), set()), (row("lower", 1, 1, std=0.0), set()),
        (row("lower", 1, 2, std=0.0), {0}),
    ],
)  # fmt: skip
def test_the_best_is_marked_where_seeds_show_it(found, best):
    assert best_cells(found) == best


def test_the_margin_is_welchs():
    scipy_stats = pytest.importorskip("scipy.stats")
    for n, other in ((2, 3), (3, 3), (5, 4), (12, 20)):
        se = 0.3**2 / n, 0.1**2 / other
        freedom = sum(se) ** 2 / (se[0] ** 2 / (n - 1) + se[1] ** 2 / (other - 1))
        margin = scipy_stats.t.ppf(0.975, max(1, int(freedom))) * sum(se) ** 0.5
        for gap, is_marked in ((0.98 * margin, False), (1.02 * margin, True)):
            cells = (Cell(1.0, 0.3, n), Cell(1.0 + gap, 0.1, other))
            assert bool(best_cells(ComparisonRow("m", "M", "lower", cells))) == is_marked


def test_markdown():
    assert to_markdown(example_comparison()) == (
        "| measure | cgan | dai | drai | baseline |\n|---|---|---|---|---|\n"
        "| Fréchet distance ↓ | 31.2 ± 2.4 | 26.0 ± 1.9 | 23.4 ± 1.2 | 11.8 (real against real) |\n"
        "| Label agreement → | 0.770 ± 0.020 | 0.803 ± 0.011 | 0.803 ± 0.020 (a) "
        "| 0.815 (the judge on real images) |\n"
        "| Label kept in swaps ↑ | – (b) | 0.610 ± 0.080 | 0.781 ± 0.012 | – |\n"
        "| Cross-image feature consistency ↓ | – (b) | 0.0213 ± 0.0020 | **0.0151 ± 0.0009** ★ | – |\n\n"
        "Mean ± standard deviation over 3 training runs of different seeds; ★ marks a mean that is better "
        "than every other by more than seeds explain (Welch's test, 95 %).\n\n"
        "(a) one run diverged; 2 seeds\n\n"
        "(b) cgan has no encoder, so nothing of a real image can be swapped or reconstructed\n"
    )


def test_csv_is_one_line_a_cell_at_full_precision():
    rows = list(csv.DictReader(io.StringIO(to_csv(example_comparison()))))
    assert len(rows) == 12
    assert rows[2] == {
        "key": "frechet", "measure": "Fréchet distance", "better": "lower", "baseline": "11.8", "method": "drai",
        "mean": "23.4", "std": "1.21", "n": "3", "is_best": "0", "note": "",
    }  # fmt: skip
    assert (rows[6]["method"], rows[6]["mean"], rows[6]["is_best"]) == ("cgan", "", "0")
    assert "no encoder" in rows[6]["note"]
    assert [row["is_best"] for row in rows] == ["0"] * 11 + ["1"]


def test_latex_table():
    text = to_latex(example_comparison(), "tab:methods")
    assert r"\textbf{0.0151 $\pm$ 0.0009}$^{\star}$" in text
    assert r"Label kept in swaps $\uparrow$ & --\textsuperscript{b} & 0.610 $\pm$ 0.080 &" in text
    assert r"\label{tab:methods}" in text
    assert text.count("{") == text.count("}")
    assert text.count("$") % 2 == 0
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {line.count(" & ") for line in body} == {4}


def test_latex_escapes():
    assert latex(r"50 % of a_b & {c} \d ~ ^ # $") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{}d \textasciitilde{} \textasciicircum{} \# \$"
    )
    assert latex("−1.2×10⁻¹² b") == r"$-$1.2$\times$10$^{-12}$ b"


def test_markup_in_names_stays_text():
    odd = Comparison(
        ("a|b", "<i>"), (ComparisonRow("k", "x*_[y]\n|z", "lower", (Cell(1.0, note="<b>"), Cell(2.0))),)
    )
    text = to_markdown(odd)
    assert all(line.replace("\\|", "").count("|") == 3 + 1 for line in text.splitlines()[:3])
    assert "<" not in text
    assert r"x\*\_\[y\] \|z" in text
    check_page(comparison_html("<script>", odd, lead="<b>", settings={"<i>": "</dl>"}))


def test_notes_are_lettered_once_each():
    rows = tuple(ComparisonRow(str(i), "M", "lower", (Cell(None, note=f"n{i // 2}"),)) for i in range(60))
    found = footnotes(Comparison(("a",), rows))
    assert list(found.values())[:2] == ["a", "b"]
    assert list(found.values())[25:28] == ["z", "aa", "ab"]


def test_heading_says_how_many_seeds():
    def over(n):
        return heading(Comparison(("a",), (ComparisonRow("m", "M", "lower", (Cell(1.0, n=n),)),)))

    assert over(1) == "One training run each: no best is marked, as another seed may change the order."
    assert "5 training runs" in over(5)
    assert over(0) == "Means."


def test_the_page_marks_the_best_by_more_than_weight():
    html = comparison_html("Methods", example_comparison(), example_figures(), settings={"seeds": [0, 1, 2]})
    page = check_page(html)
    stars = '</strong> <span role="img" aria-label="best">★</span>'
    assert html.count("<strong>0.0151 ± 0.0009" + stars) == 1
    assert html.count(stars) == 1
    assert "– <sup>b</sup>" in html
    assert "cgan has no encoder" in page.text
    assert "0, 1, 2" in page.text
    assert len(page.named("img")) == 3
    assert html == comparison_html(
        "Methods", example_comparison(), example_figures(), settings={"seeds": [0, 1, 2]}
    )
