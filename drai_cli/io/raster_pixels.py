"""The pixels of a picture that Pillow has opened, as arrays. Knows no files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image as PillowImage

from drai_cli.io.files import BROKEN
from drai_cli.io.tiff_pages import prepare_page, true_samples

_ORIENTATION_TAG = 0x0112
_BROKEN_EXIF = 0
_BAND_PIXELS = 1 << 22
# Value of EXIF's Orientation to what makes the picture upright.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
# What Pillow's decoders are known to raise on broken files.
FAILURES = (*BROKEN, SyntaxError, RuntimeError, Warning, PillowImage.DecompressionBombError)


def decode_upright(picture: PillowImage.Image, bits: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The current frame as an array that is turned as it says, and what was changed in making it."""
    if picture.format == "TIFF":
        tags = picture.tag_v2  # type: ignore[attr-defined]
        prepare_page(picture)
        array, notes = _decode(picture, bits)  # Pillow turns a TIFF itself
        if array.ndim == 2 and picture.mode not in ("1", "P"):
            array, changed = true_samples(array, tags, bits)
            notes = (*notes, *changed)
        return array, notes
    orientation = orientation_of(picture)
    notes = ("its EXIF data is broken and was ignored",) if orientation == _BROKEN_EXIF else ()
    array, changed = _decode(picture, bits)
    turn = _TURNS.get(orientation)
    return (array if turn is None else np.ascontiguousarray(turn(array))), (*notes, *changed)


def orientation_of(picture: PillowImage.Image) -> int:
    """EXIF's Orientation; 1 where there is none, `_BROKEN_EXIF` where it cannot be read."""
    try:
        found = picture.getexif().get(_ORIENTATION_TAG, 1)
    except FAILURES:
        return _BROKEN_EXIF
    return found if isinstance(found, int) else 1


def _decode(picture: PillowImage.Image, bits: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The current frame as an array, alpha included, and what was changed in making it."""
    mode = picture.mode
    if mode == "1":
        return _array_of(picture, "L"), ()
    if mode.startswith("I;16") or (mode == "I" and picture.format in ("PNG", "PPM")):
        return _array_of(picture).astype(np.uint16, copy=False), ()
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        wanted = "LA" if mode in ("L", "LA", "La") else "RGBA"
        with_alpha = _array_of(picture, None if mode == wanted else wanted)
        return with_alpha, (f"{bits}-bit samples with alpha were read as 8-bit",) if bits > 8 else ()
    if mode in ("L", "RGB", "I", "F"):
        reduced = mode == "RGB" and bits > 8
        return _array_of(picture), (f"{bits}-bit colour was read as 8-bit",) if reduced else ()
    notes = (f"{mode} colour was converted to RGB",) if mode != "P" else ()
    return _array_of(picture, "RGB"), notes


def stored_bits(picture: PillowImage.Image) -> int:
    """Bits a sample, before Pillow's own reduction of 16-bit colour to 8."""
    if picture.mode == "1":
        return 1
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(258, (8,))  # type: ignore[attr-defined]
        return int(bits[0] if isinstance(bits, tuple) else bits)
    if picture.mode.startswith("I"):
        return 16
    if picture.format == "PNG":
        # The raw mode of the first tile ends in the depth where it is not eight bits, for example `RGB;16B`.
        tiles = getattr(picture, "tile", ())
        return 16 if tiles and ";16" in str(tiles[0][3]) else 8
    return 32 if picture.mode == "F" else 8


def _array_of(picture: PillowImage.Image, mode: str | None = None) -> np.ndarray:
    """A picture, converted to a mode of Pillow's; a large one in bands of rows, since all at once takes four copies."""
    picture.load()
    width, height = picture.size
    rows = max(1, _BAND_PIXELS // width)
    if height <= rows:
        return np.array(picture if mode is None else picture.convert(mode))
    array: np.ndarray = np.empty(0)
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        pixels = np.asarray(band if mode is None else band.convert(mode))
        if not top:
            array = np.empty((height, *pixels.shape[1:]), pixels.dtype)
        array[top : top + rows] = pixels
    return array
