"""The supervised training loop of the judge and the factor regressor. Knows nothing of what is predicted."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drai_cli.metrics.convnet import ConvNet, precision

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FitConfig:
    """Training budget and rates.

    Attributes:
        images: Most images seen.
        batch_size: Images per step.
        rate: Peak learning rate of AdamW (one cycle: a short rise, then a cosine to zero).
        weight_decay: Decoupled, on everything.
        averaging: Decay per step of the running mean of weights, which is the result.
        check_every: Images between validations.
        patience: Validations without a better score before stopping.
    """

    images: int = 32_000
    batch_size: int = 128
    rate: float = 3e-3
    weight_decay: float = 0.05
    averaging: float = 0.98
    check_every: int = 4_000
    patience: int = 4


@dataclass(frozen=True)
class FitRecord:
    """The best score, after how many images it was reached, and how many images were seen."""

    score: float
    images_at_best: int
    images_seen: int


@dataclass(frozen=True)
class FitState:
    """A training in progress, from which it goes on exactly.

    Attributes:
        tensors: Weights of the network, of its running mean and of the best one, the optimiser's averages, and the
            random state.
        numbers: `step`, `best`, `best_step`, `stale`.
    """

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Keeping:
    """Where a training that is interrupted is kept.

    Attributes:
        started: An earlier training that goes on; None for a new one.
        keep: Called after each validation with what is needed to go on.
    """

    started: FitState | None
    keep: Callable[[FitState], None]


def fit(
    network: ConvNet,
    draw: Callable[[int, torch.Generator], tuple[Tensor, Tensor]],
    loss: Loss,
    score: Callable[[ConvNet], float],
    config: FitConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> tuple[ConvNet, FitRecord]:
    """Trains `network` and returns the averaged weights with the best validation score.

    Args:
        network: A new network; it is changed.
        draw: `(batch size, generator)` to images in [-1, 1] and targets.
        loss: Of outputs and targets, a scalar.
        score: Higher is better; called on the averaged net in eval mode.
        config: Budget and rates.
        seed: Random seed.
        device: Where to run.
        progress: Called after each step with the images it saw.
        keeping: Where an interrupted training is kept; None: nowhere.

    Raises:
        LookupError, RuntimeError, ValueError: The training to go on with is of another network.
    """
    generator = torch.Generator().manual_seed(seed)
    network.to(device).train()
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.99), fused=True
    )
    steps = max(1, config.images // config.batch_size)
    look = max(1, min(config.check_every // config.batch_size, steps))
    best, best_state, best_step, stale = -math.inf, copy.deepcopy(averaged.state_dict()), 0, 0
    step = done = 0
    if keeping is not None and keeping.started is not None:
        started = keeping.started
        best_state = _restore(started, network, averaged, optimiser, generator)
        done, best_step, stale = (int(started.numbers[name]) for name in ("step", "best_step", "stale"))
        best = started.numbers["best"]
        if progress is not None:
            progress(done * config.batch_size)
    for step in range(done + 1, steps + 1):
        rate = config.rate * _one_cycle(step / steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        images, targets = draw(config.batch_size, generator)
        with precision(device):
            outputs = network(images.to(device))
        value = loss(outputs, targets.to(device))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        _average(averaged, network, min(config.averaging, step / (step + 9)))
        if progress is not None:
            progress(config.batch_size)
        if step % look == 0 or step == steps:
            now = score(averaged)
            if now > best:
                best, best_state, best_step, stale = now, copy.deepcopy(averaged.state_dict()), step, 0
            else:
                stale += 1
            if stale >= config.patience:
                break
            if keeping is not None:
                numbers = {"step": step, "best": best, "best_step": best_step, "stale": stale}
                keeping.keep(FitState(_tensors(network, averaged, best_state, optimiser, generator), numbers))
    averaged.load_state_dict(best_state)
    return averaged, FitRecord(best, best_step * config.batch_size, step * config.batch_size)


def _tensors(
    network: ConvNet,
    averaged: ConvNet,
    best: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """All that a training consists of, by name."""
    out = {"generator": generator.get_state()}
    for prefix, state in (
        ("network", network.state_dict()),
        ("averaged", averaged.state_dict()),
        ("best", best),
    ):
        out |= {f"{prefix}.{name}": value for name, value in state.items()}
    for place, state in optimiser.state_dict()["state"].items():
        out |= {f"optimiser.{place}.{name}": value for name, value in state.items()}
    return out


def _restore(
    started: FitState,
    network: ConvNet,
    averaged: ConvNet,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Puts everything back in place; returns the best weights."""

    def under(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): value
            for name, value in started.tensors.items()
            if name.startswith(prefix)
        }

    network.load_state_dict(under("network."))
    averaged.load_state_dict(under("averaged."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimiser.").items():
        place, _, key = name.partition(".")
        state.setdefault(int(place), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    generator.set_state(started.tensors["generator"])
    best = under("best.")
    if best.keys() != averaged.state_dict().keys():
        raise LookupError("the best weights are not those of the network")
    return best


def _one_cycle(progress: float, rise: float = 0.1) -> float:
    if progress < rise:
        return progress / rise
    return 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)
    for mine, theirs in zip(averaged.buffers(), network.buffers(), strict=True):
        mine.copy_(theirs)
