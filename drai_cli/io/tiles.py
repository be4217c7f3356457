"""Images of one size as one sheet. Knows nothing of what they show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt, UInt8


def tile_images(
    rows: Sequence[Sequence[np.ndarray] | np.ndarray], gaps: tuple[int, int]
) -> UInt[np.ndarray, "height width channels"]:
    """Images `[h, w, c]` in rows on white; a row may be shorter than the first ones.

    Args:
        rows: Images of one shape and type, from the top, each row from the left.
        gaps: White pixels between two rows, and between two images of a row.
    """
    height, width, channels = rows[0][0].shape
    dtype = rows[0][0].dtype
    down, across = height + gaps[0], width + gaps[1]
    shape = (len(rows) * down - gaps[0], max(map(len, rows)) * across - gaps[1], channels)
    sheet = np.full(shape, np.iinfo(dtype).max, dtype)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet[i * down : i * down + height, j * across : j * across + width] = image
    return sheet


def to_eight_bit(pixels: UInt[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Pixels of 8 or 16 bits as 8 bits."""
    return pixels if pixels.dtype == np.uint8 else (pixels // 257).astype(np.uint8)
