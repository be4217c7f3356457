"""A tiny model, state and batch, in float32, on the CPU unless a test file has another `device`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState

ROWS = [{"label": label, "age": age} for label in "abc" for age in ("", "30.5", "41", "52", "63.5")] * 3
TINY = ModelConfig(
    image_size=16, image_channels=1, content_dim=4, style_dim=6, channels=8, max_channels=8, blocks=1
)


@pytest.fixture
def device() -> torch.device:
    return torch.device("cpu")


@pytest.fixture
def schema() -> ConditionSchema:
    return ConditionSchema.from_rows(ROWS, "label", ["age"])


@pytest.fixture
def options() -> TrainOptions:
    return TrainOptions(
        model=TINY,
        batch_size=12,
        objective=Objective(swap_share=0.25, r1_interval=2, independence_weight=1.0),
        seed=3,
    )


@pytest.fixture
def state(options: TrainOptions, schema: ConditionSchema, device: torch.device) -> TrainingState:
    return TrainingState(options, schema.slots(), device)


@pytest.fixture
def plan(options: TrainOptions, schema: ConditionSchema) -> StepPlan:
    return StepPlan(options.objective, Changes("flip"), schema.slots(), None)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(ROWS), 16, 16, 1), np.uint8)


@pytest.fixture
def batches(
    images: np.ndarray, options: TrainOptions, schema: ConditionSchema, device: torch.device
) -> Batches:
    rows = np.arange(len(ROWS))
    return Batches(
        images,
        schema.encode(ROWS),
        schema.label_indices(ROWS),
        rows,
        schema.slots(),
        options,
        "flip",
        device,
    )


@pytest.fixture
def batch(batches: Batches) -> Batch:
    return batches.at(0, 0.0)


@pytest.fixture
def smooth_batch(batch: Batch) -> Batch:
    """Of images that can be learned by heart."""
    corners = torch.rand(len(batch), 1, 2, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    smooth = functional.interpolate(corners, size=16, mode="bilinear", align_corners=True)
    images = smooth.to(batch.images.device).contiguous(memory_format=torch.channels_last)
    return replace(batch, images=images)


@pytest.fixture
def reconstructing_plan(plan: StepPlan) -> StepPlan:
    """Without adversarial losses and what works against a reconstruction."""
    objective = Objective(condition_weight=0, dual_weight=0, code_cycle_weight=0, grl_weight=0, self_weight=0,
                          independence_weight=0, style_kl_weight=0)  # fmt: skip
    return replace(plan, objective=objective)
