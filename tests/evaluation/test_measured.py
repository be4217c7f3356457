"""A measure that is described once reaches the report's JSON and page, and the model card."""

from __future__ import annotations

import json
from dataclasses import replace

from drai_cli.evaluation.measured import Described
from drai_cli.evaluation.parts import headline
from drai_cli.model_file.checkpoint import read_header
from drai_cli.report.evaluation_html import report_html
from drai_cli.report.findings import Baseline, Part, Report
from drai_cli.report.model_card import model_card

SHARPNESS = Described(
    "sharpness", "Edge sharpness", "baseline", "Mean gradient; 1 is best.", "other real images"
)


def test_estimates_are_json_or_bare_numbers():
    estimate = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 60}
    measure = SHARPNESS.of(estimate, {"value": 1.0, "low": 0.9}, label="mel")
    assert (measure.value, measure.low, measure.high, measure.n, measure.label) == (
        0.5,
        0.25,
        0.75,
        60,
        "mel",
    )
    assert measure.baseline == Baseline("other real images", 1.0, 0.9)
    bare = SHARPNESS.of(0.5, 0.0, n=7)
    assert (bare.low, bare.n, bare.baseline) == (None, 7, Baseline("other real images", 0.0))
    assert SHARPNESS.of(0.5).baseline is None
    assert SHARPNESS.of(0.5, how_to_read="Other.").how_to_read == "Other."


def test_a_headline_reaches_json_page_and_card(tiny_model):
    part = Part("fidelity", "Fidelity", (SHARPNESS.of(0.512, 0.948, is_headline=True),))
    report = Report({"name": "m"}, {}, {}, (part,))
    (found,) = report.to_json()["parts"]["fidelity"]["measures"]
    assert json.loads(json.dumps(found))["name"] == "Edge sharpness"
    page = report_html(report)
    assert all(
        page.count(text) == times
        for text, times in (("Edge sharpness", 2), ("Mean gradient", 1), ("0.948", 2))
    )
    measures = {"test": {"fidelity": {"measured_with": {"seed": 0}, **headline(part)}}}
    card = model_card(replace(read_header(tiny_model), measures=measures), "m")
    assert "| Edge sharpness | 0.512 |\n| Edge sharpness, other real images | 0.948 |" in card
