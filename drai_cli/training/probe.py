"""The largest batch that fits a device, and how long a step takes, tried with a few steps of the real model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError
from drai_cli.machine.memory import free_memory, is_out_of_memory
from drai_cli.settings.config import TrainOptions
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.graphs import make_stepper
from drai_cli.training.setup import make_batches, make_plan
from drai_cli.training.state import TrainingState

# A step is largest with R1 and with every image augmented.
_ALWAYS = 1.0


@dataclass(frozen=True)
class Fit:
    """What the trial found.

    Attributes:
        halvings: How often the batch must be halved until a process's share of a step fits into memory.
        step_s: Seconds of such a step.
    """

    halvings: int
    step_s: float


def try_steps(
    options: TrainOptions,
    data: PreparedSet,
    device: torch.device,
    processes: int = 1,
    features: FrozenFeatures | None = None,
) -> Fit:
    """Tries steps until they fit.

    Raises:
        InputError: Not even two images fit.
    """
    halvings = 0
    while True:
        size = options.batch_size >> halvings
        if size < max(2, processes):
            raise InputError(
                "memory", f"not even {max(2, processes)} images of {options.model.image_size} px fit on {device}",
                "take a smaller --size or --base-channels, or another --device",
            )  # fmt: skip
        share = replace(options, batch_size=max(2, math.ceil(size / processes)))
        step_s = _seconds_if_fitting(share, data, device, features)
        if step_s is not None:
            return Fit(halvings, step_s)
        halvings += 1


def _seconds_if_fitting(
    options: TrainOptions, data: PreparedSet, device: torch.device, features: FrozenFeatures | None
) -> float | None:
    """Seconds of a step, None if there is no memory for it. The optimisers have moments from the second on."""
    seconds: float | None = None
    try:
        step = _trial(options, data, device, features)
        for has_penalty in (True, False) if device.type == "cpu" else (True, True, False):
            began = time.perf_counter()
            step(has_penalty)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds = time.perf_counter() - began
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        seconds = None
    step = None  # type: ignore[assignment]
    free_memory()
    return seconds


def _trial(
    options: TrainOptions, data: PreparedSet, device: torch.device, features: FrozenFeatures | None
) -> Callable[[bool], None]:
    """A function that makes steps of a run of its own, with or without R1."""
    state = TrainingState(options, data.schema.slots(), device, features)
    state.augment_probability = 0.0 if options.augment == "none" else _ALWAYS
    batches, make_step = make_batches(data, options, device), make_stepper(state, make_plan(data, options))

    def step(has_penalty: bool) -> None:
        make_step(batches.at(state.images_seen, state.augment_probability), has_penalty)
        state.update_average(0.5)

    return step
