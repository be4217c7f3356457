"""DICOM colour to RGB: palettes and YBR (PS3.3 C.7.6.3.1.2 and C.7.9). Knows nothing of files."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped, UInt
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from drai_cli.errors import InputError
from drai_cli.io.dicom.file import FAILURES, syntax_of

_RGB = frozenset({"RGB"})
_FULL = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_PARTIAL = frozenset({"YBR_PARTIAL_422", "YBR_PARTIAL_420"})
_ROWS = 256
"""Of a frame at a time: on the way to RGB a sample takes some 30 bytes."""


def colour_to_rgb(
    subject: str, samples: UInt[np.ndarray, "height width 3"], photometric: str, bits: int
) -> UInt[np.ndarray, "height width 3"]:
    """Three samples a pixel as RGB of the same depth.

    Raises:
        InputError: A photometric interpretation that is not one of three samples.
    """
    if photometric in _RGB:
        return samples
    if photometric not in _FULL | _PARTIAL:
        raise InputError(subject, "expected RGB or YBR with three samples a pixel, got another colour model")
    rgb = np.empty_like(samples)
    for start in range(0, len(samples), _ROWS):
        rows = slice(start, start + _ROWS)
        rgb[rows] = _ybr_to_rgb(samples[rows], photometric, bits)
    return rgb


def _ybr_to_rgb(
    samples: UInt[np.ndarray, "rows width 3"], photometric: str, bits: int
) -> UInt[np.ndarray, "rows width 3"]:
    top = (1 << bits) - 1
    scale = (top + 1) / 256
    light, blue, red = np.moveaxis(samples.astype(np.float32), -1, 0)
    blue, red = blue - 128 * scale, red - 128 * scale
    if photometric in _PARTIAL:  # ITU-R BT.601 with black at 16 and white at 235
        light = (light - 16 * scale) * (255 / 219)
        blue, red = blue * (255 / 224), red * (255 / 224)
    rgb = np.stack(
        [
            light + 1.402 * red,
            light - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587,
            light + 1.772 * blue,
        ],
        axis=-1,
    )
    rounded: np.ndarray = np.clip(np.rint(rgb), 0, top).astype(samples.dtype)
    return rounded


def palette_to_rgb(
    subject: str, indices: Shaped[np.ndarray, "*shape"], dataset: Dataset
) -> UInt[np.ndarray, "*shape 3"]:
    """Colours of a palette, uint8, or uint16 where the palette's own depth needs it.

    Raises:
        InputError: The palette is absent or broken.
    """
    try:
        colours: np.ndarray = apply_color_lut(indices, _in_little_endian(dataset))
    except FAILURES as error:
        raise InputError(subject, f"its colour palette is broken ({type(error).__name__})") from error
    if colours.dtype != np.uint16:
        return colours.astype(np.uint8)
    # Many store 8-bit colours in 16 bits, as v · 256 or v · 257: undoing that loses nothing.
    high = (colours >> 8).astype(np.uint8)
    low = colours.astype(np.uint8)
    return high if not low.any() or np.array_equal(low, high) else colours


def _in_little_endian(dataset: Dataset) -> Dataset:
    """The data set, or where it is big-endian a copy of its palette as little-endian words, as pydicom takes them."""
    # A segmented palette pydicom reads in either order.
    if syntax_of(dataset).is_little_endian or "RedPaletteColorLookupTableData" not in dataset:
        return dataset
    copy = Dataset()
    copy.file_meta = dataset.file_meta
    for colour in ("Red", "Green", "Blue"):
        descriptor, name = (f"{colour}PaletteColorLookupTable{part}" for part in ("Descriptor", "Data"))
        copy.add(dataset[descriptor])
        words = np.frombuffer(dataset[name].value, ">u2")
        copy.add_new(name, "OW", words.astype("<u2").tobytes())
    return copy
