"""The largest batch that fits a device and its fastest arithmetic, tried with a few steps of the real model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError
from drai_cli.machine.memory import free_memory, is_out_of_memory
from drai_cli.settings.config import Arithmetic, TrainOptions
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.graphs import make_stepper
from drai_cli.training.setup import make_batches, make_plan
from drai_cli.training.state import TrainingState

_BUDGET_S = 2.0
_ROUNDS = 3
# On a CPU few rows give about the ratio (1.3 with 2 rows, 1.7 with 32 at 64 px) in a fraction of the time.
_CPU_PIXELS = 4 * 64**2
# A step is largest with R1 and with every image augmented.
_ALWAYS = 1.0


def halvings_to_fit(
    options: TrainOptions,
    data: PreparedSet,
    device: torch.device,
    processes: int = 1,
    features: FrozenFeatures | None = None,
) -> int:
    """How often the batch must be halved until a process's share of a step fits into memory.

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
        if _fits(replace(options, batch_size=max(2, math.ceil(size / processes))), data, device, features):
            return halvings
        halvings += 1


def bf16_speedup(
    options: TrainOptions, data: PreparedSet, device: torch.device, features: FrozenFeatures | None = None
) -> float:
    """Speed of bfloat16 steps divided by that of float32 steps; infinite if float32 does not fit. Takes about 2 s.

    The best of several alternating steps counts, so that other work on the machine has little influence.
    """
    rows = options.batch_size
    if device.type == "cpu":
        rows = max(2, min(rows, _CPU_PIXELS // options.model.image_size**2))
    try:
        return _speedup(replace(options, batch_size=rows), data, device, features)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return math.inf
    finally:
        free_memory()


def _speedup(
    options: TrainOptions, data: PreparedSet, device: torch.device, features: FrozenFeatures | None
) -> float:
    began = time.perf_counter()
    kinds: tuple[Arithmetic, Arithmetic] = ("bf16", "fp32")
    trials = {kind: _trial(replace(options, precision=kind), data, device, features) for kind in kinds}
    for kind in kinds:  # the first steps initialise what later ones use
        for _ in range(2 if device.type == "cuda" else 1):
            trials[kind](False)
    best = dict.fromkeys(kinds, math.inf)
    for _ in range(_ROUNDS):
        for kind in kinds:
            best[kind] = min(best[kind], _seconds(trials[kind], device))
        if time.perf_counter() - began > _BUDGET_S:
            break
    return best["fp32"] / best["bf16"]


def _fits(
    options: TrainOptions, data: PreparedSet, device: torch.device, features: FrozenFeatures | None
) -> bool:
    """Whether there is memory for a step. The second needs more, since the optimisers then have moments."""
    try:
        step = _trial(options, data, device, features)
        for _ in range(1 if device.type == "cpu" else 2):
            step(True)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        is_fitting = False
    else:
        is_fitting = True
    step = None  # type: ignore[assignment]
    free_memory()
    return is_fitting


def _trial(
    options: TrainOptions, data: PreparedSet, device: torch.device, features: FrozenFeatures | None
) -> Callable[[bool], None]:
    """A function that makes steps of a run of its own, with or without R1."""
    state = TrainingState(options, data.schema.dim, device, features, data.schema.finding_places())
    state.augment_probability = 0.0 if options.augment == "none" else _ALWAYS
    batches, make_step = make_batches(data, options, device), make_stepper(state, make_plan(data, options))

    def step(has_penalty: bool) -> None:
        make_step(batches.at(state.images_seen, state.augment_probability), has_penalty)
        state.update_average(0.5)

    return step


def _seconds(step: Callable[[bool], None], device: torch.device) -> float:
    began = time.perf_counter()
    step(False)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
