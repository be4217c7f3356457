"""Seeded augmentation of training batches for classifiers, on images in [-1, 1]. Knows nothing of labels."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Symmetry = Literal["none", "flip", "dihedral"]
RUNS = 8


def augment(
    images: Float[Tensor, "b c h w"],
    generator: torch.Generator,
    *,
    symmetry: Symmetry,
    turn_degrees: float = 0.0,
    shift: int = 2,
    contrast: float = 0.1,
    brightness: float = 0.1,
) -> Float[Tensor, "b c h w"]:
    """Quarter turns and flips, whole-pixel shifts, small rotations and colour changes.

    The batch is expected in random order: it is split into eight runs, one per symmetry of the square, and each run is
    shifted as a whole. Small rotations are drawn per image, colour changes per image and channel.

    Args:
        images: Square images in [-1, 1].
        generator: Source of all randomness, on the CPU.
        symmetry: What keeps images plausible: `none`, `flip` (left-right), or `dihedral` (flips and quarter turns).
        turn_degrees: Largest rotation, corners filled by reflection; 0: no rotation and no interpolation.
        shift: Largest shift in pixels, edges repeated.
        contrast: Standard deviation of the gain's logarithm.
        brightness: Standard deviation of the offset.
    """
    runs = []
    for index, run in enumerate(images.chunk(RUNS)):
        oriented = _oriented(run, index, symmetry)
        runs.append(_shifted(oriented, shift, generator) if shift else oriented)
    batch = torch.cat(runs)
    if turn_degrees:
        batch = _turned(batch, turn_degrees, generator)
    shape = (len(batch), batch.shape[1], 1, 1)
    common = torch.randn((len(batch), 1, 1, 1), generator=generator).to(batch.device)
    gain = torch.exp(contrast * torch.randn(shape, generator=generator)).to(batch.device)
    offset = (brightness / 2) * torch.randn(shape, generator=generator).to(batch.device)
    return batch * gain + (offset + (brightness / 2) * common)


def _oriented(images: Tensor, index: int, symmetry: Symmetry) -> Tensor:
    """The run's images under the `index`-th of eight symmetries, as far as `symmetry` allows it."""
    if symmetry == "dihedral":
        images = torch.rot90(images, index % 4, (2, 3))
    return images.flip(3) if symmetry != "none" and index >= RUNS // 2 else images


def _shifted(images: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    size = images.shape[-1]
    rows, columns = torch.randint(-limit, limit + 1, (2,), generator=generator).tolist()
    steps = torch.arange(size, device=images.device)
    taken = images.index_select(2, (steps + rows).clamp(0, size - 1))
    return taken.index_select(3, (steps + columns).clamp(0, size - 1))


def _turned(images: Tensor, limit: float, generator: torch.Generator) -> Tensor:
    angles = (2 * torch.rand(len(images), generator=generator) - 1) * math.radians(limit)
    cosine, sine, zero = torch.cos(angles), torch.sin(angles), torch.zeros(len(images))
    affine = torch.stack([torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1)], 1)
    grid = F.affine_grid(affine.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
