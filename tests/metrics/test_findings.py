"""Measures of sets of findings, on models by formula: right where it is right, and naming what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drai_cli.metrics.auc import area, area_of
from drai_cli.metrics.finding_judge import (
    FindingJudge,
    _threshold,
    load_finding_judge,
    train_finding_judge,
)
from drai_cli.metrics.finding_set import FindingsConfig, FindingSet
from drai_cli.metrics.findings import measure_findings
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import JudgeConfig
from tests.metrics.conftest import Code, Model, certain, draw, paint, read

NAMES = ("red", "green", "blue")
CONFIG = FindingsConfig(samples=400, pairs=40)


@pytest.fixture(scope="module")
def data() -> FindingSet:
    """Squares whose colour channels are the findings; green goes with red, blue is rare; some greens are unknown."""
    generator = np.random.default_rng(0)
    count = 1200
    red = generator.random(count) < 0.5
    green = np.where(red, generator.random(count) < 0.8, generator.random(count) < 0.2)
    blue = generator.random(count) < 0.15
    shown = np.stack([red, green, blue], 1)
    x, y = generator.integers(-3, 4, (2, count))
    images = draw(shown.astype(np.uint8) * 255, x, y, generator.integers(60, 200, count))
    states = shown.astype(np.int8)
    states[::10, 1] = -1
    parts = np.where(np.arange(count) < 700, "train", np.where(np.arange(count) < 900, "validation", "test"))
    groups = np.array([f"g{index // 2}" for index in range(count)])
    conditions = np.stack([states == 1, states == -1], 2).reshape(count, 6).astype(np.float32)
    return FindingSet(images, states, parts, groups, conditions, NAMES)


@pytest.fixture(scope="module")
def judge(data: FindingSet) -> FindingJudge:
    config = JudgeConfig(
        widths=(16, 32), fit=FitConfig(images=6_400, batch_size=64, check_every=1_600), shift=1
    )
    rarest = np.where(data.states[:, 2] == 1, 2, np.where(data.states[:, 1] == 1, 1, 0))
    return train_finding_judge(data.images, data.states, rarest, data.parts, config, seed=0)


def colours_of(condition: Tensor) -> Code:
    return certain(condition[:, 0::2] * 2 - 1)


def encode_apart(images: Tensor) -> tuple[Code, Code]:
    colour, style = read(images)
    return certain(colour), certain(style)


def paint_as_in_the_set(content: Tensor, style: Tensor) -> Tensor:
    """Backgrounds outside of the set's range would confuse the judge."""
    return paint(content, torch.cat([style[:, :2], style[:, 2:].clamp(-0.5, 0.5)], 1))


PERFECT = Model(paint_as_in_the_set, encode_apart, colours_of)


def measured(data: FindingSet, judge: FindingJudge, model: Model) -> dict[str, Any]:
    return measure_findings(data, model, judge, 3, CONFIG, seed=0)


def test_a_perfect_model_shows_what_is_asked_for_and_keeps_it(data: FindingSet, judge: FindingJudge) -> None:
    found = measured(data, judge, PERFECT)
    assert found["findings"] == list(NAMES)
    for name in NAMES:
        agreement, swap = found["agreement"]["by_finding"][name], found["swaps"]["by_finding"][name]
        assert min(agreement["auc"]["value"], agreement["auc_real"]["value"]) > 0.98
        assert agreement["balanced"]["value"] > 0.95
        assert swap["kept"] > 0.95
        assert abs(swap["leaked"]) < 0.05
        assert found["label_in_style"]["by_finding"][name]["value"] < 0.65
    assert found["agreement"]["all_right"]["value"] > 0.9
    assert found["co_occurrence"]["correlation"] > 0.95
    assert found["swaps"]["followed"]["value"] > 0.9


def test_a_finding_that_is_never_shown_is_named(data: FindingSet, judge: FindingJudge) -> None:
    def without_blue(condition: Tensor) -> Code:
        colour = condition[:, 0::2] * 2 - 1
        return certain(torch.cat([colour[:, :2], -torch.ones(len(colour), 1)], 1))

    found = measured(data, judge, replace(PERFECT, content_prior=without_blue))["agreement"]
    assert found["by_finding"]["blue"]["balanced"]["value"] < 0.6
    assert found["by_finding"]["blue"]["auc"]["value"] < 0.7
    assert found["by_finding"]["red"]["balanced"]["value"] > 0.95
    assert found["all_right"]["value"] < found["all_right_real"]["value"] - 0.1


def test_findings_that_no_longer_go_together_lower_the_co_occurrence(
    data: FindingSet, judge: FindingJudge
) -> None:
    def swapped(condition: Tensor) -> Code:
        colour = condition[:, 0::2] * 2 - 1
        return certain(torch.stack([colour[:, 0], -colour[:, 1], colour[:, 2]], 1))

    found = measured(data, judge, replace(PERFECT, content_prior=swapped))["co_occurrence"]
    assert found["correlation"] < 0
    assert found["correlation_real"] > 0.9


def test_a_finding_carried_by_style_leaks(data: FindingSet, judge: FindingJudge) -> None:
    """Red is in style: the swap shows b's, and the probe finds it there."""

    def encode_red_in_style(images: Tensor) -> tuple[Code, Code]:
        colour, style = read(images)
        return certain(colour), certain(torch.cat([style, colour[:, :1]], 1))

    def paint_red_from_style(content: Tensor, style: Tensor) -> Tensor:
        return paint(torch.cat([style[:, 3:], content[:, 1:]], 1), style[:, :3])

    model = replace(PERFECT, generator=paint_red_from_style, encoder=encode_red_in_style, style_dim=4)
    found = measure_findings(data, model, judge, 4, CONFIG, seed=0)
    swaps, probe = found["swaps"]["by_finding"], found["label_in_style"]["by_finding"]
    assert swaps["red"]["leaked"] > 0.9
    assert swaps["red"]["kept"] < 0.1
    assert abs(swaps["blue"]["leaked"]) < 0.1
    assert probe["red"]["value"] > 0.95
    assert probe["blue"]["value"] < 0.75


def test_rare_findings_are_left_out(data: FindingSet, judge: FindingJudge) -> None:
    states = data.states.copy()
    test = np.flatnonzero(data.parts == "test")
    states[test[np.flatnonzero(states[test, 2] == 1)[4:]], 2] = 0
    found = measure_findings(replace(data, states=states), PERFECT, judge, 3, CONFIG, seed=0)
    assert found["findings"] == ["red", "green"]
    assert found["co_occurrence"]["correlation"] is None


def test_a_model_without_an_encoder_has_no_swaps(data: FindingSet, judge: FindingJudge) -> None:
    found = measured(data, judge, replace(PERFECT, encoder=None))
    assert found["swaps"] is None
    assert found["label_in_style"] is None


def test_the_judge_ignores_unknown_findings(data: FindingSet) -> None:
    """Where most greens are unknown, the others still count as what they are: unknown is not absent."""
    states = data.states[:, 1:2].copy()
    green = np.flatnonzero(states[:, 0] == 1)
    states[green[np.arange(len(green)) % 3 > 0]] = -1
    config = JudgeConfig(
        widths=(16, 32), fit=FitConfig(images=6_400, batch_size=64, check_every=1_600), shift=0
    )
    rarest = np.where(states[:, 0] == 1, 0, 1)
    judge = train_finding_judge(data.images, states, rarest, data.parts, config, seed=0)
    test = data.rows("test")
    probabilities = judge.probabilities(data.images[test])[:, 0]
    assert probabilities[data.states[test, 1] == 1].mean() > 0.8
    assert probabilities[data.states[test, 1] == 0].mean() < 0.2


def test_a_judge_survives_saving(data: FindingSet, judge: FindingJudge) -> None:
    again = load_finding_judge(judge.config_json(), judge.state())
    images = data.images[:20]
    assert np.array_equal(judge.probabilities(images), again.probabilities(images))
    assert again.thresholds == judge.thresholds
    assert again.fits(images, 3)
    assert not again.fits(images, 4)


def test_area_counts_pairs_in_the_right_order() -> None:
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 5, 60).astype(float), generator.random(60) < 0.4
    weights = generator.integers(0, 3, (7, 60)).astype(float)
    for drawn, found in zip(weights, area(scores, positive)(weights), strict=True):
        pairs = drawn[positive][:, None] * drawn[~positive][None]
        gap = scores[positive][:, None] - scores[~positive][None]
        assert found == pytest.approx((pairs * ((gap > 0) + 0.5 * (gap == 0))).sum() / pairs.sum())
    assert area_of(np.array([0.1, 0.9, 0.5]), np.array([0, 1, -1], np.int8)) == 1
    assert np.isnan(area_of(np.array([0.1, 0.9]), np.array([1, -1], np.int8)))


def test_a_threshold_lies_midway_between_the_logits_of_two_images() -> None:
    scores = np.array([0.0001, 0.0002, 0.9, 0.99])
    odds = [0.0002 / 0.9998, 0.9 / 0.1]
    expected = np.sqrt(odds[0] * odds[1])
    found = _threshold(scores, np.array([0, 0, 1, 1], np.int8))
    assert found / (1 - found) == pytest.approx(expected)
    assert _threshold(scores, np.zeros(4, np.int8)) == 0.5
