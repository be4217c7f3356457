"""The page of a run: whole, loading nothing, with a curve for each measure and a line for what it is compared with."""

from __future__ import annotations

import math

from drai_cli.report.curves import Line, draw_chart
from drai_cli.report.progress_html import progress_html
from tests.report.html_checks import check_page
from tests.report.run_examples import example_page, example_ticks
from tests.report.test_evaluation_html import HOSTILE


def test_the_page_is_whole_and_loads_nothing():
    text = progress_html(example_page())
    page = check_page(text)
    assert "http" not in text.replace("http-equiv", "")
    assert len(page.named("img")) == 10
    for words in (
        "80 %",
        "1 kimg: a thousand training images",
        "Warning.",
        "It still improves.",
        "Train longer.",
        "drai train --data lesions --kimg 50",
    ):
        assert words in page.text
    charts = [one["aria-label"] for one in page.named("svg") if one.get("role") == "img"]
    assert [chart.split(":")[0] for chart in charts] == [
        "Label agreement", "Label in swaps", "Style in swaps", "Distance", "Fine and coarse detail", "Score",
        "d_image", "image_cycle", "r1", "Speed",
    ]  # fmt: skip
    assert "real images 0.970 to 0.970" in charts[0]
    assert "from the other half 1.50 to 1.50" in charts[3]


def test_a_run_that_is_over_says_so():
    page = check_page(progress_html(example_page(is_over=True)))
    assert "Is it good, is it finished?" in page.text
    assert "Reload it" not in page.text


def test_a_run_at_its_first_tick():
    first = example_page(
        ticks=example_ticks(1), quality=(), standing="", advice=(), film=(), warnings=(), latest=None
    )
    page = check_page(progress_html(first))
    assert "Nothing is measured yet" in page.text
    assert page.named("img") == []


def test_names_from_outside_stay_text():
    for name in HOSTILE:
        text = progress_html(example_page(name=name, command=name, facts={"data": name}, warnings=[name]))
        check_page(text)
        assert "<script" not in text


def test_numbers_that_are_none_leave_a_gap():
    ticks = example_ticks(4)
    ticks[2]["validation"]["score"] = math.nan
    ticks[3]["validation"].pop("frechet_matched")
    text = progress_html(example_page(ticks=ticks))
    check_page(text)
    assert "nan" not in text


def test_a_chart_has_its_lines_in_its_frame():
    chart = draw_chart(
        "T", "How.", [Line("a", ((0, 1.0), (5, 3.0))), Line("b", ((0, 2.0), (5, 2.0)), True)], 5
    )
    points = [line.split('points="')[1].split('"')[0] for line in chart.split("<polyline")[1:]]
    assert [len(one.split()) for one in points] == [2, 2]
    for one in points:
        for place in one.split():
            assert all(0 <= float(part) <= 100 for part in place.split(","))
    first, last = points[0].split()
    assert float(first.split(",")[1]) > float(last.split(",")[1])  # more is higher up
    assert 'class="line reference"' in chart
    assert draw_chart("T", "", [Line("a", ())], 5) == ""
    assert "<circle" in draw_chart("T", "", [Line("a", ((5, 1.0),))], 5)
