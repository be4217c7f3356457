"""Which use is named, what speaks against it, and the command for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from drai_cli.evaluation.best_use import best_use, command_for
from drai_cli.evaluation.usefulness import _brief, _verdict


def found(**gains: tuple[float, float, float]) -> dict:
    def effect(gain: tuple[float, float, float]) -> str:
        return "helped" if gain[1] > 0 else "harmed" if gain[2] < 0 else "neither"

    def one(gain: tuple[float, float, float]) -> dict:
        return dict(zip(("value", "low", "high"), gain, strict=True))

    names = {"mix": "real + synthetic 1", "rare": "rare labels filled up", "alone": "synthetic"}
    return {
        "differences": {names[k]: {"balanced_accuracy": one(g), "recall": {"0": one(g)}} for k, g in gains.items()},
        "helped": {
            names[k]: {"balanced_accuracy": effect(g), "recall": {"0": effect(g)}} for k, g in gains.items()
        },
        "small_labels": [0], "heads": None, "outside": None,
    }  # fmt: skip


def test_the_use_with_the_highest_gain_that_is_sure_is_the_best() -> None:
    best = best_use(found(mix=(0.03, 0.01, 0.05), rare=(0.06, -0.01, 0.13), alone=(0.2, 0.1, 0.3)))
    assert best.name == "real + synthetic 1"
    assert best.objections == ()
    assert best.resolution == pytest.approx((0.02 + 0.07) / 2)


def test_no_use_is_named_where_none_is_sure_and_harm_is() -> None:
    best = best_use(found(mix=(-0.05, -0.08, -0.02), rare=(0.01, -0.04, 0.06)))
    assert best.name == ""
    assert best.harmful == ("real + synthetic 1",)


def test_another_classifier_that_disagrees_is_heard() -> None:
    numbers = found(mix=(0.02, 0.01, 0.03))
    numbers["heads"] = [found(mix=(-0.03, -0.05, -0.01)), found(mix=(0.01, -0.05, 0.07))]
    numbers["outside"] = found(mix=(0.05, 0.02, 0.08))
    assert best_use(numbers).objections == (
        "with a linear head on pretrained features it harms (-0.030)",
        "with a linear head on pretrained features on the images from elsewhere no gain is shown (+0.010)",
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("real + synthetic 0.5", "`drai sample --weights runs/x -n 12 --out synthetic/` (labels as frequent as in "
         "training)."),
        ("pretrained on synthetic", "`drai sample --weights runs/x --per-class 9 --out synthetic/`, trained on first, "
         "real images afterwards."),
        ("rare labels filled up", "`drai sample --weights runs/x --label 'b c' -n 9 --out 'synthetic/b c'`; "
         "`drai sample --weights runs/x --label a -n 3 --out synthetic/a`."),
    ],
)  # fmt: skip
def test_the_command_makes_that_data_set(name, command) -> None:
    evaluation = SimpleNamespace(
        options=SimpleNamespace(weights="runs/x"), subject=SimpleNamespace(model=object()),
        real=SimpleNamespace(schema=SimpleNamespace(labels=("b c", "a", "d"))),
    )  # fmt: skip
    numbers = {"arms": {name: {"synthetic": {"0": 9, "1": 3, "2": 0}}}}
    assert command_for(evaluation, numbers, name) == command
    evaluation.subject.model = None
    assert command_for(evaluation, numbers, name) == ""


def test_a_short_training_is_said_and_the_usual_one_is_not() -> None:
    assert _brief(6_400).startswith(" The classifiers saw 6,400 images in training instead of 23,936")
    assert _brief(23_936) == ""


def test_the_command_of_selected_samples_draws_as_many_as_are_dropped_too() -> None:
    evaluation = SimpleNamespace(
        options=SimpleNamespace(weights="runs/x", data="my set"), subject=SimpleNamespace(model=object()),
        real=SimpleNamespace(schema=SimpleNamespace(labels=("a", "b"))),
    )  # fmt: skip
    name = "real + selected synthetic"
    selection = {"samples": {"0": {"drawn": 10, "kept": 5}, "1": {"drawn": 10, "kept": 2}}}
    numbers = {"arms": {name: {"synthetic": {"0": 9, "1": 3}}}, "selection": selection}
    assert command_for(evaluation, numbers, name) == (
        "`drai sample --weights runs/x -n 33 --select --train-data 'my set' --out synthetic/`, which keeps about 12."
    )


def test_what_cannot_be_seen_and_the_cases_that_a_gain_needs_are_of_one_interval() -> None:
    accuracy = {"balanced_accuracy": {"value": 0.5}, "seeds": 2, "images_seen": 24_000}
    numbers = found(mix=(0.01, -0.1, 0.1), rare=(0.0, -0.3, 0.3), alone=(-0.5, -0.9, 0.9)) | {
        "arms": {"real": accuracy, "synthetic": accuracy}, "groups": 100, "cases_needed": 7,
    }  # fmt: skip
    evaluation = SimpleNamespace(real=SimpleNamespace(schema=SimpleNamespace(labels=("a",))))
    verdict = _verdict(evaluation, numbers)  # type: ignore[arg-type]
    assert "with 100 test cases, gains under 0.20 cannot be seen (0.05 would need about 1,600)" in verdict


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_classifier_is_no_proof(seeds: int) -> None:
    accuracy = {"balanced_accuracy": {"value": 0.5}, "seeds": seeds, "images_seen": 24_000}
    numbers = found(mix=(-0.05, -0.08, -0.02)) | {"arms": {"real": accuracy, "synthetic": accuracy}}
    evaluation = SimpleNamespace(real=SimpleNamespace(schema=SimpleNamespace(labels=("a",))))
    verdict = _verdict(evaluation, numbers)  # type: ignore[arg-type]
    assert verdict.startswith("They seem to harm: " if seeds == 1 else "They harm: ")
    assert ("--usefulness-seeds 2" in verdict) == (seeds == 1)
