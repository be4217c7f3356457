"""Files of masks: where they lie, and their bytes. The same for samples and for images made from a user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from drai_cli.io.about import About
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image

MASKS = "masks"
"""The folder of masks."""
MASK_COLUMN = "mask_file_name"


def mask_tops(names: Sequence[str]) -> tuple[str, ...]:
    """The folder of each mask, with `/` at its end: of one mask `masks/`, of several `masks/<mask>/`."""
    return (f"{MASKS}/",) if len(names) == 1 else tuple(f"{MASKS}/{name}/" for name in names)


def mask_columns(names: Sequence[str]) -> list[str]:
    """The column of each mask's file in metadata.csv: `mask_file_name`; of several, `<mask>_mask_file_name`."""
    return [MASK_COLUMN] if len(names) == 1 else [f"{name}_{MASK_COLUMN}" for name in names]


def encode_mask(kind: str, mask: UInt8[np.ndarray, "height width"], about: About, **options: Any) -> bytes:
    """The file of a mask of 0 and 255: 255 is inside; of NIfTI, whose masks are label maps, 1.

    Args:
        kind: `png`, or another format that can hold a mask.
        mask: 255 inside and 0 outside.
        about: What it says of itself.
        **options: Fields of `WriteOptions`.
    """
    levels = mask if kind == "png" else mask // np.uint8(255)
    return encode_image(kind, Stored(levels[None]), about, **options)[0]
