"""The one image type, and the one way to fit an image to a model's size. Knows nothing of files or formats.

Convention: rows go down, columns go right, colour is RGB. An image of a model is `[H, W, C]`, uint8 or
uint16, with C = 1 (grey) or 3 (RGB).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Shaped, UInt
from PIL import Image as PillowImage

from drai_cli.errors import InputError
from drai_cli.io.intensity import Intensity

Fit = Literal["crop", "pad"]
FITS: tuple[Fit, ...] = ("crop", "pad")
MAX_PIXELS = 1 << 26
"""Largest image that is decoded, in pixels (8192 × 8192); a larger one is refused before it is decoded."""

_FILTER = PillowImage.Resampling.BICUBIC  # Pillow widens the filter for smaller images, which is antialiasing


@dataclass(frozen=True)
class Image:
    """A decoded image.

    Attributes:
        array: `[H, W]` (grey) or `[H, W, 3]` (RGB), of any dtype; no alpha.
        bits: Bits a sample was stored with.
        unit: What a sample's value means; empty for plain grey levels.
        source: Where it came from, for messages.
        notes: What reading changed (alpha blended, depth reduced), each worth one warning.
        intensity: What the levels mean, where a window made them from values; None where they are the file's own.
    """

    array: Shaped[np.ndarray, "height width *channels"]
    bits: int = 8
    unit: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    intensity: Intensity | None = None

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return 1 if self.array.ndim == 2 else int(self.array.shape[2])

    @property
    def height(self) -> int:
        return int(self.array.shape[0])

    @property
    def width(self) -> int:
        return int(self.array.shape[1])


def fit_to_square(
    image: Image, size: int, channels: int, fit: Fit = "crop"
) -> UInt[np.ndarray, "size size channels"]:
    """An image at a model's size: cropped or padded to a square and resized with antialiasing.

    A grey image becomes RGB by repetition, an RGB one grey by ITU-R BT.601 luma (exact where R = G = B). An
    image that already has the size is not resampled.

    Args:
        image: uint8, uint16 or bool samples.
        size: Side of the result in pixels.
        channels: 1 or 3.
        fit: `crop` takes the central square; `pad` keeps all and fills with black.

    Returns:
        uint8 for 8-bit samples, uint16 for 16-bit ones.

    Raises:
        InputError: The samples are neither 8- nor 16-bit, or the image is empty.
        ValueError: `channels` is not 1 or 3, `size` not positive or `fit` unknown.
    """
    if channels not in (1, 3) or size < 1 or fit not in FITS:
        raise ValueError(f"size {size}, channels {channels}, fit {fit!r}")
    array = np.asarray(image.array)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise InputError(
            image.source or "image",
            f"expected 8- or 16-bit samples, got {array.dtype}",
            "save it as PNG with 8 or 16 bits",
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or 0 in array.shape:
        raise InputError(image.source or "image", f"expected a grey or RGB image, got shape {array.shape}")
    if fit == "crop":
        array = _central_square(array)
    height, width = array.shape[:2]
    longest = max(height, width)
    array = _resize(array, max(1, round(height * size / longest)), max(1, round(width * size / longest)))
    array = to_channels(array[:, :, None] if array.ndim == 2 else array, channels)
    return _pad_to_square(array, size)


def to_channels(
    array: UInt[np.ndarray, "*rows height width from_channels"], channels: int
) -> UInt[np.ndarray, "*rows height width channels"]:
    """Samples with 1 or 3 channels: grey repeated, or the luma of RGB."""
    if array.shape[-1] == channels:
        return array
    if channels == 3:
        return np.repeat(array, 3, axis=-1)
    # The weights of ITU-R BT.601 in 1/65536, whose sum is exact: grey stored as RGB comes back unchanged.
    luma = array.astype(np.uint64) @ np.array([19595, 38470, 7471], np.uint64)
    grey: np.ndarray = ((luma + 0x8000) >> 16).astype(array.dtype)
    return grey[..., None]


def is_grey(array: UInt[np.ndarray, "height width channels"]) -> bool:
    """Whether all channels are equal everywhere."""
    return array.shape[-1] == 1 or bool((array == array[..., :1]).all())


def _central_square(array: np.ndarray) -> np.ndarray:
    height, width = array.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return array[top : top + side, left : left + side]


def _pad_to_square(array: np.ndarray, size: int) -> np.ndarray:
    height, width = array.shape[:2]
    if (height, width) == (size, size):
        return np.ascontiguousarray(array)
    out = np.zeros((size, size, array.shape[2]), array.dtype)
    top, left = (size - height) // 2, (size - width) // 2
    out[top : top + height, left : left + width] = array
    return out


def _resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    if array.shape[:2] == (height, width):
        return array
    if array.dtype == np.uint8:
        shrunk = PillowImage.fromarray(np.ascontiguousarray(array)).resize((width, height), _FILTER)
        return np.asarray(shrunk)
    # Pillow has no 16-bit colour: each plane goes through float32, which holds 16 bits exactly.
    planes = array[:, :, None] if array.ndim == 2 else array
    out = np.empty((height, width, planes.shape[2]), np.uint16)
    for channel in range(planes.shape[2]):
        plane = PillowImage.fromarray(planes[:, :, channel].astype(np.float32))
        levels = np.asarray(plane.resize((width, height), _FILTER))
        out[:, :, channel] = np.clip(np.round(levels), 0, 65535).astype(np.uint16)
    return out[:, :, 0] if array.ndim == 2 else out
