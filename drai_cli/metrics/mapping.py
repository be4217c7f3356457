"""Stored images in batches that fit into memory. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from drai_cli.machine.memory import PassSize, in_passes
from drai_cli.model.pixels import to_unit

Images = Integer[np.ndarray, "n h w c"]
"""Stored images, uint8 or uint16."""
BATCH = 256


def batches(count: int, size: int = BATCH) -> Iterator[slice]:
    """Consecutive slices that cover `count` rows."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


@torch.inference_mode()
def map_images(
    function: Callable[[Tensor], Tensor],
    images: Integer[np.ndarray, "count height width channel"],
    device: torch.device | str = "cpu",
    size: int = BATCH,
) -> Float[np.ndarray, "count ..."]:
    """Applies `function` to stored images in batches of `size`, smaller if memory runs out; one float32 array."""

    def one_pass(part: slice) -> np.ndarray:
        return function(to_unit(images[part], device)).float().cpu().numpy()

    return np.concatenate(list(in_passes(len(images), pass_size(len(images), size), one_pass)))


def pass_size(count: int, size: int = BATCH) -> PassSize:
    """Images per pass of `count`: `size`, or all if there are fewer."""
    return PassSize(min(count, size))
