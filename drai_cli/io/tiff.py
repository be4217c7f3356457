"""TIFF files as bytes, by Pillow. Knows nothing of sets or models."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt
from PIL import Image as PillowImage

_IMAGE_DESCRIPTION = 270
_SOFTWARE = 305


def encode_tiff(image: UInt[np.ndarray, "height width channels"], description: str, software: str) -> bytes:
    """A TIFF file, compressed without loss.

    Args:
        image: uint8 with 1 (grey) or 3 (RGB) channels, or uint16 grey.
        description: For the tag ImageDescription; what ASCII lacks is spelled out.
        software: For the tag Software.

    Raises:
        ValueError: An array that is not one of these.
    """
    if not is_storable(image):
        raise ValueError(f"a TIFF of shape {image.shape} and {image.dtype}")
    file = io.BytesIO()
    picture = PillowImage.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
    tags = {_IMAGE_DESCRIPTION: _ascii(description), _SOFTWARE: _ascii(software)}
    picture.save(file, format="TIFF", compression="tiff_lzw", tiffinfo=tags)
    return file.getvalue()


def is_storable(image: np.ndarray) -> bool:
    """Whether `encode_tiff` takes the array: Pillow has no 16-bit colour."""
    kinds = {(np.dtype(np.uint8), 1), (np.dtype(np.uint8), 3), (np.dtype(np.uint16), 1)}
    return image.ndim == 3 and (image.dtype, image.shape[2]) in kinds


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
