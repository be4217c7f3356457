"""The one door to every image that can be written, as the bytes of its files. Knows no format, sets or models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from drai_cli.io.about import About
from drai_cli.io.geometry import Geometry
from drai_cli.io.registry import format_named
from drai_cli.io.stack import Spacing
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import IMAGE_SUFFIXES, Compression


def image_bytes(
    kind: str,
    stored: Stored,
    about: About,
    *,
    geometry: Geometry | None = None,
    spacing_mm: Spacing | None = None,
    suffix: str | None = None,
    compression: Compression = "none",
    level: int = 1,
) -> tuple[bytes, ...]:
    """The files of one image, in the order of `IMAGE_SUFFIXES[kind]`.

    Args:
        kind: The name of a format that is written.
        stored: Its frames. PNG and TIFF take one, and its numbers unchanged.
        about: What it says of itself.
        geometry: Where it lies.
        spacing_mm: Where only that is known.
        suffix: Of the first file; None: the first of the format.
        compression: Of DICOM pixels.
        level: Effort of PNG's compression, 1 to 9.

    Raises:
        InputError: An image that the format cannot hold.
        UsageError: A compression whose encoder is not installed.
    """
    encode = format_named(kind).encode
    assert encode is not None, kind
    return encode(
        stored, about, geometry=geometry, spacing_mm=spacing_mm, suffix=suffix or IMAGE_SUFFIXES[kind][0],
        compression=compression, level=level,
    )  # fmt: skip


def values_bytes(
    kind: str,
    array: Shaped[np.ndarray, "frames height width *channels"],
    unit: str,
    about: About,
    *,
    geometry: Geometry | None = None,
    spacing_mm: Spacing | None = None,
    suffix: str | None = None,
) -> tuple[bytes, ...]:
    """As `image_bytes`, of values of any type, exactly, by a format with `encode_values`.

    Raises:
        InputError: Colour of 16 bits.
    """
    encode = format_named(kind).encode_values
    assert encode is not None, kind
    return encode(
        array, unit, about, geometry=geometry, spacing_mm=spacing_mm, suffix=suffix or IMAGE_SUFFIXES[kind][0]
    )
