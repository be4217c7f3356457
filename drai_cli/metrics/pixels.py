"""Between stored images (uint8 or uint16, channels last) and network tensors in [-1, 1]. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from drai_cli.memory import PassSize, in_passes

BATCH = 256


def to_unit(
    images: Integer[np.ndarray, "batch height width channel"],
) -> Float[Tensor, "batch channel height width"]:
    """Stored images as float32 in [-1, 1], laid out channels_last in memory."""
    peak = float(np.iinfo(images.dtype).max)
    array = np.ascontiguousarray(images)
    tensor = torch.from_numpy(array if array.dtype == np.uint8 else array.astype(np.int32))
    return tensor.permute(0, 3, 1, 2).to(torch.float32).mul_(2 / peak).sub_(1)


def from_unit(
    images: Float[Tensor, "batch channel height width"], dtype: np.dtype[Any]
) -> Integer[np.ndarray, "batch height width channel"]:
    """Network images as stored ones, rounded and clipped: what a user would get is what is measured."""
    peak = float(np.iinfo(dtype).max)
    scaled = images.detach().float().add(1).mul(peak / 2).round_().clamp_(0, peak)
    return scaled.permute(0, 2, 3, 1).cpu().numpy().astype(dtype)


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
    """`function` over stored images in batches of `size`, smaller where memory runs out, as one float32 array."""

    def one_pass(part: slice) -> np.ndarray:
        return function(to_unit(images[part]).to(device)).float().cpu().numpy()

    return np.concatenate(list(in_passes(len(images), pass_size(len(images), size), one_pass)))


def pass_size(count: int, size: int = BATCH) -> PassSize:
    """Images a pass of `count`: `size`, or all of fewer."""
    return PassSize(min(count, size))
