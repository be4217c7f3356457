"""Random draws, each from a generator that the caller seeds and on the device where that generator is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def make_generator(*numbers: int) -> torch.Generator:
    """A CPU generator whose state follows from whole numbers alone, such as (seed, images seen, purpose)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 0x9E3779B97F4A7C15 + number + 0x632BE59BD9B4E019) % (1 << 63)
    return torch.Generator().manual_seed(mixed)


def draw_uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Draws from [0, 1)."""
    return torch.rand(shape, **_source(generator))


def draw_normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Draws from N(0, I)."""
    return torch.randn(shape, **_source(generator))


def draw_integers(generator: torch.Generator, high: int, *shape: int) -> Tensor:
    """Draws whole numbers from 0 to `high` - 1."""
    return torch.randint(high, shape, **_source(generator))


def _source(generator: torch.Generator) -> dict[str, Any]:
    return {"generator": generator, "device": generator.device}
