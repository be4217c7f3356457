"""The formats of plain images: numbers without a unit, read by Pillow; PNG and TIFF are written, with marks as text."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt
from PIL import Image as PillowImage

from drai_cli import __version__
from drai_cli.errors import InputError
from drai_cli.io.about import About, as_description
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.png import encode_png
from drai_cli.io.raster import measure_raster, read_raster, read_raster_frame
from drai_cli.io.raster_kinds import SUFFIXES, kind_of_file
from drai_cli.io.stored import Stored
from drai_cli.io.tiff import encode_tiff, is_storable

_IMAGE_DESCRIPTION = 270
_READ = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP", "PPM")
_MAY_HOLD_FRAMES = ("tiff", "gif", "webp", "png")


def read_raster_marks(file: Path | IO[bytes]) -> dict[str, str]:
    """The text of a PNG, or a TIFF's ImageDescription where this tool wrote it; empty for the other formats."""
    with PillowImage.open(file, formats=_READ) as picture:
        if picture.format == "TIFF":
            text = str(getattr(picture, "tag_v2", {}).get(_IMAGE_DESCRIPTION, ""))
            pairs = (part.partition(": ") for part in text.split("; "))
            return {pair[0]: pair[2] for pair in pairs if pair[1]} if text.startswith("synthetic: ") else {}
        if picture.format != "PNG":
            return {}
        # Only the text before the pixels, where this tool writes it: nothing is decoded.
        return {str(name): str(text) for name, text in picture.info.items() if isinstance(text, str)}


def _encode_png(stored: Stored, about: About, options: WriteOptions) -> tuple[bytes, ...]:
    stored = stored.in_plain_file()
    pixels = _only_frame("PNG", stored)
    return (encode_png(pixels, {**about.marks, **_meaning(stored)}, level=options.level),)


def _encode_tiff(stored: Stored, about: About, options: WriteOptions) -> tuple[bytes, ...]:
    stored = stored.in_plain_file()
    pixels = _only_frame("TIFF", stored)
    if not is_storable(pixels):
        raise InputError("TIFF", "expected 8 bits or grey, got colour of 16 bits", "--format png keeps it")
    return (encode_tiff(pixels, as_description({**about.marks, **_meaning(stored)}), f"drai {__version__}"),)


def _only_frame(title: str, stored: Stored) -> UInt[np.ndarray, "height width channels"]:
    if len(stored.array) != 1:
        raise InputError(title, f"expected one frame, got {len(stored.array)}", "--format nifti, or dicom")
    return stored.array[0] if stored.channels == 3 else stored.array[0, :, :, None]


def _meaning(stored: Stored) -> dict[str, str]:
    """What levels mean, as text: these formats have no field for it."""
    if not stored.unit and not stored.has_line:
        return {}
    return {"unit": stored.unit, "slope": repr(stored.slope), "intercept": repr(stored.intercept)}


def _format(name: str) -> Format:
    return Format(
        name,
        {"webp": "WebP"}.get(name, name.upper()),
        SUFFIXES[name],
        read_raster,
        read_frame=read_raster_frame,
        is_content=lambda path: kind_of_file(path) == name,
        measure=measure_raster if name in _MAY_HOLD_FRAMES else None,
        encode={"png": _encode_png, "tiff": _encode_tiff}.get(name),
        read_marks=read_raster_marks,
    )


PNG, JPEG, TIFF, BMP, GIF, WEBP, PGM = map(_format, ("png", "jpeg", "tiff", "bmp", "gif", "webp", "pgm"))
