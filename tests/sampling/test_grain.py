"""Samples of a model with noise inputs: image i stays (seed, condition, i), in every program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drai_cli.inference.noise import draw_grain, draw_noise
from drai_cli.inference.sampler import open_sampler
from drai_cli.metrics.generation import sample as sample_for_measures
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import load_model, save_model
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.plan import Item
from drai_cli.settings.model_options import ExportOptions
from drai_cli.workflows.export import export

CONDITION: Mapping[str, str] = {"dx": "mel"}


@pytest.fixture
def grainy(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model with noise inputs of some strength."""
    header = load_model(tiny_model).header
    header = replace(header, architecture=replace(header.architecture, grain=True))
    torch.manual_seed(0)
    networks = Networks(header.architecture, header.schema.dim)
    for grain in networks.generator.grains:
        grain.strength.data.fill_(0.5)
    save_model(tmp_path / "grainy.safetensors", header, networks)
    return tmp_path / "grainy.safetensors"


def items(indices: range) -> list[Item]:
    return [Item("mel", CONDITION, index) for index in indices]


def test_grain_depends_on_seed_condition_and_index_alone() -> None:
    grain = draw_grain(3, CONDITION, range(4), 16)
    assert grain.shape == (4, 1, 16, 16)
    assert np.array_equal(grain[2:], draw_grain(3, CONDITION, [2, 3], 16))
    assert not np.array_equal(grain[0], grain[1])
    assert not np.array_equal(grain, draw_grain(4, CONDITION, range(4), 16))
    assert not np.array_equal(grain, draw_grain(3, {"dx": "nv"}, range(4), 16))
    # The codes' draws are others.
    content, _ = draw_noise(3, CONDITION, [0], 16, 16)
    assert not np.array_equal(content[0], grain[0, 0, 0])
    assert abs(float(draw_grain(0, CONDITION, range(50), 32).std()) - 1) < 0.02


def test_image_i_is_the_same_in_any_batch(grainy: Path) -> None:
    sampler = open_sampler(str(grainy), "cpu")
    whole, contents, styles = draw_images(sampler, items(range(40)), 0)
    part, _, _ = draw_images(sampler, items(range(30, 33)), 0)
    assert np.array_equal(whole[30:33], part)
    # And the noise is in it: the same codes without it give other images.
    smooth = sampler.generate(contents, styles)
    assert np.abs(whole.astype(int) - smooth).mean() > 0.5


def test_a_model_without_grain_draws_none(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("drai_cli.sampling.draw.draw_grain", never)
    draw_images(open_sampler(str(tiny_model), "cpu"), items(range(3)), 0)


def test_an_exported_model_takes_it(grainy: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    export(ExportOptions(tmp_path / "grainy.onnx", "onnx", str(grainy)))
    ours, _, _ = draw_images(open_sampler(str(grainy), "cpu"), items(range(5)), 0)
    theirs, _, _ = draw_images(
        open_sampler(str(tmp_path / "grainy.onnx"), "cpu", runtime="onnx"), items(range(5)), 0
    )
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_measures_see_it_whatever_the_size_of_a_pass(grainy: Path) -> None:
    model = load_model(grainy)
    conditions = model.header.schema.encode([CONDITION] * 300)
    whole = sample_for_measures(model, conditions, 6, np.dtype(np.uint8), seed=0)
    assert np.array_equal(whole, sample_for_measures(model, conditions, 6, np.dtype(np.uint8), seed=0))
    assert not np.array_equal(whole[0], whole[256])
    strengths = [grain.strength.clone() for grain in model.generator.grains]
    for grain in model.generator.grains:
        grain.strength.zero_()
    smooth = sample_for_measures(model, conditions, 6, np.dtype(np.uint8), seed=0)
    assert np.abs(whole.astype(int) - smooth).mean() > 0.5
    assert all(float(strength[0]) == 0.5 for strength in strengths)
