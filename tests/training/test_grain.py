"""Training with noise inputs: samples and swaps have them, reconstructions none; a resumed step is the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from drai_cli.settings.config import TrainOptions
from drai_cli.training.batches import Batches
from drai_cli.training.draws import make_generator
from drai_cli.training.forward import forward
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_step
from tests.training.test_graphs import step_elsewhere


@pytest.fixture
def options(options: TrainOptions) -> TrainOptions:
    return replace(options, model=replace(options.model, grain=True))


@pytest.fixture
def state(options: TrainOptions, schema, device: torch.device) -> TrainingState:
    state = TrainingState(options, schema.slots(), device)
    for grain in state.networks.generator.grains:
        grain.strength.data.fill_(0.3)
    return state


def test_samples_and_swaps_have_grain_and_reconstructions_have_none(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    def passes(strength: float):
        for grain in state.networks.generator.grains:
            grain.strength.data.fill_(strength)
        return forward(state, replace(batch, generator=make_generator(7)), plan)

    with torch.no_grad():
        without, with_grain = passes(0.0), passes(0.3)
    assert torch.equal(without.reconstructed, with_grain.reconstructed)
    changed = (without.generated - with_grain.generated).abs().amax((1, 2, 3))
    assert with_grain.from_prior < len(batch)
    assert bool((changed > 1e-3).all())


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_resumed_step_is_the_same(
    dtype, state: TrainingState, batches: Batches, plan: StepPlan, options: TrainOptions, schema
) -> None:
    plan = replace(plan, autocast_dtype=dtype)
    before = state.networks.generator.grains[0].strength.clone()
    for _ in range(2):
        train_step(state, batches.at(state.images_seen, 0.3), plan, has_penalty=True)
    assert not torch.equal(before, state.networks.generator.grains[0].strength)
    other = TrainingState(options, schema.slots(), torch.device("cpu"))
    other.load_tensors({name: tensor.clone().contiguous() for name, tensor in state.tensors().items()})
    other.images_seen = state.images_seen
    for each in (state, other):
        train_step(each, batches.at(each.images_seen, 0.3), plan, has_penalty=False)
    theirs = other.tensors()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in state.tensors().items())


def test_the_step_never_waits_for_the_gpu(
    options: TrainOptions, batch: Batch, plan: StepPlan, schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "g_image" in step_elsewhere(options, schema, batch, plan, monkeypatch)
