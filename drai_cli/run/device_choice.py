"""Arithmetic and batch size of a run, chosen for its device before the first step, the same for all processes."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.progress import Reporter
from drai_cli.settings.config import Arithmetic, Chosen, TrainOptions
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.parallel import Processes
from drai_cli.training.precision import has_bf16
from drai_cli.training.probe import bf16_speedup, halvings_to_fit

# A smaller gain is not worth bfloat16's rounding, and two runs of one command should choose the same.
_WORTH_IT = 1.1


def choose(
    options: TrainOptions,
    data: PreparedSet,
    device: torch.device,
    processes: Processes,
    reporter: Reporter,
    features: FrozenFeatures | None = None,
) -> Chosen:
    """Chooses the faster arithmetic and the largest batch that fits, up to the one asked for; same for all processes.

    Raises:
        InputError: Not even two images fit.
    """
    precision, halvings = _choose_alone(options, data, device, processes.size, reporter, features)
    most_halvings, any_fp32 = processes.largest([float(halvings), float(precision == "fp32")])
    batch_size = options.batch_size >> int(most_halvings)
    if batch_size < options.batch_size:
        reporter.warn(
            f"out of memory at --batch-size {options.batch_size}; continuing with {batch_size}, saved in config.json: "
            "smaller batches train differently"
        )
    return Chosen(batch_size, "fp32" if any_fp32 else "bf16")


def _choose_alone(
    options: TrainOptions,
    data: PreparedSet,
    device: torch.device,
    processes: int,
    reporter: Reporter,
    features: FrozenFeatures | None,
) -> tuple[Arithmetic, int]:
    """Chooses the arithmetic of one process, and how often the batch must be halved to fit."""

    def halvings(precision: Arithmetic) -> int:
        return halvings_to_fit(replace(options, precision=precision), data, device, processes, features)

    if options.precision != "auto":
        return options.precision, halvings(options.precision)
    if not has_bf16(device):
        reporter.info(f"precision: fp32; this {device.type} has no bf16 in hardware")
        return "fp32", halvings("fp32")
    fewer = halvings("bf16")
    rows = max(2, math.ceil((options.batch_size >> fewer) / processes))
    speedup = bf16_speedup(replace(options, batch_size=rows), data, device, features)
    if speedup > _WORTH_IT:
        gain = f"{speedup:.1f} × as fast as fp32 here" if math.isfinite(speedup) else "fp32 does not fit"
        reporter.info(f"precision: bf16, {gain}")
        return "bf16", fewer
    reporter.info(f"precision: fp32, bf16 is {speedup:.1f} × as fast here")
    return "fp32", halvings("fp32")


def guess_choice(options: TrainOptions, device: torch.device) -> Chosen:
    """The choice of a run that is older than this choice, as it trained so far."""
    has_it = options.precision == "bf16" or (options.precision == "auto" and has_bf16(device))
    return Chosen(options.batch_size, "bf16" if has_it else "fp32")


def report_choice(chosen: Chosen, options: TrainOptions, device: torch.device, reporter: Reporter) -> None:
    """Reports what a resumed run keeps of the device on which it began."""
    if chosen.batch_size != options.batch_size:
        reporter.info(f"batch size: {chosen.batch_size}, as at the start of the run")
    if options.precision == "auto":
        reporter.info(f"precision: {chosen.precision}, as at the start of the run")
    if chosen.precision == "bf16" and not has_bf16(device):
        reporter.warn(f"bf16 is emulated on this {device.type}, which is slow")
