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
        generator: CPU generator that the step draws all its noise from.
    """

    images: Float[Tensor, "batch channels height width"]
    condition: Float[Tensor, "batch condition"]
    wrong_condition: Float[Tensor, "batch condition"]
    drawn_condition: Float[Tensor, "batch condition"]
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
