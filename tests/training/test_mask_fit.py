"""The mask reader: it learns from real images alone, and the generated masks are pulled to what it sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.model.mask_reader import MaskReader
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.training.batches import Batches
from drai_cli.training.forward import forward
from drai_cli.training.mask_fit import fit_terms, reader_loss
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_mask_reader
from tests.training.reached import reached_by


@pytest.fixture
def options(options: TrainOptions) -> TrainOptions:
    return replace(options, model=replace(options.model, mask_channels=1))


@pytest.fixture
def plan(plan: StepPlan) -> StepPlan:
    return replace(plan, masks=1)


@pytest.fixture
def batches(images: np.ndarray, batches: Batches) -> Batches:
    batches.masks = np.where(images > 127, 255, 0).astype(np.uint8)
    return batches


@pytest.mark.parametrize("size", [16, 20, 22])
def test_the_reader_gives_a_logit_for_each_pixel_and_mask(size: int) -> None:
    config = ModelConfig(image_size=size, image_channels=3, mask_channels=2)
    assert MaskReader(config)(torch.zeros(2, 3, size, size)).shape == (2, 2, size, size)


def test_the_reader_learns_the_masks_of_real_images(
    state: TrainingState, batches: Batches, plan: StepPlan
) -> None:
    batch = batches.at(0, 0.0)
    passes = forward(state, batch, plan)
    state.optimisers["mask_reader"].param_groups[0]["lr"] = 3e-3
    learned = (train_mask_reader(state, batch, plan, passes)[0]["mask_reader"] for _ in range(30))
    losses = [float(loss.detach()) for loss in learned]
    assert losses[-1] < 0.6 * losses[0]


def test_each_term_reaches_its_own_player(state: TrainingState, batches: Batches, plan: StepPlan) -> None:
    batch = batches.at(0, 0.0)
    reader = state.adversaries.mask_reader
    assert reader is not None
    assert reached_by(state, reader_loss(reader, batch, plan)) == {"mask_reader"}
    _, fit = fit_terms(reader, batch, plan, forward(state, batch, plan))["mask_fit"]
    assert "generator" in reached_by(state, fit)
    assert not reached_by(state, fit) & {"mask_reader", "discriminator", "predictors"}


def test_masks_that_are_as_the_reader_sees_them_lose_nothing(
    state: TrainingState, batches: Batches, plan: StepPlan
) -> None:
    batch = batches.at(0, 0.0)
    reader = state.adversaries.mask_reader
    assert reader is not None
    passes = forward(state, batch, plan)
    images = passes.generated[:, :1]
    seen = torch.tanh(0.5 * reader(images))
    passes.generated = torch.cat([images, seen], 1).detach().requires_grad_(True)
    _, fit = fit_terms(reader, batch, plan, passes)["mask_fit"]
    assert float(fit.detach()) < 1e-6
    passes.generated = torch.cat([images, -seen], 1).detach().requires_grad_(True)
    _, fit = fit_terms(reader, batch, plan, passes)["mask_fit"]
    (gradient,) = torch.autograd.grad(fit, passes.generated)
    assert bool((gradient[:, 0] == 0).all())  # the image is not changed to please the reader
    assert bool((gradient[:, 1] != 0).any())
