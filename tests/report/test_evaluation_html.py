"""A report's page shows everything, hides nothing, loads nothing, and labels from a folder stay text."""

from __future__ import annotations

import dataclasses
import math

import pytest

from drai_cli.report.evaluation_html import report_html
from drai_cli.report.findings import Baseline, Figure, Measure, Part, Report
from drai_cli.report.wording import number_with_spread
from tests.report.html_checks import check_page
from tests.report.report_examples import (
    SHA256,
    example_comparison,
    example_figures,
    example_report,
    grid_png,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style><svg onload=alert(1)>",
    "&amp;&#60;b&#62;",
    "👩🏽‍⚕️ naevus 🙂",
    "ورم ميلانيني",
    "a\u202eevil\u2066",
    "new\nline\0nul",
    "undecodable \udcff",
    "m" * 200,
    "javascript:alert(1)",
)


KNOWN_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "nav", "section", "footer", "h1", "h2", "h3",
    "p", "div", "span", "strong", "code", "bdi", "a", "ul", "li", "dl", "dt", "dd", "figure", "img", "figcaption",
    "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "svg", "line", "rect", "circle", "text",
}  # fmt: skip


@pytest.fixture(scope="module")
def example():
    return report_html(example_report(), example_figures(), example_comparison())


def test_the_page_is_whole_and_loads_nothing(example):
    page = check_page(example)
    assert "http" not in example.replace("http-equiv", "")
    assert "<script" not in example
    assert example.count("src=") == example.count('src="data:image/png;base64,') == 3
    assert len(page.named("img")) == 3


def test_what_is_not_informative_is_marked_in_summary_and_table():
    doubt = "the judge is at chance"
    measure = Measure(
        "kept", "Kept", 0.16, "higher", "How.", 0.1, 0.2, baseline=Baseline("real images a", 0.16, 0.1, 0.2),
        is_headline=True, doubt=doubt,
    )  # fmt: skip
    page = report_html(Report({}, {}, {}, (Part("p", "P", (measure,), doubts=(f"{doubt}: nothing.",)),)))
    check_page(page)
    assert page.count(f'>not informative</span> <span class="aside">{doubt}<') == 2
    assert f"{doubt}: nothing." in page
    summary = page.split('<section id="summary">')[1].split("</section>")[0]
    assert "0.16" not in summary
    assert "0.16" in page


def test_the_page_is_the_same_for_the_same_report(example):
    assert report_html(example_report(), example_figures(), example_comparison()) == example


def test_it_says_what_was_evaluated(example):
    page = check_page(example)
    assert "Evaluation of lesions-64" in example.split("<title>")[1].split("</title>")[0]
    head = page.text.split("How to read this report")[-2]
    assert all(
        fact in page.text
        for fact in ("a model", "lesions-64", SHA256[:12], "4,000,000", "test", "1,002", "nv 671")
    )
    assert SHA256 not in head
    assert all(
        word in page.text
        for word in (SHA256, "drai 0.3.0", "drai-report/1", "bootstrap draws", "learning rate")
    )


def test_every_measure_stands_there_with_its_interval_baseline_and_n(example):
    page = check_page(example)
    for part in example_report().parts:
        assert part.title in page.text
        section = page.text.split(part.title)[-1] if part.key == "privacy" else page.text
        for measure in part.measures:
            value, low, high = number_with_spread(measure.value, measure.low, measure.high)
            assert measure.name in section
            assert measure.how_to_read in section
            assert measure.label in section
            assert measure.variant in section
            assert f"{value} [{low}, {high}]" in section or (
                f"{value}[{low}, {high}]" in section and not measure.label
            )
            assert f"{measure.n:,}" in section
            assert measure.baseline is None or measure.baseline.what in section


def test_verdict_caution_and_what_was_not_measured_are_shown(example):
    page = check_page(example)
    for part in example_report().parts:
        for text in (part.verdict, part.caution, *part.not_measured):
            assert text in page.text


def test_the_summary_has_the_headlines_and_a_word_only_with_interval_and_baseline():
    how = {"how_to_read": "How.", "is_headline": True}
    measures = (
        Measure("a", "Alpha", 1.0, "lower", low=0.9, high=1.1, baseline=Baseline("b", 2.0), **how),
        Measure("b", "Beta", 1.0, "lower", baseline=Baseline("b", 2.0), **how),
        Measure("c", "Gamma", 1.0, "lower", low=0.9, high=1.1, **how),
    )
    page = check_page(report_html(Report({}, {}, {}, (Part("p", "P", measures),))))
    words = [
        attributes["class"]
        for attributes in page.named("span")
        if (attributes.get("class") or "")[:5] == "word "
    ]
    assert words == ["word good"] * 2  # in the summary and in the part
    summary = page.text.split("Rating")[1]
    assert all(name in summary for name in ("Alpha", "Beta", "Gamma"))


def test_each_key_with_labels_or_variants_has_one_plot(example):
    plots = [
        caption for caption in example.split("<caption")[1:] if "value with its 95 % interval" in caption
    ]
    titles = [plot.split("<strong>")[1].split("</strong>")[0] for plot in plots]
    assert titles == [
        "Fréchet distance", "Label agreement", "Spread", "Label kept in swaps", "Balanced accuracy", "Recall", "Copies",
    ]  # fmt: skip


def hostile_report(*texts):
    parts = []
    for text in texts:
        beside = Baseline(text, 0.5)
        measure = Measure(text, text, 0.5, "higher", text, 0.4, 0.6, 3, text, text, beside, text, True)
        whole = dataclasses.replace(measure, label="")
        parts.append(Part(text, text, (measure, whole), text, text, (text, text)))
    each = {text: text for text in texts}
    subject = {**each, "name": texts[-1], "kind": texts[-1]}
    return Report(subject, {"labels": dict.fromkeys(texts, 3)}, each, parts, texts[-1], texts[-1], texts)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text):
    html = report_html(hostile_report(text), [Figure(text, text, text, grid_png(1, 1, 2))])
    page = check_page(html)
    assert {tag for tag, _ in page.elements} <= KNOWN_TAGS
    assert not set(html) & set("\0\u202e\u2066")
    if text.isprintable():
        assert text in page.text


def test_what_is_empty_is_said():
    assert "Nothing was measured" in check_page(report_html(Report({}, {}, {}))).text
    part = Part("privacy", "Privacy", not_measured=("No training images were named.",))
    page = check_page(report_html(Report({}, {}, {}, (part,))))
    assert "Not measured; see the reason below." in page.text
    assert "No training images were named." in page.text


def test_numbers_that_are_none_are_dashes():
    odd = [
        Measure(
            "m", "M", value, "lower", "How.", value, value, label=str(place), baseline=Baseline("b", value)
        )
        for place, value in enumerate((math.nan, math.inf, -0.0, 1e-300))
    ]
    text = check_page(report_html(Report({}, {}, {}, (Part("p", "P", tuple(odd)),)))).text
    assert "nan" not in text
    assert "-0" not in text


def test_a_figure_of_no_part_stands_at_the_end():
    figures = [Figure("none", "Lost", "Found.", grid_png(1, 1, 4))]
    page = check_page(report_html(example_report(), figures))
    assert "Further figures" in page.text
    assert (page.named("img")[0]["width"], page.named("img")[0]["height"]) == ("4", "4")


def test_a_figure_must_be_a_png():
    with pytest.raises(ValueError, match="PNG"):
        report_html(example_report(), [Figure("fidelity", "a", "b", b"GIF89a")])


def test_the_first_screen_has_the_verdicts_and_a_picture_and_says_what_is_still_measured():
    parts = (
        Part("fidelity", "Fidelity", verdict="They look real."),
        Part("privacy", "Privacy", is_pending=True),
    )
    report = Report({"name": "m"}, {"name": "ham", "part": "test", "n": 853}, {}, parts, date="2026-11-30")
    html = report_html(report, [Figure("first", "Pairs", "Real above.", grid_png(1, 1, 4))])
    check_page(html)
    head = html.split('<section id="summary">')[0]
    assert "853 real images of <bdi>ham</bdi>, <bdi>test</bdi> part" in head
    assert "2026-11-30" in head
    assert "They look real." in head
    assert "being measured" in head
    assert head.count("<img") == 1 == html.count("<img")


def test_an_interval_too_wide_says_what_cannot_be_seen():
    wide = Measure(
        "m",
        "Agreement",
        0.475,
        "higher",
        "How.",
        0.32,
        0.63,
        40,
        baseline=Baseline("b", 0.55),
        is_headline=True,
    )
    page = check_page(report_html(Report({}, {}, {}, (Part("p", "P", (wide,)),))))
    assert "inconclusive with n = 40, differences under 0.155 cannot be seen" in page.text


def test_plots_leave_out_what_is_not_informative():
    doubted = [
        Measure("m", "M", 0.6, "higher", "How.", 0.5, 0.7, label=label, doubt="at chance") for label in "ab"
    ]
    html = report_html(Report({}, {}, {}, (Part("p", "P", tuple(doubted)),)))
    check_page(html)
    assert "<svg" not in html


def test_settings_stand_in_their_part():
    html = report_html(Report({}, {}, {}, (Part("p", "P", settings={"judge_images": 8000}),)))
    check_page(html)
    assert "<dt>judge images</dt><dd><bdi>8000</bdi>" in html
