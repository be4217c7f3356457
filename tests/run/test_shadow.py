"""Shadow models: trained as the file says, for the time they have, on their own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import WeightsError
from drai_cli.model_file.checkpoint import read_header
from drai_cli.run.shadow import ShadowImages, options_of, train_shadow
from drai_cli.settings.config import ModelConfig, TrainOptions

TINY = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
SCHEMA = ConditionSchema((Attribute("label", "categorical", ("a", "b")),))


def header_with(tiny_model: Path, **training: object):
    header = read_header(tiny_model)
    return replace(header, architecture=TINY, training={**header.training, **training})


def test_the_options_are_those_of_the_file_without_the_projected_discriminator(tiny_model: Path) -> None:
    recorded = {
        "batch_size": 8,
        "augment": "none",
        "objective": {"r1_gamma": 0.5, "features_weight": 1.0},
        "new": 1,
    }
    options = options_of(header_with(tiny_model, options=recorded))
    assert (options.batch_size, options.augment, options.model) == (8, "none", TINY)
    assert options.objective.r1_gamma == 0.5
    assert options.objective.features_weight == TrainOptions().objective.features_weight


@pytest.mark.parametrize("training", [{"options": None}, {"options": {"batch_size": {}, "objective": 3}}])
def test_a_file_that_does_not_say_how_it_was_trained_is_refused(tiny_model: Path, training) -> None:
    with pytest.raises(WeightsError, match="--attack shadow"):
        options_of(header_with(tiny_model, **training))


def test_a_shadow_model_learns_from_its_images_until_its_time_is_up() -> None:
    labels = np.arange(6) % 2
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)
    data = ShadowImages(images, labels, np.eye(3, dtype=np.float32)[labels], SCHEMA, "none")
    took: list[float] = []
    options = TrainOptions(model=TINY, batch_size=16)
    networks, seen = train_shadow(data, options, 0.3, 1, torch.device("cpu"), took.append)
    assert seen >= 6
    assert seen % 6 == 0  # no more images in a batch than there are
    assert len(took) == seen // 6
    assert 0.2 < sum(took) < 5
    assert networks.generator is not None
    once, one = train_shadow(data, options, 1e-9, 1, torch.device("cpu"), took.append)
    assert one == 6
    before, after = (next(iter(each.generator.parameters())) for each in (once, networks))
    assert torch.isfinite(after).all()
    assert before.shape == after.shape
