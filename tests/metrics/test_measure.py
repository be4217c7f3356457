from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.metrics.measure import MEASURES, MeasureConfig, measure
from drai_cli.metrics.measured_style import measured_style
from drai_cli.metrics.quick import quick_measure

CONFIG = MeasureConfig(samples_per_label=30, pairs=60, draws=2)


def measured(world, model, judge, **options):
    options = {"config": CONFIG, "judge": judge, "seed": 0, **options}
    return measure(
        world.images, world.labels, world.parts, world.groups, model, world.conditions, 3, **options
    )


@pytest.fixture(scope="module")
def report(world, right, judge, regressor):
    return measured(world, right, judge, factors=world.factors, regressor=regressor)


def test_every_measure_is_there_with_n_interval_and_baseline(report) -> None:
    assert set(MEASURES) <= set(report)
    assert json.loads(json.dumps(report)) == report
    assert report["part"] == "test"
    assert report["n"] == report["judge"]["balanced_accuracy"]["n"] == 180
    assert report["agreement"]["n"] == 90
    assert report["agreement"]["real"] == report["judge"]["balanced_accuracy"]
    assert report["swaps"]["pairs"] == 60
    assert report["regressor"]["r2"]["x"] > 0.9
    assert report["extractor"] == report["distance"]["extractor"] == "judge"
    assert "this very judge" in report["comparable_with"]


def test_a_right_model_measures_right(report) -> None:
    assert report["agreement"]["value"] > 0.95
    style, content = report["probes"]["label_in_style"], report["probes"]["label_in_content"]
    assert style["value"] < 0.5
    assert style["floor"]["value"] < 0.5
    assert content["value"] == 1
    assert report["probes"]["floor_from"] == "known factors"


def test_label_in_style_is_found_where_it_is(world, returns_b, judge) -> None:
    found = measured(world, returns_b, judge, only=["probes"])
    assert found["probes"]["label_in_style"]["value"] > 0.97
    assert found["probes"]["label_in_content"]["value"] == pytest.approx(1 / 3, abs=0.1)
    assert found["probes"]["floor_from"] == "measured style"
    assert "swaps" not in found


def test_samples_of_real_images_are_as_far_as_real_images(world, right, judge) -> None:
    # A generator that paints what the factors' own distribution gives: its distance is that of real against real.
    def generator(content, style):
        spread = style.clone()
        spread[:, :2] = (style[:, :2] * 2).clamp(-3, 3)
        spread[:, 2] = (130 + 40 * style[:, 2].clamp(-1.7, 1.7)) / 127.5 - 1
        return right.generator(content, spread)

    good = measured(world, replace(right, generator=generator), judge, only=["distance", "spread"])
    flat = measured(
        world,
        replace(right, generator=lambda c, z: right.generator(c, z * 0)),
        judge,
        only=["distance", "spread"],
    )
    assert good["distance"]["frechet"]["samples"]["value"] < flat["distance"]["frechet"]["samples"]["value"]
    assert flat["distance"]["frechet"]["ratio"] > 3
    assert flat["distance"]["kernel"]["samples"]["value"] > good["distance"]["kernel"]["samples"]["value"]
    assert flat["spread"]["least"] < 0.05
    assert good["spread"]["least"] > 0.4


def test_without_an_encoder_swaps_and_probes_say_so(world, right, judge) -> None:
    found = measured(world, replace(right, encoder=None), judge, only=["agreement", "swaps", "probes"])
    assert found["swaps"] is None
    assert found["probes"] is None
    assert found["agreement"]["value"] > 0.95


def test_where_content_is_not_inferred_the_prior_gives_it(world, right, judge) -> None:
    model = replace(right, encoder=lambda images: (None, right.encoder(images)[1]))
    found = measured(world, model, judge, only=["swaps", "probes"])
    assert found["swaps"]["rows"]["swap"]["kept"]["value"] > 0.97
    # The condition's content comes back in the second cycle, too, so nothing is lost on the way.
    cifc = found["swaps"]["cifc"]["pixels"]
    assert cifc["twice_swapped"]["value"] == pytest.approx(cifc["reconstruction"]["value"], abs=0.01)
    assert found["probes"]["label_in_content"] is None
    assert found["probes"]["label_in_style"]["value"] < 0.5


def test_the_validation_part_is_measured_on_its_own_rows(world, right, judge) -> None:
    spoilt = world.images.copy()
    spoilt[world.parts == "test"] = 0
    at = {"part": "validation", "only": ["agreement", "swaps", "probes"]}
    assert measured(replace(world, images=spoilt), right, judge, **at) == measured(world, right, judge, **at)


def test_the_quick_measure_ranks_models(world, right, returns_a, returns_b, judge) -> None:
    rows = world.rows("validation")

    def look(model):
        at = world.images[rows], world.labels[rows], world.groups[rows], model, world.conditions[rows], judge
        return quick_measure(*at, count=60, seed=0)

    found = look(right)
    assert found == look(right)
    assert found["kept"] > 0.97
    assert found["followed"] > 0.99
    assert found["score"] > max(look(returns_a)["score"], look(returns_b)["score"])
    assert "kept" not in look(replace(right, encoder=None))
    # A model with a texture that no real image has is not chosen, whatever its labels.
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8)
    checkered = replace(right, generator=lambda *codes: right.generator(*codes) + 0.6 * checks)
    assert look(checkered)["appearance"] > 1.3 * found["appearance"]
    assert look(checkered)["score"] < found["score"]
    # What agreement and kept stand beside: the judge on the real images, and guessing.
    assert found["chance"] == 1 / len(np.unique(world.labels[rows]))
    assert found["chance"] < found["judge_low"] <= found["judge"] <= 1
    assert found["agreement_ratio"] == found["agreement"] / found["judge"]
    assert found["kept_ratio"] == found["kept"] / found["kept_of_a"]


def test_style_measured_on_images_is_the_true_one(world) -> None:
    found = measured_style(world.images)
    for column, factor in ((0, "tone"), (3, "x"), (4, "y")):
        assert np.corrcoef(found[:, column], world.factors[factor])[0, 1] > 0.99
    assert found[:, 5] == pytest.approx(6 / 16 / np.sqrt(np.pi), abs=1e-4)
