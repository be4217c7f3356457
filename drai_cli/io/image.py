"""The one image type, and the one way to fit an image to a model's size. Knows nothing of files or formats.

Convention: rows go down, columns go right, colour is RGB. An image of a model is `[H, W, C]`, uint8 or
uint16, with C = 1 (grey) or 3 (RGB).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
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

_SQUARE = 0.005
"""Pixels whose sides differ by no more than this share are square: headers are rounded."""
_MAX_ASPECT = 100.0
"""A pixel that is longer than this many times its width is a broken header's."""

_ROUNDING = 1e-9  # pixels
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
        aspect: Height of a pixel over its width in the patient; 1 for square ones, and where the file does not say.
    """

    array: Shaped[np.ndarray, "height width *channels"]
    bits: int = 8
    unit: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    intensity: Intensity | None = None
    aspect: float = 1.0

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


def plausible_aspect(aspect: float) -> float:
    """An aspect as an image has it: exactly 1 where pixels are as good as square, or where it cannot be true."""
    if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT or abs(aspect - 1) <= _SQUARE:
        return 1.0
    return aspect


@dataclass(frozen=True)
class Framing:
    """Which part of an image becomes which part of a square, in pixels with square ones made of others.

    Attributes:
        top: First row kept; a fraction where pixels are not square.
        left: First column kept.
        height: Rows kept.
        width: Columns kept.
        made_height: Rows they become.
        made_width: Columns they become.
    """

    top: float
    left: float
    height: float
    width: float
    made_height: int
    made_width: int


def frame_square(height: int, width: int, size: int, fit: Fit = "crop", aspect: float = 1.0) -> Framing:
    """How `fit_to_square` makes an image square.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        size: Side of the square in pixels.
        fit: `crop` or `pad`.
        aspect: Height of a pixel over its width.
    """
    tall, wide = height * aspect, float(width)  # in widths of a pixel
    if fit == "pad":
        longest = max(tall, wide)
        return Framing(
            0, 0, height, width, max(1, round(tall * size / longest)), max(1, round(wide * size / longest))
        )
    if aspect == 1:
        side = min(height, width)
        return Framing((height - side) // 2, (width - side) // 2, side, side, size, size)
    kept_height, kept_width = min(tall, wide) / aspect, min(tall, wide)
    return Framing((height - kept_height) / 2, (width - kept_width) / 2, kept_height, kept_width, size, size)


def cropped_share(height: int, width: int, aspect: float = 1.0) -> float:
    """The share of an image's area that `crop` cuts away, from 0 to below 1.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        aspect: Height of a pixel over its width.
    """
    tall, wide = height * aspect, float(width)
    return 1 - min(tall, wide) / max(tall, wide)


def fit_to_square(
    image: Image, size: int, channels: int, fit: Fit = "crop"
) -> UInt[np.ndarray, "size size channels"]:
    """An image at a model's size: cropped or padded to a square and resized with antialiasing.

    A grey image becomes RGB by repetition, an RGB one grey by ITU-R BT.601 luma (exact where R = G = B). An
    image that already has the size is not resampled. Pixels that are not square (`image.aspect`) become square in the
    same step, so that a disc stays round.

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
    framing = frame_square(array.shape[0], array.shape[1], size, fit, image.aspect)
    array = resample(array[:, :, None] if array.ndim == 2 else array, framing)
    array = to_channels(array, channels)
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
    first = array[
        ..., 0
    ]  # of a colour image the second channel settles it: plane by plane is four times quicker
    return all(np.array_equal(first, array[..., channel]) for channel in range(1, array.shape[-1]))


def _pad_to_square(array: np.ndarray, size: int) -> np.ndarray:
    height, width = array.shape[:2]
    if (height, width) == (size, size):
        return np.ascontiguousarray(array)
    out = np.zeros((size, size, array.shape[2]), array.dtype)
    top, left = (size - height) // 2, (size - width) // 2
    out[top : top + height, left : left + width] = array
    return out


def resample(
    array: UInt[np.ndarray, "height width channels"], framing: Framing
) -> UInt[np.ndarray, "made_height made_width channels"]:
    """The part of an image that is kept, at its new size, with antialiasing."""
    top, left = floor(framing.top), floor(framing.left)
    bottom, right = (
        ceil(framing.top + framing.height - _ROUNDING),
        ceil(framing.left + framing.width - _ROUNDING),
    )
    array = array[top:bottom, left:right]
    height, width = framing.made_height, framing.made_width
    box = (
        framing.left - left,
        framing.top - top,
        min(framing.left - left + framing.width, array.shape[1]),
        min(framing.top - top + framing.height, array.shape[0]),
    )  # parts of pixels at the edges; all of the array where pixels are square
    if (framing.height, framing.width) == (height, width) and (framing.top, framing.left) == (top, left):
        return array
    if array.dtype.itemsize == 1:
        plain = np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array)
        shrunk = np.asarray(PillowImage.fromarray(plain).resize((width, height), _FILTER, box))
        return shrunk.reshape(height, width, array.shape[2])
    # Pillow has no 16-bit colour: each plane goes through float32, which holds 16 bits exactly.
    out = np.empty((height, width, array.shape[2]), np.uint16)
    for channel in range(array.shape[2]):
        plane = PillowImage.fromarray(array[:, :, channel].astype(np.float32))
        levels = np.asarray(plane.resize((width, height), _FILTER, box))
        out[:, :, channel] = np.clip(np.round(levels), 0, 65535).astype(np.uint16)
    return out
