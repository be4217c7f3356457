"""Arithmetic and batch size of a run, chosen for its device before the first step, the same for all processes."""

from __future__ import annotations

from dataclasses import replace

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.progress import Reporter
from drai_cli.settings.config import Arithmetic, Chosen, TrainOptions
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.parallel import Processes
from drai_cli.training.precision import has_bf16
from drai_cli.training.probe import try_steps


def choose(
    options: TrainOptions,
    data: PreparedSet,
    device: torch.device,
    processes: Processes,
    reporter: Reporter,
    features: FrozenFeatures | None = None,
) -> tuple[Chosen, float]:
    """Chooses arithmetic and the largest batch that fits, up to the one asked for; the same for all processes.

    The arithmetic depends on the processor alone, never on a trial: the same command trains the same model on a busy
    machine as on a quiet one.

    Returns:
        The choice, and how many seconds a step took in a trial.

    Raises:
        InputError: Not even two images fit.
    """
    precision = choose_precision(options, device, reporter)
    with reporter.stage("trying a step", None, ""):
        fit = try_steps(replace(options, precision=precision), data, device, processes.size, features)
    most_halvings, any_fp32, step_s = processes.largest(
        [float(fit.halvings), float(precision == "fp32"), fit.step_s]
    )
    batch_size = options.batch_size >> int(most_halvings)
    if batch_size < options.batch_size:
        reporter.warn(
            f"out of memory at --batch-size {options.batch_size}; continuing with {batch_size}, saved in config.json: "
            "smaller batches train differently"
        )
    return Chosen(batch_size, "fp32" if any_fp32 else "bf16"), step_s


def choose_precision(options: TrainOptions, device: torch.device, reporter: Reporter) -> Arithmetic:
    """The arithmetic that was asked for; with `auto` bf16 where the processor has it."""
    if options.precision != "auto":
        return options.precision
    if not has_bf16(device):
        reporter.info(f"precision: fp32; this {device.type} has no bf16 in hardware")
        return "fp32"
    reporter.info(
        f"precision: bf16, which this {device.type} computes in hardware; "
        "--precision fp32 trains the same on processors without it"
    )
    return "bf16"


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
