"""A snapshot's encoder keeps the directions of style that images differ in; what is written in others goes."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from drai_cli.conditions.attribute import Slot
from drai_cli.training.batches import Batches
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.style_trim import project_means, trim_style


@pytest.fixture
def of_findings(plan: StepPlan) -> StepPlan:
    return replace(plan, slots=(Slot(slice(0, 2), "finding", True), *plan.slots[1:]))


def test_a_mark_in_a_narrow_direction_goes_and_the_rest_stays() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2000, 3, generator=generator)  # two factors of style and a mark
    features[:, 2] = (features[:, 2] > 0).float()
    head = nn.Linear(3, 8)
    with torch.no_grad():
        head.weight[:4] = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0.1], [1, -1, -0.1]])
    before, rows = copy.deepcopy(head), features
    project_means(head, before(features)[:, :4].detach())
    means, log_variances = head(rows).chunk(2, dim=1)
    old, old_log_variances = before(rows).chunk(2, dim=1)
    assert torch.equal(log_variances, old_log_variances)
    # A linear reader of all four dimensions finds the mark before, and at most a hundredth of its variance after.
    assert _share_read(old, features[:, 2]) > 0.99
    assert _share_read(means, features[:, 2]) < 0.01
    assert min(_share_read(means, features[:, one]) for one in (0, 1)) > 0.99
    torch.testing.assert_close(means.mean(0), old.mean(0))


def _share_read(codes: torch.Tensor, target: torch.Tensor) -> float:
    """R² of a linear regression."""
    codes, target = (codes - codes.mean(0)).detach().double(), (target - target.mean()).double()
    fitted = codes @ (torch.linalg.pinv(codes, rtol=1e-6) @ target)
    return float(1 - (target - fitted).square().sum() / target.square().sum())


def test_training_and_labels_of_one_name_are_left_as_they_are(
    state: TrainingState, batches: Batches, plan: StepPlan, of_findings: StepPlan
) -> None:
    assert trim_style(state.average, batches, plan) is state.average
    before, drawn = copy.deepcopy(state.average.state_dict()), torch.get_rng_state()
    with torch.no_grad():  # one dimension repeats another but for a trace
        head = state.average.encoder.style
        head.weight[1] = head.weight[0] * 1.01
    before = copy.deepcopy(state.average.state_dict())
    trimmed = trim_style(state.average, batches, of_findings).state_dict()
    assert torch.equal(torch.get_rng_state(), drawn)
    assert {name for name in before if not torch.equal(trimmed[name], before[name])} == {
        "encoder.style.weight", "encoder.style.bias",
    }  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in state.average.state_dict().items())
    again = trim_style(state.average, batches, of_findings).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in trimmed.items())
