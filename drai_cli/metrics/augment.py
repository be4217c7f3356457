"""Augmentation of training batches for the judge, on uint8 or unit tensors; seeded, cheap. Knows nothing of labels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def augment(
    images: Float[Tensor, "b c h w"],
    generator: torch.Generator,
    *,
    shift: int = 2,
    contrast: float = 0.1,
    brightness: float = 0.1,
) -> Float[Tensor, "b c h w"]:
    """Quarter turns and flips, whole-pixel shifts and a change of colour.

    The batch is taken to be in random order already: it is cut into eight runs, one per symmetry of the
    square, and each run is shifted as one. Colour changes per image and channel.

    Args:
        images: Square images in [-1, 1].
        generator: Source of all randomness, on the CPU.
        shift: Largest shift in pixels, edges repeated.
        contrast: Standard deviation of the gain's logarithm.
        brightness: Standard deviation of the offset.
    """
    runs = []
    for symmetry, run in enumerate(images.chunk(8)):
        turned = torch.rot90(run, symmetry % 4, (2, 3))
        if symmetry >= 4:
            turned = turned.flip(3)
        runs.append(_shifted(turned, shift, generator) if shift else turned)
    batch = torch.cat(runs)
    shape = (len(batch), batch.shape[1], 1, 1)
    common = torch.randn((len(batch), 1, 1, 1), generator=generator).to(batch.device)
    gain = torch.exp(contrast * torch.randn(shape, generator=generator)).to(batch.device)
    offset = (brightness / 2) * torch.randn(shape, generator=generator).to(batch.device)
    return batch * gain + (offset + (brightness / 2) * common)


def _shifted(images: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    size = images.shape[-1]
    rows, columns = torch.randint(-limit, limit + 1, (2,), generator=generator).tolist()
    steps = torch.arange(size, device=images.device)
    taken = images.index_select(2, (steps + rows).clamp(0, size - 1))
    return taken.index_select(3, (steps + columns).clamp(0, size - 1))
