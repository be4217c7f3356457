from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from drai_cli.metrics.classifier_training import Trainer, UsefulnessConfig
from drai_cli.metrics.heads import FeatureTest, measure_heads
from drai_cli.metrics.power import cases_for, groups_for, half_width, least_gain
from drai_cli.metrics.training_sets import PRETRAINED, RARE, make_arms, synthetic_counts
from drai_cli.metrics.usefulness import TestSet, measure_usefulness

SIZE = 16
FEW = 2  # the label of which there are few real images
CONFIG = UsefulnessConfig(
    images=2_560, batch_size=64, seeds=2, ratios=(1.0,), widths=(8, 16, 32), symmetry="flip", looks=4
)


def bars(labels: np.ndarray, seed: int) -> np.ndarray:
    """A bar on noise, its place and colour style; it lies, stands, or (label 2) does both."""
    generator = np.random.default_rng(seed)
    images = generator.integers(60, 110, (len(labels), SIZE, SIZE, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        colour = generator.integers(130, 256, 3)
        row, column = generator.integers(4, 12, 2)
        if label != 1:
            image[row : row + 2, column - 3 : column + 4] = colour
        if label != 0:
            image[row - 3 : row + 4, column : column + 2] = colour
    return images


def problem(train: tuple[int, ...] = (120, 120, 4), held: int = 30, test: int = 60) -> dict[str, Any]:
    counts = {"train": train, "validation": (held,) * 3, "test": (test,) * 3}
    labels = np.concatenate([np.repeat(np.arange(3), counts[part]) for part in counts])
    parts = np.concatenate([np.full(sum(counts[part]), part) for part in counts])
    groups = np.array([f"g{row // 2}" for row in range(len(labels))])
    return {
        "images": bars(labels, 0), "labels": labels, "parts": parts, "groups": groups, "label_count": 3,
    }  # fmt: skip


def pool(each: int, seed: int = 1) -> dict[str, Any]:
    made_labels = np.repeat(np.arange(3), each)
    return {"made": bars(made_labels, seed), "made_labels": made_labels}


@pytest.fixture(scope="module")
def right() -> dict[str, Any]:
    done: list[tuple[int, int]] = []
    found = measure_usefulness(
        **problem(), **pool(200), config=CONFIG, seed=0, progress=lambda *counts: done.append(counts)
    )
    return {**found, "done": done}


def test_images_that_are_right_help_the_small_label_beyond_oversampling(right) -> None:
    helped, differences = (right[name][RARE] for name in ("helped", "differences"))
    assert right["small_labels"] == [FEW]
    assert helped["recall"][str(FEW)] == helped["small"] == helped["balanced_accuracy"] == "helped"
    assert differences["recall"][str(FEW)]["value"] > 0.2
    assert differences["recall"][str(FEW)]["low"] > 0
    assert differences["recall"][str(FEW)]["n"] == 60
    arms = right["arms"]
    assert arms["synthetic"]["balanced_accuracy"]["value"] > 0.8
    for score in ("balanced_accuracy", "macro_auc"):
        gain = arms[RARE][score]["value"] - arms["real"][score]["value"]
        assert differences[score]["value"] == pytest.approx(gain)


def test_images_with_shuffled_labels_harm(right) -> None:
    made = pool(200)
    made["made_labels"] = np.random.default_rng(0).permutation(made["made_labels"])
    found = measure_usefulness(**problem(train=(40, 40, 30)), **made, config=CONFIG, seed=0)
    assert found["helped"]["real + synthetic 1"]["balanced_accuracy"] == "harmed"
    assert found["differences"]["real + synthetic 1"]["balanced_accuracy"]["high"] < 0
    assert found["arms"]["synthetic"]["balanced_accuracy"]["value"] < 0.6


def test_arms_take_equal_steps_and_say_what_they_were_trained_on(right) -> None:
    arms = right["arms"]
    assert list(arms) == ["real", "synthetic", "real + synthetic 1", RARE, PRETRAINED]
    assert {arm["images_seen"] for arm in arms.values()} == {2_560}
    assert {arm["seeds"] for arm in arms.values()} == {2}
    assert arms["real"]["real"] == {"0": 120, "1": 120, "2": 4}
    assert arms["real"]["synthetic"] == {"0": 0, "1": 0, "2": 0}
    assert arms["synthetic"]["synthetic"] == {"0": 82, "1": 82, "2": 82}
    assert arms["real + synthetic 1"]["synthetic"] == {"0": 120, "1": 120, "2": 4}
    assert arms[RARE]["synthetic"] == {"0": 0, "1": 0, "2": 78}
    assert arms[PRETRAINED]["synthetic"] == arms["synthetic"]["synthetic"]
    assert right["short"] == {}
    json.dumps({name: value for name, value in right.items() if name != "done"}, allow_nan=False)


def test_progress_counts_images_of_all_trainings(right) -> None:
    total = 5 * 2 * 2_560
    assert right["done"][0] == (64, total)
    assert right["done"][-1] == (total, total)


def test_how_many_cases_a_gain_needs_is_said_before_and_after(right) -> None:
    tested = np.array([634, 9, 0])
    assert least_gain(tested) == pytest.approx(1.96 * np.sqrt(0.25 / 634 + 0.25 / 9) / 2)
    assert least_gain(4 * tested) == pytest.approx(least_gain(tested) / 2)
    needed = cases_for(tested)
    assert least_gain(tested * needed / tested.sum()) == pytest.approx(0.05, rel=1e-3)
    assert groups_for(half_width([{"low": -0.1, "high": 0.1}]), 100) == 400
    assert groups_for(half_width([{"low": float("nan"), "high": 0.1}]), 100) is None


def test_intervals_hold_the_value(right) -> None:
    def check(found: Any) -> int:
        if not isinstance(found, dict):
            return 0
        if "low" in found:
            assert found["low"] <= found["value"] <= found["high"]
            return 1
        return sum(check(value) for value in found.values())

    assert check(right["arms"]) == 5 * 6
    assert check(right["differences"]) == 4 * 6


QUICK = UsefulnessConfig(
    images=192, batch_size=32, seeds=2, ratios=(0.25, 3.0), widths=(8, 8), turn_degrees=0, looks=2
)


def test_all_follows_from_the_seed_and_test_images_choose_nothing() -> None:
    data, made = problem((20, 20, 5), 5, 12), pool(60)
    config = replace(QUICK, ratios=(1.0,), seeds=1)

    def measured(part: str = "test", seed: int = 3) -> dict[str, Any]:
        return measure_usefulness(**data, **made, part=part, config=config, seed=seed)["arms"]

    state = torch.get_rng_state()
    first = measured()
    assert measured() == first
    assert measured(seed=4) != first
    assert torch.equal(torch.get_rng_state(), state)
    test = np.flatnonzero(data["parts"] == "test")
    data["parts"] = data["parts"].astype("<U16")
    data["parts"][test[::2]], data["parts"][test[1::2]] = "first half", "second half"
    halves = measured("first half"), measured("second half")  # answers to these do not depend on the others
    for arm, found in first.items():
        values = [half[arm]["balanced_accuracy"]["value"] for half in halves]
        assert found["balanced_accuracy"]["value"] == pytest.approx(np.mean(values))


def test_a_pool_that_is_too_small_is_said_and_not_repeated() -> None:
    found = measure_usefulness(**problem((20, 20, 5), 5, 12), **pool(30), config=QUICK, seed=0)
    assert found["short"] == {
        "real + synthetic 3": {"0": {"wanted": 60, "had": 30}, "1": {"wanted": 60, "had": 30}}
    }
    assert found["arms"]["real + synthetic 3"]["synthetic"] == {"0": 30, "1": 30, "2": 15}
    assert found["arms"]["real + synthetic 0.25"]["synthetic"] == {"0": 5, "1": 5, "2": 2}


def test_few_test_groups_give_no_verdict() -> None:
    data = problem((20, 20, 5), 5, 5)  # 3 groups a label
    helped = measure_usefulness(**data, **pool(60), config=QUICK, seed=0)["helped"]["real + synthetic 3"]
    assert set(helped["recall"].values()) == {"too few"} == {helped["small"]}
    assert helped["balanced_accuracy"] != "too few"


def test_images_from_elsewhere_are_tested_on_by_the_same_classifiers() -> None:
    data, made = problem((20, 20, 5), 5, 12), pool(60)
    test = data["parts"] == "test"
    again = TestSet(data["images"][test], data["labels"][test], data["groups"][test])
    found = measure_usefulness(**data, **made, outside=again, config=replace(QUICK, ratios=(1.0,)), seed=0)
    assert found["outside"]["n"] == found["n"]
    for arm, scores in found["outside"]["arms"].items():
        assert scores["recall"] == found["arms"][arm]["recall"]
    assert found["outside"]["helped"] == found["helped"]
    small = TestSet(again.images[:, :8, :8], again.labels, again.groups)
    with pytest.raises(ValueError, match="outside images of shape"):
        measure_usefulness(**data, **made, outside=small, config=QUICK, seed=0)


def test_large_images_are_averaged_down_and_validation_may_be_reported_on() -> None:
    data, made = problem((20, 20, 10), 10, 5), pool(60)
    data["images"] = data["images"].repeat(2, 1).repeat(2, 2)
    made["made"] = (made["made"].astype(np.uint16) * 257).repeat(2, 1).repeat(2, 2)
    config = UsefulnessConfig(images=64, batch_size=32, seeds=1, ratios=(1.0,), widths=(8, 8), largest=16)
    found = measure_usefulness(**data, **made, part="validation", config=config, seed=0)
    assert (found["n"], found["image_size"]) == (30, 16)
    assert found["arms"]["real"]["real"] == {"0": 16, "1": 16, "2": 8}  # a fifth of the groups selects


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"made": np.zeros((3, 8, 8, 3), np.uint8), "made_labels": np.arange(3)}, "real ones of"),
        ({"made": np.zeros((0, SIZE, SIZE, 3), np.uint8), "made_labels": np.zeros(0, int)}, "no synthetic"),
        ({"part": "elsewhere"}, "elsewhere"),
    ],
)
def test_what_cannot_be_measured_is_an_error(change, text) -> None:
    with pytest.raises(ValueError, match=text):
        measure_usefulness(**{**problem((5, 5, 5), 5, 5), **pool(5), **change}, config=QUICK, seed=0)


def test_a_pool_of_the_counts_asked_for_is_never_short() -> None:
    counts, ratios = np.array([50, 7, 0, 20]), (0.5, 1.0, 2.0)
    labels = np.repeat(np.arange(4), counts)
    made_labels = np.repeat(np.arange(4), synthetic_counts(counts, ratios, [1]))
    arms = make_arms(labels, np.arange(len(labels)), made_labels, 4, ratios, [1], 0)
    assert all((arm.synthetic == arm.wanted).all() for arm in arms)
    assert max(arm.synthetic.sum() for arm in arms) == 2 * counts.sum()
    # No rare label, no filling up.
    assert RARE not in [arm.name for arm in make_arms(labels, np.arange(77), made_labels, 4, ratios, [], 0)]


def test_arms_draw_the_same_labels_and_real_rows_only_where_they_should() -> None:
    labels = np.repeat(np.arange(3), [40, 20, 2])
    arms = make_arms(labels, np.arange(62), np.repeat(np.arange(3), 60), 3, (1.0,), [2], 0)
    drawn = {}
    for arm in arms:
        rows, of = arm.set.draw(4000, torch.Generator().manual_seed(0))
        drawn[arm.kind] = rows, of
        true = np.concatenate([labels, np.repeat(np.arange(3), 60)])
        assert (true[rows] == of.numpy()).all()
    assert all(torch.equal(of, drawn["real"][1]) for _, of in drawn.values())
    assert drawn["real"][0].max() < 62 <= drawn["synthetic"][0].min()
    assert set(true[drawn["rare"][0][drawn["rare"][0] >= 62]]) == {2}
    (pretrained,) = (arm for arm in arms if arm.kind == "pretrained")
    assert pretrained.first is not None
    assert pretrained.first.draw(100, torch.Generator())[0].min() >= 62 > drawn["pretrained"][0].max()
    assert len({arm.key() for arm in arms}) == len(arms)


def test_a_classifier_is_pretrained_in_the_first_half_of_its_steps(monkeypatch) -> None:
    shown: list[np.ndarray] = []
    batch = Trainer._batch
    monkeypatch.setattr(Trainer, "_batch", lambda self, rows: shown.append(rows) or batch(self, rows))
    data, made = problem((20, 20, 5), 5, 12), pool(60)
    train = np.flatnonzero(data["parts"] == "train")
    arms = make_arms(data["labels"], train, made["made_labels"], 3, (1.0,), [], 0)
    held = np.flatnonzero(data["parts"] == "validation")
    trainer = Trainer(data["images"], made["made"], data["labels"], held, 3, QUICK, "cpu")
    trainer.train(next(arm for arm in arms if arm.kind == "pretrained"), 0, [])
    assert [bool(rows.min() >= len(data["labels"])) for rows in shown] == [True] * 3 + [False] * 3


def test_heads_agree_with_the_arms_and_see_what_helps() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), [120, 120, 4])
    test_labels, held_labels = (np.repeat(np.arange(3), each) for each in (60, 20))
    centres = generator.normal(size=(3, 6)) * 1.2

    def features(of: np.ndarray) -> np.ndarray:
        return (centres[of] + generator.normal(size=(len(of), 6))).astype(np.float32)

    made_labels = np.repeat(np.arange(3), 120)
    arms = make_arms(labels, np.arange(244), made_labels, 3, (1.0,), [2], 0)
    real = np.concatenate([features(labels), features(held_labels)])
    every_label = np.concatenate([labels, held_labels])
    arms = make_arms(every_label, np.arange(244), made_labels, 3, (1.0,), [2], 0)
    test = FeatureTest(features(test_labels), test_labels, np.arange(180))
    (found,) = measure_heads(
        arms, real, every_label, np.arange(244, 304), features(made_labels), [test], 3, [2], 0
    )
    assert list(found["arms"]) == ["real", "synthetic", "real + synthetic 1", RARE]
    assert found["helped"][RARE]["recall"]["2"] == "helped"
    wrong = features((made_labels + 1) % 3)
    (found,) = measure_heads(arms, real, every_label, np.arange(244, 304), wrong, [test], 3, [2], 0)
    assert found["differences"]["synthetic"]["balanced_accuracy"]["high"] < 0
