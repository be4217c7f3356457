"""The look: every text colour can be read on every ground, in light, in dark and in print."""

from __future__ import annotations

import itertools
import re

import pytest

from drai_cli.report.html_page import TEMPLATES

STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{[^}]*\}", STYLE)
)
TEXTS, GROUNDS = ("ink", "muted", "value", "good", "near", "poor"), ("ground",)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast(palette):
    found = {pair: contrast(palette[pair[0]], palette[pair[1]]) for pair in itertools.product(TEXTS, GROUNDS)}
    assert min(found.values()) >= 4.5, found


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_have_contrast(palette):
    found = {
        (mark, ground): contrast(palette[mark], palette[ground])
        for mark in ("value", "baseline")
        for ground in ("ground", "band")
    }
    assert min(found.values()) >= 3, found


def test_text_is_of_no_other_colour():
    assert set(re.findall(r"[{; ]color: var\(--(\w+)\)|fill: var\(--(muted)\)", STYLE)) <= {
        pair for name in TEXTS for pair in ((name, ""), ("", name))
    }
    assert set(re.findall(r"background: var\(--(\w+)\)", STYLE)) <= set(GROUNDS)


def test_dark_is_for_screens_and_paper_stays_light():
    assert re.findall(r"@media[^{]*dark[^{]*", STYLE) == ["@media screen and (prefers-color-scheme: dark) "]
    assert "@media print" in STYLE
    assert STYLE.count("{") == STYLE.count("}")
