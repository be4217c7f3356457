"""Masks that a model makes with its images: taken apart, and cut to inside and outside. No torch."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt, UInt8

from drai_cli.model_file.header import ModelHeader


def split_masks(
    levels: UInt[np.ndarray, "images height width channels"], header: ModelHeader
) -> tuple[
    UInt[np.ndarray, "images height width intensities"], UInt8[np.ndarray, "images height width masks"]
]:
    """Images without their masks, and the masks: 255 where more than half is inside, else 0."""
    count = header.architecture.image_channels
    inside = levels[..., count:] > np.iinfo(levels.dtype).max // 2
    return np.ascontiguousarray(levels[..., :count]), inside.astype(np.uint8) * np.uint8(255)
