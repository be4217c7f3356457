"""Steps on a GPU, where they are recorded, in two streams. Run with -m gpu."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.api import Drai
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import TrainOptions
from drai_cli.training.batches import Batches
from drai_cli.training.graphs import Step, make_plain_stepper, make_stepper
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState
from tests.training.frozen import make_frozen

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda")


@pytest.fixture
def terms_of(
    options: TrainOptions, schema: ConditionSchema, device: torch.device, batches: Batches, plan: StepPlan
) -> Callable[..., list[dict[str, float]]]:
    """The terms of a fresh state's first steps: with R1 and without, augmented and not, each kind three times."""

    def terms(
        steps: Callable[[TrainingState, StepPlan], Step],
        dtype: torch.dtype | None,
        features_weight: float = 0.0,
    ) -> list[dict[str, float]]:
        objective = replace(options.objective, features_weight=features_weight)
        frozen = make_frozen() if features_weight else None
        state, out = TrainingState(replace(options, objective=objective), schema.slots(), device, frozen), []
        step = steps(state, replace(plan, objective=objective, autocast_dtype=dtype))
        for index in range(12):
            batch = batches.at(state.images_seen, 0.5 * (index % 4 // 2))
            out.append({name: float(term) for name, term in step(batch, index % 2 == 0).items()})
        return out

    return terms


# A GPU adds up in any order, and the difference grows from step to step.
@pytest.mark.parametrize(("dtype", "tolerance"), [(None, 0.02), (torch.bfloat16, 0.2)])
def test_recorded_steps_are_those_launched_one_by_one(
    terms_of: Callable[..., list[dict[str, float]]], dtype: torch.dtype | None, tolerance: float
) -> None:
    plain, recorded = terms_of(make_plain_stepper, dtype), terms_of(make_stepper, dtype)
    for mine, theirs in zip(plain, recorded, strict=True):
        assert mine == pytest.approx(theirs, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(None, 0.02), (torch.bfloat16, 0.2)])
def test_recorded_steps_train_the_projected_discriminator(
    terms_of: Callable[..., list[dict[str, float]]], dtype: torch.dtype | None, tolerance: float
) -> None:
    plain, recorded = (terms_of(steps, dtype, 1.0) for steps in (make_plain_stepper, make_stepper))
    assert "g_features" in plain[0]
    for mine, theirs in zip(plain, recorded, strict=True):
        # Half the gap of mean signs jumps where one logit crosses 0.
        for found in (mine, theirs):
            found.pop("h_gap")
        assert mine == pytest.approx(theirs, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_recorded_steps_learn_a_batch_by_heart(
    state: TrainingState, smooth_batch: Batch, reconstructing_plan: StepPlan, dtype: torch.dtype | None
) -> None:
    step = make_stepper(state, replace(reconstructing_plan, autocast_dtype=dtype))
    losses = [float(step(smooth_batch, False)["image_cycle"]) for _ in range(250)]
    assert losses[-1] < 0.4 * losses[0]


def test_samples_look_as_the_cpus_do(device: torch.device) -> None:
    here, there = (
        Drai.from_pretrained("lesions-64", device=name).sample("melanoma", 8).astype(np.int16)
        for name in ("cpu", device.type)
    )
    assert int(np.abs(here - there).max()) <= 3  # convolutions there may round to fewer digits
