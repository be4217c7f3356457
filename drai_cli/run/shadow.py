"""Shadow models: trained as a model was, on other images, for a given time. Writes no files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import WeightsError
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model.networks import Networks
from drai_cli.model_file.header import ModelHeader
from drai_cli.settings.config import Objective, TrainOptions
from drai_cli.training import schedule
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.graphs import make_stepper
from drai_cli.training.passes import StepPlan
from drai_cli.training.precision import autocast_dtype
from drai_cli.training.state import TrainingState

_WARM_UP_KIMG = 0.3  # at most: the budget may be short


@dataclass(frozen=True, eq=False)
class ShadowImages:
    """What a shadow model is trained on."""

    images: Images
    labels: Int64[np.ndarray, " n"]
    conditions: Float32[np.ndarray, "n t"]
    schema: ConditionSchema
    symmetry: Symmetry


def options_of(header: ModelHeader) -> TrainOptions:
    """The options that a model was trained with, as far as its file records them; without the projected discriminator.

    Raises:
        WeightsError: The file does not record them, or not as this version does.
    """
    recorded = header.training.get("options")
    if not isinstance(recorded, Mapping):
        raise WeightsError(
            "--attack shadow", "the model file does not say how it was trained", "leave out --attack"
        )
    known = {field.name for field in fields(TrainOptions)}
    values: dict[str, Any] = {name: value for name, value in recorded.items() if name in known}
    terms = {field.name for field in fields(Objective)}
    try:
        objective = Objective(
            **{
                name: value
                for name, value in dict(values.pop("objective", {})).items()
                if name in terms and name != "features_weight"
            }
        )
        # Its images come without masks.
        model = replace(header.architecture, mask_channels=0)
        return replace(TrainOptions(**values), model=model, objective=objective)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            "--attack shadow",
            f"the model file records options of another version ({error})",
            "leave out --attack",
        ) from error


def train_shadow(
    data: ShadowImages,
    options: TrainOptions,
    seconds: float,
    seed: int,
    device: torch.device,
    advance: Callable[[float], None],
) -> tuple[Networks, int]:
    """The averaged networks of a model that was trained for so many seconds, and how many images it saw.

    Args:
        data: All of its images are trained on.
        options: How.
        seconds: How long.
        seed: Random seed.
        device: Where.
        advance: Told after each step how many seconds it took.
    """
    batch_size = min(options.batch_size, len(data.images))
    precision = "fp32" if options.precision == "auto" else options.precision
    options = replace(
        options,
        seed=seed,
        batch_size=batch_size,
        precision=precision,
        symmetry=data.symmetry,
        warm_up_kimg=min(options.warm_up_kimg, _WARM_UP_KIMG),
    )
    slots, rows = data.schema.slots(), np.arange(len(data.images))
    state = TrainingState(options, data.schema.slots(), device)
    batches = Batches(data.images, data.conditions, data.labels, rows, slots, options, data.symmetry, device)
    step = make_stepper(
        state, StepPlan(options.objective, Changes(data.symmetry), slots, autocast_dtype(precision))
    )
    started = before = time.monotonic()
    while (used := time.monotonic() - started) < seconds or not state.images_seen:
        seen = state.images_seen
        state.set_rates(schedule.learning_rate_factors(options, seen, min(1.0, used / seconds), False))
        is_penalty = seen // batch_size % options.objective.r1_interval == 0
        step(batches.at(seen, state.augment_probability), is_penalty)
        state.update_average(schedule.average_keep(options, seen))
        now = time.monotonic()
        advance(now - before)
        before = now
    return state.average, state.images_seen
