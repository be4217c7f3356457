"""Masks in a step: they move with their image and keep their tone; only generator and discriminator see them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import TrainOptions
from drai_cli.training import losses
from drai_cli.training.augment import Changes, augment, change
from drai_cli.training.batches import Batches
from drai_cli.training.forward import forward
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_step, update_discriminator
from drai_cli.training.terms import code_terms


@pytest.fixture
def options(options: TrainOptions) -> TrainOptions:
    return replace(options, model=replace(options.model, mask_channels=2))


@pytest.fixture
def plan(plan: StepPlan) -> StepPlan:
    return replace(plan, masks=2)


@pytest.fixture
def batches(images: np.ndarray, batches: Batches) -> Batches:
    """Each mask shows where its image is bright, the second the other way round."""
    bright = np.where(images > 127, 255, 0).astype(np.uint8)
    batches.masks = np.concatenate([bright, 255 - bright], 3)
    return batches


def gaps(images: torch.Tensor) -> float:
    """How far the second mask is from the opposite of the first."""
    return float((images[:, -1] + images[:, -2]).abs().max())


def test_a_batch_has_the_masks_of_its_images_turned_with_them(batches: Batches) -> None:
    batches.symmetry = "dihedral"
    images = batches.at(24, 0.0).images
    assert images.shape[1] == 3
    assert torch.equal(images[:, 1] > 0, images[:, 0] > 0)
    assert gaps(images) == 0
    assert batches.at(24, 0.0).more_images.shape[1] == 1


def test_masks_do_not_change_which_images_are_drawn(batches: Batches) -> None:
    with_masks = batches.at(24, 0.0)
    batches.masks = None
    without = batches.at(24, 0.0)
    assert torch.equal(with_masks.images[:, :1], without.images)
    assert torch.equal(with_masks.more_images, without.more_images)
    assert torch.equal(with_masks.generator.get_state(), without.generator.get_state())


def test_geometry_changes_all_channels_and_tone_the_intensities_alone() -> None:
    images = torch.rand(6, 1, 16, 16) * 2 - 1
    both = torch.cat([images, images], 1)
    geometry = Changes("dihedral", brightness=0.0, contrast=0.0)
    moved = change(both, geometry, torch.Generator().manual_seed(0), masks=1)
    assert torch.allclose(moved[:, 0], moved[:, 1], atol=1e-5)
    assert not torch.equal(moved, both)
    tone = Changes(turn_degrees=0.0, shift=0.0, zoom=0.0)
    toned = change(both, tone, torch.Generator().manual_seed(0), masks=1)
    assert torch.allclose(toned[:, 1], images[:, 0], atol=1e-5)
    assert not torch.allclose(toned[:, 0], images[:, 0], atol=1e-2)
    alone = change(images, tone, torch.Generator().manual_seed(0))
    assert torch.equal(toned[:, :1], alone)  # the mean of contrast is that of the image, not of its mask


def test_augmentation_of_the_discriminator_keeps_masks_on_their_image() -> None:
    mask = (torch.rand(8, 1, 16, 16) > 0.5).float() * 2 - 1
    both = torch.cat([mask, mask, -mask], 1)
    shown = augment(both, torch.tensor(1.0), torch.Generator().manual_seed(1), masks=2)
    assert gaps(shown) < 1e-6
    assert not torch.equal(shown[:, 1:2], mask)


def test_the_encoder_sees_no_mask(state: TrainingState, batches: Batches, plan: StepPlan) -> None:
    batch = batches.at(0, 0.0)
    other = replace(batches.at(0, 0.0), images=torch.cat([batch.images[:, :1], -batch.images[:, 1:]], 1))
    one, two = forward(state, batch, plan), forward(state, other, plan)
    assert torch.equal(one.real.style.mean, two.real.style.mean)
    assert torch.equal(one.generated, two.generated)
    assert one.generated.shape[1] == one.reconstructed.shape[1] == 3


def test_the_discriminator_judges_image_and_masks_together(
    state: TrainingState, batches: Batches, plan: StepPlan
) -> None:
    trunk = state.adversaries.discriminator.trunk
    images = batches.at(0, 0.0).images
    assert not torch.allclose(trunk(images), trunk(torch.cat([images[:, :1], -images[:, 1:]], 1)))
    batch = batches.at(0, 0.0)
    update_discriminator(state, batch, plan, forward(state, batch, plan), has_penalty=True)
    assert trunk.stem.weight.shape[1] == 12
    assert state.networks.encoder.trunk.stem.weight.shape[1] == 4


def test_the_cycle_of_masks_is_a_term_of_its_own(
    state: TrainingState, batches: Batches, plan: StepPlan
) -> None:
    batch = batches.at(0, 0.0)
    passes = forward(state, batch, plan)
    terms = code_terms(state, batch, plan, passes, None)
    weight, cycle = terms["mask_cycle"]
    assert weight == 0.25 * plan.objective.image_cycle_weight
    assert torch.equal(cycle, losses.image_cycle_loss(batch.images[:, 1:], passes.reconstructed[:, 1:]))
    assert torch.equal(
        terms["image_cycle"][1], losses.image_cycle_loss(batch.images[:, :1], passes.reconstructed[:, :1])
    )
    without = replace(plan, masks=0)
    assert "mask_cycle" not in code_terms(state, batch, without, passes, None)


def test_a_step_with_masks_trains_them(state: TrainingState, batches: Batches, plan: StepPlan) -> None:
    before = state.networks.generator.to_image.weight.detach().clone()
    terms = train_step(state, batches.at(0, 0.5), plan, has_penalty=True)
    assert all(bool(torch.isfinite(term)) for term in terms.values())
    moved = (state.networks.generator.to_image.weight.detach() - before).abs().amax((1, 2, 3))
    assert bool((moved > 0).all())


def test_images_come_without_masks_unless_asked_for(state: TrainingState, schema: ConditionSchema) -> None:
    generator = state.networks.generator
    codes = torch.zeros(2, 4), torch.zeros(2, 6)
    assert generator(*codes).shape[1] == 1
    assert torch.equal(generator(*codes), generator(*codes, with_masks=True)[:, :1])
