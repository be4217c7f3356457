"""One of several processes that compute steps together, and how far what they find is from one process's.

Run as `python shared_step.py MEETING OUT RANK SIZE`; every process writes `OUT/RANK.json`: the relative difference of
each quantity (norm over norm), by case. The optimisers are plain gradient descent, so that rounding stays rounding.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.methods import METHODS, objective_of
from drai_cli.training import step
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.parallel import ALONE, Processes
from drai_cli.training.passes import StepPlan
from drai_cli.training.state import TrainingState

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.training.frozen import make_frozen

# 13 rows cannot be shared evenly by two, and attributes are missing in some: shares must be weighed.
BATCH, STEPS = 13, 2
ROWS = [{"label": label, "age": age} for label in "abc" for age in ("", "30.5", "41", "52", "63.5")] * 3
TINY = ModelConfig(image_size=16, image_channels=1, content_dim=4, style_dim=6, channels=8, max_channels=8)
OBJECTIVE = Objective(swap_share=0.25, features_weight=0.5, independence_weight=1.0, r1_gamma=1.0)


def cases() -> Iterator[tuple[str, TrainOptions]]:
    """Every method with all its terms, and every term of `drai` alone."""
    for method in METHODS:
        yield method, options_of(method, OBJECTIVE)
    weights = [f.name for f in fields(Objective) if f.name.endswith("_weight")]
    for weight in weights:
        alone = replace(OBJECTIVE, **{other: 0.0 for other in weights if other != weight})
        if getattr(objective_of("drai", alone), weight):
            yield weight, options_of("drai", alone)
    yield "grain", replace(options_of("drai", OBJECTIVE), model=replace(TINY, grain=True))
    yield "relativistic", options_of("drai", replace(OBJECTIVE, is_relativistic=True))


def options_of(method: str, objective: Objective) -> TrainOptions:
    objective = objective_of(method, objective)
    # With this seed no activation lies so near its kink that rounding moves it across (it did with 4 and 7).
    return TrainOptions(method=method, model=TINY, batch_size=BATCH, objective=objective, seed=5)


def steps(options: TrainOptions, processes: Processes) -> dict[str, Tensor]:
    """All that some steps leave: terms, gradients, weights, moments, recent codes."""
    schema, device = ConditionSchema.from_rows(ROWS, "label", ["age"]), torch.device("cpu")
    images = np.random.default_rng(0).integers(0, 256, (len(ROWS), 16, 16, 1), np.uint8)
    batches = Batches(
        images, schema.encode(ROWS), schema.label_indices(ROWS), np.arange(len(ROWS)), schema.slots(), options,
        "dihedral", device, processes,
    )  # fmt: skip
    plan = StepPlan(options.objective, Changes("flip"), schema.slots(), None, processes)
    state = TrainingState(
        options, schema.slots(), device, make_frozen() if options.objective.features_weight else None
    )
    state.augment_probability = 0.5
    players = {
        "networks": state.networks,
        "discriminator": state.adversaries.discriminator,
        "predictors": state.adversaries.predictors,
    }
    if state.adversaries.feature_heads is not None:
        players["feature_heads"] = state.adversaries.feature_heads
    state.optimisers = {
        name: torch.optim.SGD(player.parameters(), lr=1e-3) for name, player in players.items()
    }
    found: dict[str, Tensor] = {}
    for number in range(STEPS):
        terms = step.train_step(
            state, batches.at(BATCH * number, state.augment_probability), plan, has_penalty=number == 0
        )
        found |= {f"term {number} {name}": value for name, value in terms.items()}
    for name, player in players.items():
        # What no term reaches has no gradient, or one of zeros where it travelled with what a term does reach.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in player.parameters()]
        found[f"gradient {name}"] = torch.cat([gradient.flatten() for gradient in gradients])
        found[f"weights {name}"] = torch.cat([p.detach().flatten() for p in player.parameters()])
    for name, moments in (("content", state.content_moments), ("style", state.style_moments)):
        found |= {f"moments {name} {key}": value for key, value in moments.state_dict().items()}
    return {**found, "recent": state.recent.rows, "seen": torch.tensor(float(state.images_seen))}


def main(meeting: str, out: str, rank: int, size: int) -> None:
    step._LARGEST_GRADIENT = float("inf")  # a clipped gradient would hide a wrong scale
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    differences = {}
    for name, options in cases():
        expected, found = steps(options, ALONE), steps(options, Processes(rank, size))
        assert expected.keys() == found.keys()
        differences[name] = {
            key: float((found[key] - value).norm() / value.norm().clamp(min=1e-6))
            for key, value in expected.items()
        }
    Path(out, f"{rank}.json").write_text(json.dumps(differences))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
