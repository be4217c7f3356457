"""The snapshot's content prior lies where the encoder puts the images of each condition."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.methods import METHODS, objective_of
from drai_cli.training.batches import Batches
from drai_cli.training.losses import kl_divergence
from drai_cli.training.passes import StepPlan
from drai_cli.training.prior_fit import fit_prior
from drai_cli.training.state import TrainingState
from tests.training.conftest import ROWS

LEVELS = {"a": 20, "b": 120, "c": 220}


@pytest.fixture
def images() -> np.ndarray:
    """Labels told by their brightness."""
    noise = np.random.default_rng(0).integers(0, 30, (len(ROWS), 16, 16, 1))
    return (noise + np.array([LEVELS[row["label"]] for row in ROWS])[:, None, None, None]).astype(np.uint8)


def inferred(state: TrainingState, batches: Batches) -> tuple[Gaussian, torch.Tensor]:
    (pair,) = batches.labelled(200, 200, torch.Generator().manual_seed(1))
    with torch.no_grad():
        content, _ = state.average.encoder(pair[0])
    return content, pair[1]


def test_it_lies_where_the_contents_of_images_lie(
    state: TrainingState, batches: Batches, plan: StepPlan
) -> None:
    content, condition = inferred(state, batches)
    fitted = fit_prior(state.average, batches, plan).content_prior
    with torch.no_grad():
        before = kl_divergence(content, state.average.content_prior(condition))
        after = kl_divergence(content, fitted(condition))
        # The best that a prior of the label alone could do.
        label = condition[:, :3].argmax(1)
        mean = torch.stack([content.mean[label == k].mean(0) for k in range(3)])[label]
        spread = torch.stack([content.mean[label == k].var(0) for k in range(3)])[label]
        best = kl_divergence(content, Gaussian(mean, (content.log_variance.exp() + spread).log()))
    assert float(after) < 0.3 * float(before)
    assert float(after) < 1.5 * float(best) + 0.1


def test_labels_alone_are_answered_and_not_like_one_another(
    state: TrainingState, batches: Batches, plan: StepPlan, schema: ConditionSchema
) -> None:
    content, condition = inferred(state, batches)
    label = condition[:, :3].argmax(1)
    asked = torch.from_numpy(schema.encode([{"label": name} for name in "abc"]))
    prior = fit_prior(state.average, batches, plan).content_prior(asked)
    found = torch.stack([content.mean[label == k].mean(0) for k in range(3)])
    distances = torch.cdist(prior.mean, found)
    assert distances.argmin(1).tolist() == [0, 1, 2]


def test_the_game_is_left_as_it_is_and_the_fit_follows_from_the_run(
    state: TrainingState, batches: Batches, plan: StepPlan
) -> None:
    before, drawn = copy.deepcopy(state.average.state_dict()), torch.get_rng_state()
    first = fit_prior(state.average, batches, plan)
    second = fit_prior(state.average, batches, plan)
    assert torch.equal(torch.get_rng_state(), drawn)
    for name, value in state.average.state_dict().items():
        assert torch.equal(value, before[name])
        is_prior = name.startswith("content_prior")
        assert torch.equal(first.state_dict()[name], value) != is_prior
        assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert not any(parameter.requires_grad for parameter in first.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_it_is_fitted_where_content_is_inferred_of_real_images(
    method: str, options: TrainOptions, schema: ConditionSchema, batches: Batches, plan: StepPlan
) -> None:
    objective = objective_of(method, options.objective)
    state = TrainingState(
        replace(options, method=method, objective=objective), schema.slots(), torch.device("cpu")
    )
    found = fit_prior(state.average, batches, replace(plan, objective=objective))
    is_fitted = found is not state.average
    assert is_fitted == (method in {"drai", "dai", "dai-grl", "dai-self", "dual-cavae"})
