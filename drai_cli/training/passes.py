"""What goes into a step and what its one forward pass leaves for both players' updates. Data only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.config import Objective
from drai_cli.model.gaussian import Gaussian
from drai_cli.training.augment import Changes


@dataclass(frozen=True)
class Batch:
    """What a step is fed.

    Attributes:
        images: `[B, C, H, W]` in [-1, 1], channels last.
        condition: `[B, T]`, of the images.
        wrong_condition: `[B, T]`, other rows' conditions that differ.
        drawn_condition: `[B, T]`, for the generated images.
        more_images: Further images, that the predictors alone see the codes of; none where there are no predictors.
        more_condition: Of those images.
        generator: CPU generator that the step draws all its noise from.
    """

    images: Float[Tensor, "batch channels height width"]
    condition: Float[Tensor, "batch condition"]
    wrong_condition: Float[Tensor, "batch condition"]
    drawn_condition: Float[Tensor, "batch condition"]
    more_images: Float[Tensor, "more channels height width"]
    more_condition: Float[Tensor, "more condition"]
    generator: torch.Generator


@dataclass(frozen=True)
class StepPlan:
    """What stays the same from step to step.

    Attributes:
        objective: The terms' weights.
        changes: V_self's transformation.
        condition_slices: Where each attribute stands in the condition.
        is_categorical: Whether each attribute is categorical.
        autocast_dtype: bfloat16 or None.
    """

    objective: Objective
    changes: Changes
    condition_slices: tuple[slice, ...]
    is_categorical: tuple[bool, ...]
    autocast_dtype: torch.dtype | None


@dataclass
class Passes:
    """The tensors that one forward pass leaves for both updates."""

    content: Gaussian
    style: Gaussian
    changed_content: Gaussian | None
    changed_style: Gaussian | None
    inferred_content: Tensor
    inferred_style: Tensor
    prior: Gaussian
    drawn_content: Tensor
    drawn_style: Tensor
    from_prior: int
    generated: Tensor
    reconstructed: Tensor

    def real_codes(self, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Content and style means of the images and of their transformed copies, which share their condition."""
        if self.changed_content is None or self.changed_style is None:
            return self.content.mean, self.style.mean, condition
        return (
            torch.cat([self.content.mean, self.changed_content.mean]),
            torch.cat([self.style.mean, self.changed_style.mean]),
            torch.cat([condition, condition]),
        )


def autocast(device: torch.device, plan: StepPlan) -> torch.autocast:
    """The step's arithmetic, as a context. Begun anew for each phase: its cached weights must not outlive an update."""
    dtype = plan.autocast_dtype
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
