"""Measures what CUDA graphs save in a training step on a GPU: steps launched kernel by kernel against replayed steps.

    python examples/benchmarks/gpu_step.py --preset 64px --batch-size 16 --batch-size 64

For each batch size, in one run: the median time of a step in both modes, images per second, memory, and the ratio.
Before that, in float32, the loss terms of some steps from the same start in both modes: their largest relative
difference, and that of two plain runs (on a GPU the order of summation varies, and the difference grows with each
step).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from train_speed import make_training

from drai_cli.inference.torch_model import choose_device
from drai_cli.training.graphs import Step, make_plain_stepper, make_stepper
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import TrainingState

_COMPARED_STEPS = 4
_STEPS = 32  # of two R1 intervals


def terms_of(
    preset: str, device: torch.device, steps: Callable[[TrainingState, StepPlan], Step]
) -> list[dict[str, float]]:
    """The terms of the first steps, in float32."""
    step, _ = make_training(preset, device, precision="fp32", steps=steps)
    return [{name: float(value) for name, value in step(index).items()} for index in range(_COMPARED_STEPS)]


def largest_difference(mine: list[dict[str, float]], theirs: list[dict[str, float]]) -> float:
    """Over all steps and terms, relative to their size or 0.1."""
    pairs = [(a[name], b[name]) for a, b in zip(mine, theirs, strict=True) for name in a]
    return max(abs(a - b) / max(0.1, abs(a)) for a, b in pairs)


def measured(
    preset: str, device: torch.device, batch_size: int, steps: Callable[[TrainingState, StepPlan], Step]
) -> tuple[float, float]:
    """Seconds a step, the median of three rounds, and GiB at most."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    step, _ = make_training(preset, device, batch_size=batch_size, steps=steps)
    for index in range(_STEPS):  # makes ready and records both kinds
        step(index)
    rounds = []
    for _ in range(3):
        torch.cuda.synchronize(device)
        began = time.perf_counter()
        for index in range(_STEPS):
            step(index)
        torch.cuda.synchronize(device)
        rounds.append((time.perf_counter() - began) / _STEPS)
    return statistics.median(rounds), torch.cuda.max_memory_allocated(device) / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="64px")
    parser.add_argument("--batch-size", type=int, action="append")
    parser.add_argument("--compare", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    device = choose_device("cuda")
    print(torch.cuda.get_device_name(device), "torch", torch.__version__, given.preset)
    if given.compare:
        first, again = (terms_of(given.preset, device, make_plain_stepper) for _ in range(2))
        replayed = terms_of(given.preset, device, make_stepper)
        differences = (largest_difference(first, other) for other in (replayed, again))
        print(
            "terms of {} steps differ by {:.1e} replayed, {:.1e} plain".format(_COMPARED_STEPS, *differences)
        )
    for batch_size in given.batch_size or [16]:
        (slow, slow_gib), (fast, fast_gib) = (
            measured(given.preset, device, batch_size, steps) for steps in (make_plain_stepper, make_stepper)
        )
        print(
            f"batch {batch_size:4}: plain {1000 * slow:6.2f} ms, {slow_gib:.2f} GiB; replayed {1000 * fast:6.2f} ms, "
            f"{batch_size / fast:7.0f} images/s, {fast_gib:.2f} GiB; {slow / fast:.2f} ×",
            flush=True,
        )


if __name__ == "__main__":
    main()
