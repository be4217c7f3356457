"""Measures what the projected discriminator costs: steps with it and without, in alternating rounds.

    python examples/benchmarks/projected_cost.py --preset 64px --feature-network own

`own` has random weights here: the cost does not depend on them. Prints milliseconds per image of both (processor time
on a CPU), and the ratio. Steps with it differ in the size at which the network sees images: the means are over
all of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from train_speed import LABELS, SLOTS, dtype_for, options_of

from drai_cli.inference.torch_model import choose_device
from drai_cli.metrics.convnet import ConvNetConfig, build
from drai_cli.model.pretrained.known import build_pretrained
from drai_cli.model_file.pretrained import read_tensors
from drai_cli.run.feature_network import OWN, pretrained_sides
from drai_cli.run.own_features import WIDTHS, own_sides
from drai_cli.settings.presets import PRESETS
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.graphs import make_stepper
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import TrainingState


def make_frozen(choice: str, size: int) -> FrozenFeatures:
    """The network for colour images of this size."""
    if choice == OWN:
        return FrozenFeatures(build(ConvNetConfig(size, 3, LABELS, WIDTHS, 1, "mean"), 0), own_sides(size), 0)
    network = build_pretrained(read_tensors(Path(choice), "--feature-network"))
    return FrozenFeatures(network, pretrained_sides(size), 0)


def make_step(preset: str, features: FrozenFeatures | None, device: torch.device) -> Callable[[], object]:
    """A preset's step on noise; with it if there is a network."""
    options = replace(options_of(preset), augment="none")
    weight = 0.0 if features is None else 1.0
    options = replace(options, objective=replace(options.objective, features_weight=weight))
    size = options.model.image_size
    images = np.random.default_rng(0).integers(0, 256, (256, size, size, 3), np.uint8)
    rows = np.arange(len(images))
    labels = rows % LABELS
    conditions = np.eye(LABELS + 1, dtype=np.float32)[labels]
    batches = Batches(images, conditions, labels, rows, SLOTS, options, "dihedral", device)
    state = TrainingState(options, SLOTS, device, features)
    plan = StepPlan(options.objective, Changes("dihedral"), SLOTS, dtype_for(device))
    make = make_stepper(state, plan)
    return lambda: make(batches.at(state.images_seen, 0.0), False)


def seconds(step: Callable[[], object], device: torch.device) -> float:
    """Of a step; on a CPU the processor time, which other programs change little."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="64px", choices=tuple(PRESETS))
    parser.add_argument("--feature-network", default=OWN, help="own, or a file")
    parser.add_argument("--rounds", type=int, default=28)
    parser.add_argument("--device")
    given = parser.parse_args()
    device = choose_device(given.device)
    options = options_of(given.preset)
    frozen = make_frozen(given.feature_network, options.model.image_size)
    steps = {
        "without it": make_step(given.preset, None, device),
        "with it": make_step(given.preset, frozen, device),
    }
    for step in steps.values():
        for _ in range(3):
            seconds(step, device)
    mean = dict.fromkeys(steps, 0.0)
    for _ in range(given.rounds):
        for name, step in steps.items():
            mean[name] += seconds(step, device) / given.rounds
    sides = f"{frozen.sides[0]} to {frozen.sides[-1]} px"
    print(f"{given.preset}, batch {options.batch_size}, {given.feature_network}, {sides}, {device}")
    for name, value in mean.items():
        print(f"{name:18}{1000 * value / options.batch_size:8.2f} ms per image")
    print(f"{'ratio':18}{mean['with it'] / mean['without it']:8.2f}")


if __name__ == "__main__":
    main()
