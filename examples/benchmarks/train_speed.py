"""Measures the share of the networks' own arithmetic in a training step: the whole step against its bare passes.

    python examples/benchmarks/train_speed.py --preset 64px

The bare passes are what the algorithm needs per step, forward and backward, at the same batch size and precision:
discriminator (its trunk and four heads) on real and generated images; discriminator on generated images for the
generator; generator on drawn and on inferred codes; encoder on images, on their transformed copies and on generated
images, and, without a gradient, on further images for the predictors; the content prior; R1 at its interval. The whole
step adds batches, transformations, losses, predictors, optimisers and the average. Rounds of both alternate in one
run, so that other load on the machine affects both. Prints the ratio of their median rates (1 = only arithmetic).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drai_cli.cli.train import resolve_settings
from drai_cli.conditions.attribute import Slot
from drai_cli.inference.torch_model import choose_device
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.presets import PRESETS
from drai_cli.training import schedule
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.graphs import Step, make_stepper
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.precision import autocast, autocast_dtype, has_bf16, weights_in
from drai_cli.training.state import TrainingState

LABELS = 7
SLOTS = (Slot(slice(0, LABELS + 1), "category", False),)


def bare_step(state: TrainingState, batch: Batch, dtype: torch.dtype | None, has_penalty: bool) -> None:
    """The networks' passes alone; every loss is a plain sum."""
    networks, discriminator = state.networks, state.adversaries.discriminator
    encoder, images, n = networks.encoder, batch.images, len(batch)
    assert encoder is not None

    def heads(features: Tensor, conditions: Tensor, contents: Tensor, styles: Tensor) -> Tensor:
        codes = discriminator.content_style(features, contents, styles)
        twice = torch.cat([features, features[: len(conditions) - len(features)]])
        return (
            discriminator.image(features).sum()
            + discriminator.condition(twice, conditions).sum()
            + codes.sum()
        )

    twice = torch.cat([images, images]).contiguous(memory_format=torch.channels_last)
    with autocast(images.device, dtype), weights_in(dtype, encoder.trunk, networks.generator):
        content, style = encoder(twice)
        drawn = networks.content_prior(batch.drawn_condition).mean
        contents, styles = torch.cat([content.mean[:n], drawn]), style.mean
        made = networks.generator(contents, styles)
        with torch.no_grad():
            encoder(batch.more_images)
        again = encoder(made[n:])
    codes = contents.detach(), styles.detach()
    discriminator.requires_grad_(True)
    with autocast(images.device, dtype), weights_in(dtype, discriminator.trunk):
        features = discriminator.trunk(torch.cat([images, made[n:].detach()]))
    judged = heads(
        features, torch.cat([batch.condition, batch.drawn_condition, batch.wrong_condition]), *codes
    )
    if has_penalty:
        shown = images.detach().requires_grad_(True)
        with autocast(images.device, dtype), weights_in(dtype, discriminator.trunk):
            of_real = discriminator.trunk(shown)
        logits = heads(of_real, batch.condition, *(one[:n] for one in codes))
        (gradient,) = torch.autograd.grad(logits, shown, create_graph=True)
        judged = judged + gradient.square().sum()
    judged.backward()
    discriminator.requires_grad_(False)
    with autocast(images.device, dtype), weights_in(dtype, discriminator.trunk):
        fake = discriminator.trunk(made[n:])
    both = torch.cat([features[:n].detach(), fake])
    told = heads(both, torch.cat([batch.condition, batch.drawn_condition]), contents, styles)
    read = sum(part.sum() for gaussian in (content, style, *again) for part in gaussian)
    (told + made.sum() + read).backward()
    for module in (networks, discriminator):
        module.zero_grad()


@dataclass(frozen=True)
class Training:
    """What a step works on."""

    options: TrainOptions
    state: TrainingState
    batches: Batches


def options_of(preset: str) -> TrainOptions:
    """What `drai train --preset` trains with, before anything is known of the data."""
    return resolve_settings(preset, {"data": Path()})[1]


def model_of(preset: str) -> ModelConfig:
    """A preset's networks, for colour images."""
    return options_of(preset).model


def make_training(
    preset: str,
    device: torch.device,
    images: np.ndarray | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    steps: Callable[[TrainingState, StepPlan], Step] = make_stepper,
) -> tuple[Callable[[int], dict[str, Tensor]], Training]:
    """A preset's whole step, as a function of its number, on stored images or noise, with seven labels."""
    options = replace(options_of(preset), augment="none")
    if batch_size is not None:
        options = replace(options, batch_size=batch_size)
    model, objective = options.model, options.objective
    state = TrainingState(options, SLOTS, device)
    if images is None:
        shape = (1024, model.image_size, model.image_size, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = np.arange(len(images))
    labels = rows % LABELS
    conditions = np.eye(LABELS + 1, dtype=np.float32)[labels]
    batches = Batches(images, conditions, labels, rows, SLOTS, options, "dihedral", device)
    dtype = dtype_for(device) if precision is None else autocast_dtype(precision)
    plan = StepPlan(objective, Changes("dihedral"), SLOTS, dtype)
    make_step = steps(state, plan)

    def step(index: int) -> dict[str, Tensor]:
        state.set_rates(schedule.learning_rate_factors(options, state.images_seen, 0.0))
        batch = batches.at(state.images_seen, state.augment_probability)
        terms = make_step(batch, index % objective.r1_interval == 0)
        state.update_average(schedule.average_keep(options, state.images_seen))
        return terms

    return step, Training(options, state, batches)


def dtype_for(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the device has it."""
    return autocast_dtype("bf16" if has_bf16(device) else "fp32")


def as_fast_as_can_be(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The same work, on a GPU recorded and replayed as the training's steps are."""
    if device.type != "cuda":
        return work
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def rate(step: Callable[[int], object], steps: int, batch_size: int, device: torch.device) -> float:
    """Images a second over one round."""
    begin = time.perf_counter()
    for index in range(steps):
        step(index)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return steps * batch_size / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="64px", choices=tuple(PRESETS))
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device")
    given = parser.parse_args()
    device = choose_device(given.device)
    whole, training = make_training(given.preset, device, batch_size=given.batch_size)
    first, dtype = training.batches.at(0, 0.0), dtype_for(device)
    size, interval = training.options.batch_size, training.options.objective.r1_interval

    bare = {
        has_penalty: as_fast_as_can_be(
            lambda has_penalty=has_penalty: bare_step(  # type: ignore[misc]
                training.state, first, dtype, has_penalty
            ),
            device,
        )
        for has_penalty in (True, False)
    }

    def bare_of(index: int) -> None:
        bare[index % interval == 0]()

    for step in (whole, bare_of):
        rate(step, 3, size, device)
    rounds = [[rate(step, interval, size, device) for step in (whole, bare_of)] for _ in range(given.rounds)]
    whole_rate, bare_rate = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{given.preset}, batch {size}, {dtype or torch.float32}, {device}")
    print(f"whole step   {whole_rate:8.1f} images/s")
    print(f"bare passes  {bare_rate:8.1f} images/s")
    print(f"ratio        {whole_rate / bare_rate:8.2f}")


if __name__ == "__main__":
    main()
