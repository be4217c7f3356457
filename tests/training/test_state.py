"""A state saved and put back is the same state, in the same memory format."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from drai_cli.settings.config import TrainOptions
from drai_cli.settings.methods import METHODS, objective_of
from drai_cli.training.batches import Batches
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import Moments, RecentCodes, TrainingState
from drai_cli.training.step import train_step


@pytest.mark.parametrize("method", METHODS)
def test_tensors_round_trip_and_the_next_step_is_the_same(
    method: str, batches: Batches, plan: StepPlan, options: TrainOptions, schema
) -> None:
    options = replace(options, method=method)
    plan = replace(plan, objective=objective_of(method, plan.objective))
    state = TrainingState(options, schema.slots(), torch.device("cpu"))
    for _ in range(3):
        train_step(state, batches.at(state.images_seen, state.augment_probability), plan, has_penalty=True)
    other = TrainingState(options, schema.slots(), torch.device("cpu"))
    # As in a file: contiguous, whatever the memory format was.
    other.load_tensors({name: tensor.clone().contiguous() for name, tensor in state.tensors().items()})
    other.images_seen = state.images_seen
    for each in (state, other):
        train_step(each, batches.at(each.images_seen, each.augment_probability), plan, has_penalty=True)
    mine, theirs = state.tensors(), other.tensors()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_moments_standardise() -> None:
    moments, generator = Moments(2), torch.Generator().manual_seed(0)
    codes = torch.randn(4000, 2, generator=generator) * torch.tensor([3.0, 0.5]) + 1
    for _ in range(600):
        moments.update(codes)
    out = moments.standardise(codes)
    assert torch.allclose(out.mean(0), torch.zeros(2), atol=0.05)
    assert torch.allclose(out.std(0), torch.ones(2), atol=0.05)


def test_recent_codes_keep_the_newest() -> None:
    recent = RecentCodes(6, 1, 1, 1)
    for value in range(4):
        part = torch.full((2, 1), float(value))
        recent.add(part, part, part)
    content, style, condition = recent.draw(200, torch.Generator().manual_seed(0))
    assert set(content.flatten().tolist()) == {1.0, 2.0, 3.0}
    assert torch.equal(content, style)
    assert torch.equal(content, condition)
