"""What the tests of the prompt share: a runner and a tiny random model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result


@pytest.fixture
def drai(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs a `drai` command line in this process, far from the user's own settings and caches."""
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("DRAI_WEIGHTS", raising=False)

    def run(*arguments: object) -> Result:
        from drai_cli.cli.app import app

        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random 16 px RGB networks with two labels, `mel` and `nv`, and an age."""
    import torch

    from drai_cli.checkpoint import ModelHeader, save_model
    from drai_cli.condition import Attribute, ConditionSchema
    from drai_cli.config import ModelConfig
    from drai_cli.model.networks import Networks

    torch.manual_seed(0)
    schema = ConditionSchema(
        (
            Attribute("dx", "categorical", ("mel", "nv"), {"melanoma": "mel"}),
            Attribute("age", "continuous", mean=50.0, deviation=10.0),
        )
    )
    config = ModelConfig(
        image_size=16, image_channels=3, content_dim=4, style_dim=6, channels=8, max_channels=8, blocks=1
    )
    header = ModelHeader(
        config,
        schema,
        "drai",
        training={"label_counts": {"mel": 3, "nv": 9}, "images_seen": 1234, "seed": 7},
        measures={"test": {"label agreement": 0.5}},
        data="Nothing: random weights",
        licence="CC0-1.0",
        intended_use="Tests",
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(path, header, Networks(config, schema.dim, True))
    return path


@pytest.fixture(scope="session")
def tiny_ct_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random 16 px grey networks whose levels are Hounsfield units from -1000 to 600."""
    from dataclasses import replace

    import torch

    from drai_cli.checkpoint import read_header, save_model
    from drai_cli.model.networks import Networks

    torch.manual_seed(0)
    header = read_header(tiny_model)
    header = replace(
        header,
        architecture=replace(header.architecture, image_channels=1),
        intensity={"unit": "HU", "low": -1000, "high": 600, "dtype": "uint8"},
    )
    path = tmp_path_factory.mktemp("weights") / "ct.safetensors"
    save_model(path, header, Networks(header.architecture, header.schema.dim, True))
    return path
