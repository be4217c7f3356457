"""Conversion of images between stored integers and the networks' [-1, 1]; defined only here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor


def to_unit(
    images: np.ndarray | Tensor, device: torch.device | str = "cpu"
) -> Float[Tensor, "batch channels height width"]:
    """Stored images uint8 or uint16 `[N, H, W, C]` as float32 `[N, C, H, W]` in [-1, 1], channels last in memory.

    0 becomes -1; the type's largest value becomes 1. A tensor is uint8, and may be on a device already.
    """
    if isinstance(images, Tensor):
        half, values = 127.5, images.to(device, torch.float32)
    else:
        half = np.iinfo(images.dtype).max / 2
        values = torch.from_numpy(images.astype(np.float32)).to(device)
    return values.permute(0, 3, 1, 2).div_(half).sub_(1)


def from_unit(
    images: Float[Tensor, "batch channels height width"], dtype: npt.DTypeLike = np.uint8
) -> np.ndarray:
    """The inverse of `to_unit`, values outside [-1, 1] clipped: `[N, H, W, C]`."""
    largest = np.iinfo(np.dtype(dtype)).max
    scaled = (images.detach().float().clamp(-1, 1) + 1).mul_(largest / 2).round_()
    return scaled.permute(0, 2, 3, 1).cpu().numpy().astype(dtype)
