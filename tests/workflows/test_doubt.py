"""When an instrument is too weak to be believed."""

from __future__ import annotations

import pytest

from drai_cli.report import Measure
from drai_cli.workflows.evaluation.doubt import doubt_of_classifier, doubts_of_factors, marked


@pytest.mark.parametrize(
    ("value", "low", "guessing", "said"),
    [
        (0.16, 0.12, 0.14, "the judge is at chance (0.16 of 0.14)"),
        (0.5, 0.5, 0.5, "the judge is at chance (0.50 of 0.50)"),
        (0.9, float("nan"), 0.5, "the judge is at chance (0.90 of 0.50)"),
        (0.53, 0.51, 0.5, "the judge is hardly better than chance (0.53 of 0.50)"),
        (0.6, 0.55, 0.5, ""),
        (0.655, 0.6, 1 / 7, ""),
    ],
)
def test_a_classifier_is_believed_above_chance_alone(value, low, guessing, said):
    assert doubt_of_classifier("the judge", {"value": value, "low": low}, guessing) == said


def test_a_factor_is_believed_where_the_regressor_explains_it():
    found = {"regressor": {"r2": {"x": 0.9, "tone": -0.2, "light": float("nan")}}}
    assert list(doubts_of_factors(found)) == ["tone", "light"]
    assert doubts_of_factors({}) == {}


def test_only_what_a_doubt_concerns_is_marked():
    measures = [Measure(key, key, 1.0, "higher", "How.") for key in ("kept", "followed")]
    found = marked(measures, "the judge is at chance", lambda measure: measure.key == "kept")
    assert [measure.doubt for measure in found] == ["the judge is at chance", ""]
    assert not any(measure.doubt for measure in marked(measures, "", lambda measure: True))
