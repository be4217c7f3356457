"""`--init`: what a fresh state takes of another model."""

from __future__ import annotations

import pytest
import torch

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model_file.checkpoint import LoadedModel
from drai_cli.model_file.header import ModelHeader
from drai_cli.run.warm_start import warm_start
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.training.state import TrainingState

TINY = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
SCHEMA = ConditionSchema.from_rows([{"label": "a"}, {"label": "b"}], "label", [])


def state_of(method: str, seed: int) -> TrainingState:
    options = TrainOptions(method=method, model=TINY, seed=seed)
    return TrainingState(options, SCHEMA.slots(), torch.device("cpu"))


def model_of(state: TrainingState, method: str) -> LoadedModel:
    of = state.average
    return LoadedModel(ModelHeader(TINY, SCHEMA, method), of.generator, of.encoder, of.content_prior, "")


@pytest.mark.parametrize(
    ("source", "method", "taken", "new"),
    [
        ("drai", "cgan", ["discriminator trunk"], ["content prior"]),
        ("cgan", "drai", ["generator"], ["encoder", "content prior"]),
        ("cavae", "dual-cavae", ["encoder"], ["the encoder's content", "content prior"]),
        ("dual-cavae", "cinfogan", ["encoder"], ["content prior"]),
        ("cavae", "cinfogan", ["encoder", "content prior"], []),
    ],
)
def test_a_warm_start_takes_what_both_methods_have(
    source: str, method: str, taken: list[str], new: list[str]
) -> None:
    trained, state = state_of(source, 0), state_of(method, 1)
    of = trained.average
    found = warm_start(state, model_of(trained, source), SCHEMA)
    assert all(any(text.startswith(name) for text in found.taken) for name in taken)
    assert set(found.new) - {"discriminator heads", "predictors"} == set(new)
    own = state.networks
    assert torch.equal(own.generator.start.weight, of.generator.start.weight)
    if own.encoder is not None and of.encoder is not None:
        assert torch.equal(own.encoder.style.weight, of.encoder.style.weight)


def test_a_warm_discriminator_begins_at_the_scale_of_a_fresh_one() -> None:
    trained, state = state_of("drai", 0), state_of("drai", 1)
    of = trained.average
    assert of.encoder is not None
    with torch.no_grad():  # as an encoder's features grow, which it reads at unit scale
        of.encoder.trunk.flat.weight.mul_(1000)
    warm_start(state, model_of(trained, "drai"), SCHEMA)
    images = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        features = state.adversaries.discriminator.trunk(images)
        assert 0.1 < float(features.square().mean().sqrt()) < 10
        assert float(state.adversaries.discriminator.image(features).abs().max()) < 10
    assert torch.equal(state.networks.encoder.trunk.flat.weight, of.encoder.trunk.flat.weight)


def test_a_label_in_common_is_enough_for_the_prior() -> None:
    trained, state = state_of("drai", 0), state_of("drai", 1)
    own = ConditionSchema.from_rows([{"dx": "B"}, {"dx": "c"}], "dx", [])
    found = warm_start(state, model_of(trained, "drai"), own)
    assert "content prior for B" in found.taken
    assert "content prior for c" in found.new
    for networks in (state.networks, state.average):
        first = networks.content_prior.layers[0].weight
        assert torch.equal(first[:, 0], trained.average.content_prior.layers[0].weight[:, 1])
