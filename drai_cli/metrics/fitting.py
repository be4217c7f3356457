"""The supervised training loop of the judge and the factor regressor. Knows nothing of what is predicted."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
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
    step = 0
    for step in range(1, steps + 1):
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
    averaged.load_state_dict(best_state)
    return averaged, FitRecord(best, best_step * config.batch_size, step * config.batch_size)


def _one_cycle(progress: float, rise: float = 0.1) -> float:
    if progress < rise:
        return progress / rise
    return 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)
    for mine, theirs in zip(averaged.buffers(), network.buffers(), strict=True):
        mine.copy_(theirs)
