"""A browser opens the pages on a phone and on a desk: nothing is complained of, asked for or wider than the screen."""

from __future__ import annotations

import pytest

from drai_cli.report.comparison_html import comparison_html
from drai_cli.report.evaluation_html import report_html
from tests.report.report_examples import example_comparison, example_figures, example_report
from tests.report.test_evaluation_html import HOSTILE, hostile_report
from tests.support.browser import NAMES, Browser, find_browser

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(PROGRAM, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    texts = {
        "report": report_html(example_report(), example_figures(), example_comparison()),
        "comparison": comparison_html("Methods", example_comparison(), example_figures()),
        "hostile": report_html(hostile_report(*HOSTILE, "m" * 200)),
    }
    for name, text in texts.items():
        (place / f"{name}.html").write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("report", 360, 800, "light"),
        ("report", 360, 800, "dark"),
        ("report", 1280, 900, "light"),
        ("report", 1280, 900, "dark"),
        ("comparison", 360, 800, "dark"),
        ("comparison", 1280, 900, "light"),
        ("hostile", 360, 800, "light"),
        ("hostile", 1280, 900, "dark"),
    ],
)
def test_a_browser_shows_the_page(browser, pages, name, width, height, scheme):
    browser.open(pages / f"{name}.html", width, height, scheme)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate("innerWidth") == width
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:image/png")] == [
        (pages / f"{name}.html").as_uri()
    ]
    assert browser.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]


def test_a_phone_shows_summary_and_plots_whole(browser, pages):
    browser.open(pages / "report.html", 360, 800)
    boxes = "[...document.querySelectorAll('.scroll')].map(box => [box.className, box.scrollWidth])"
    widths = browser.evaluate(boxes)
    assert max(width for name, width in widths if name in ("scroll summary", "scroll plot")) <= 360
    assert max(width for name, width in widths if name == "scroll measures") > 360  # in its own box


def test_paper_is_light_and_cuts_no_table(browser, pages):
    browser.open(pages / "report.html", 700, 900, "dark")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=features)
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("document.documentElement.scrollWidth") == 700
    assert browser.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"


def test_the_browser_would_complain(browser, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<!DOCTYPE html><meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
        "<p style='width: 2000px'>wide</p><script>alert(1)</script>"
    )
    browser.open(tmp_path / "bad.html", 360, 800)
    assert browser.complaints() != []
    assert browser.evaluate("document.documentElement.scrollWidth") > 360
