"""What ticks say: each rule of the verdict, by ticks that meet it and ticks that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drai_cli.run.verdict import RunFacts, give_verdict, longer_budget
from tests.report.run_examples import example_ticks

FACTS = RunFacts(20_000, kimg=50, hours=None, symmetry="flip", has_init=False, augments=True)
MEMORISED = "the discriminator has memorised the training set"


def test_a_good_run_that_is_finished():
    verdict = give_verdict(example_ticks(60, gain=0.3), FACTS)
    assert verdict.standing == "good"
    assert len(verdict.quality) == 5
    assert "no longer improves" in verdict.progress
    assert verdict.advice == ()


def test_a_run_that_still_improves_is_to_be_longer():
    verdict = give_verdict(example_ticks(10, gain=0.05), FACTS)
    assert verdict.standing == "poor"
    assert "still improves" in verdict.progress
    assert verdict.advice == ("To train longer, repeat the command with --kimg 100: the run continues.",)
    by_hours = give_verdict(example_ticks(10, gain=0.05), replace(FACTS, kimg=None, hours=1.5))
    assert "--hours 3:" in by_hours.advice[0]


@pytest.mark.parametrize(
    ("measure", "poor", "sentence"),
    [
        ("agreement", 0.3, "The judge sees the requested label in samples: 0.30, on real images 0.97."),
        ("kept", 0.2, "Swaps keep the label of the content image: 0.20, on real images 0.97."),
        (
            "frechet_matched",
            15.0,
            "Samples are 10.0 times as far from real images as real images are from each other.",
        ),
        ("followed", 0.1, "Swaps follow the background of the style image: correlation 0.10"),
    ],
)
def test_each_measure_is_rated_by_its_reference(measure, poor, sentence):
    verdict = give_verdict(example_ticks(60, gain=0.3, **{measure: poor}), FACTS)
    assert [text.startswith(sentence) for own, text in verdict.quality if own == "poor"] == [True]
    assert verdict.standing == "poor"


@pytest.mark.parametrize(("power", "word"), [(0.2, "blurred"), (3.0, "checkerboard")])
def test_blur_and_dots_are_named(power, word):
    verdict = give_verdict(example_ticks(60, gain=0.3, power_fine=power), FACTS)
    assert [word in text for own, text in verdict.quality if own == "near"] == [True]


@pytest.mark.parametrize(
    ("power", "standing"), [(0.003, "poor"), (0.2, "near"), (1.0, "good"), (9.0, "poor")]
)
def test_images_without_any_fine_detail_are_poor(power, standing):
    verdict = give_verdict(example_ticks(60, gain=0.3, power_fine=power), FACTS)
    assert [own for own, text in verdict.quality if text.startswith("Fine")] == [standing]


def test_a_distance_of_few_images_is_never_good():
    def rated(images):
        verdict = give_verdict(example_ticks(60, gain=0.3, frechet_matched=1.6, frechet_images=images), FACTS)
        return next((own, text) for own, text in verdict.quality if "times as far" in text)

    assert rated(400.0)[0] == "good"
    standing, text = rated(99.0)
    assert standing == "near"
    assert "99 images per side: too few" in text


def test_a_short_run_that_is_poor_is_to_be_longer():
    ticks = example_ticks(2, agreement=0.2)
    short = give_verdict(ticks, replace(FACTS, kimg=0.6))
    assert "too few" in short.progress
    assert short.advice[0] == "To train longer, repeat the command with --kimg 20: the run continues."
    assert "--hours 0.2:" in give_verdict(ticks, replace(FACTS, kimg=None, hours=0.1)).advice[0]
    assert longer_budget(None, None) is None


def test_no_data_set_hears_of_skin():
    text = " ".join(sentence for _, sentence in give_verdict(example_ticks(9), FACTS).quality)
    assert "skin" not in text


def test_memorising_and_few_images_are_advised_on():
    ticks = example_ticks(60, gain=0.3)
    ticks[-1]["warnings"] = [MEMORISED]
    advice = give_verdict(ticks, replace(FACTS, symmetry="none", augments=False)).advice
    assert ["--symmetry" in advice[0], "--augment ada" in advice[1], "--init" in advice[2]] == [True] * 3
    few = give_verdict(example_ticks(60, gain=0.3), replace(FACTS, train_images=500)).advice
    assert few == ("With 500 training images, start from a model of similar images: --init WEIGHTS.",)
    assert (
        give_verdict(example_ticks(60, gain=0.3), replace(FACTS, train_images=500, has_init=True)).advice
        == ()
    )


def test_a_collapse_comes_first():
    ticks = example_ticks(10, gain=0.05)
    ticks[-2]["warnings"] = ["the generator has collapsed: its images vary 0.01 times as much as real ones"]
    assert give_verdict(ticks, FACTS).advice[0].startswith("The generator collapsed")


def test_a_judge_at_chance_says_nothing():
    verdict = give_verdict(example_ticks(10), FACTS, doubt="the judge is at chance")
    assert verdict.quality[0] == ("poor", "The judge's measures are not informative: the judge is at chance.")
    # What no judge measures is still said.
    assert [text.split()[0] for _, text in verdict.quality[1:]] == ["Swaps", "Fine"]
    assert "follow" in verdict.quality[1][1]
    assert "fewer labels" in verdict.advice[-1]


def test_too_few_ticks():
    verdict = give_verdict(example_ticks(1), FACTS)
    assert (verdict.standing, verdict.quality) == (None, ())
    assert "too few" in verdict.progress
    assert verdict.advice == ("Train longer, until several ticks are measured.",)
