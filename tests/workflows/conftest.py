"""What files of tests share: an output of `sample`, a training; an `options` or `run` in a file goes before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.image_options import SampleOptions, SwapOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.sample import sample
from drai_cli.workflows.train import train
from tests.workflows.sample_checks import contents


@pytest.fixture
def options(tmp_path, tiny_model):
    return SampleOptions(out=tmp_path / "out", weights=str(tiny_model), label="melanoma", count=21)


@pytest.fixture
def whole(tmp_path, options):
    """The uninterrupted output of `options`."""
    sample(replace(options, out=tmp_path / "whole"))
    return contents(tmp_path / "whole")


@pytest.fixture(scope="session")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "lesions"
    make_phantoms(PhantomOptions(out, count=140, size=16))
    return out


@pytest.fixture
def run(lesions: Path, tmp_path: Path) -> TrainRun:
    """A training on phantoms, not begun."""
    return make_run(lesions, tmp_path)


def make_run(lesions: Path, base: Path) -> TrainRun:
    model = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
    options = TrainOptions(model=model, kimg=0.32, tick_kimg=0.096, batch_size=16, precision="fp32")
    data = DataOptions(lesions, size=16, cache_dir=base / "cache")
    return TrainRun(data, options, base / "run", device="cpu")


@pytest.fixture(scope="module")
def trained(lesions: Path, tmp_path_factory: pytest.TempPathFactory, quick_judge: None) -> TrainRun:
    """A finished run; its files stay as they are."""
    made = make_run(lesions, tmp_path_factory.mktemp("trained"))
    train(made)
    return made


@pytest.fixture
def picture():
    """A smooth RGB image of a size."""

    def make(height=16, width=16, seed=0):
        small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        return PillowImage.fromarray(small).resize((width, height), PillowImage.Resampling.BILINEAR)

    return make


@pytest.fixture
def swap_options(tmp_path, tiny_model, picture):
    picture(seed=1).save(tmp_path / "a.png")
    picture(seed=2).save(tmp_path / "b.png")
    return SwapOptions(
        content=tmp_path / "a.png", style=tmp_path / "b.png", out=tmp_path / "out", weights=str(tiny_model)
    )
