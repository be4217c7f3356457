"""When an instrument is too weak to be believed."""

from __future__ import annotations

import pytest

from drai_cli.evaluation.doubt import doubt_of_classifier, doubts_of_factors, mark, way_out
from drai_cli.report.findings import Measure


@pytest.mark.parametrize(
    ("value", "low", "guessing", "said"),
    [
        (0.16, 0.12, 0.14, "the judge is at chance (balanced accuracy 0.16 on real images, guessing 0.14)"),
        (0.5, 0.5, 0.5, "the judge is at chance (balanced accuracy 0.50 on real images, guessing 0.50)"),
        (
            0.9,
            float("nan"),
            0.5,
            "the judge is not significantly better than chance (balanced accuracy 0.90 on real images, guessing 0.50)",
        ),
        (
            0.53,
            0.51,
            0.5,
            "the judge is barely better than chance (balanced accuracy 0.53 on real images, guessing 0.50)",
        ),
        (0.6, 0.55, 0.5, ""),
        (0.655, 0.6, 1 / 7, ""),
    ],
)
def test_a_classifier_is_believed_above_chance_alone(value, low, guessing, said):
    assert doubt_of_classifier("the judge", {"value": value, "low": low}, guessing) == said


@pytest.mark.parametrize(
    ("value", "low", "high", "learnt_from", "shown", "says", "leaves_out"),
    [
        # Shown little: more training, and nothing of the images that are looked at.
        (
            0.51,
            0.49,
            0.53,
            1600,
            2000,
            ["It saw 2000 images in training: longer training (--judge-images) may help"],
            "too few",
        ),
        # Few are looked at, and it did well on them: more of them, no more training.
        (
            0.7,
            0.45,
            0.9,
            280,
            2000,
            ["The 24 images of the test part are too few", "--part"],
            "--judge-images",
        ),
        # All was seen often already: more to learn from.
        (
            0.51,
            0.49,
            0.53,
            280,
            32000,
            ["280 training images up to 114 times: more training images may help"],
            "longer training (--judge-images) may help",
        ),
        # Both: the newcomer's small set.
        (
            0.42,
            0.25,
            0.6,
            280,
            2000,
            ["The 24 images of the test part are too few", "--judge-images"],
            "by heart",
        ),
    ],
)
def test_the_advice_fits_what_keeps_the_judge_from_telling(
    value, low, high, learnt_from, shown, says, leaves_out
):
    accuracy = {"value": value, "low": low, "high": high}
    said = way_out(accuracy, 0.5, "test", 24, learnt_from, shown, "--judge-images")
    assert all(words in said for words in says)
    assert leaves_out not in said


def test_a_factor_is_believed_where_the_regressor_explains_it():
    found = {"regressor": {"r2": {"x": 0.9, "tone": -0.2, "light": float("nan")}}}
    assert list(doubts_of_factors(found)) == ["tone", "light"]
    assert doubts_of_factors({}) == {}


def test_only_what_a_doubt_concerns_is_marked():
    measures = [Measure(key, key, 1.0, "higher", "How.") for key in ("kept", "followed")]
    found = mark(measures, "the judge is at chance", lambda measure: measure.key == "kept")
    assert [measure.doubt for measure in found] == ["the judge is at chance", ""]
    assert not any(measure.doubt for measure in mark(measures, "", lambda measure: True))
