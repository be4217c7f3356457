"""The one door to every image that can be written, as the bytes of its files. Knows no format, sets or models."""

from __future__ import annotations

from drai_cli.io.about import About
from drai_cli.io.format import WriteOptions
from drai_cli.io.geometry import Geometry
from drai_cli.io.registry import format_named
from drai_cli.io.stack import Spacing
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import Compression


def encode_image(
    kind: str,
    stored: Stored,
    about: About,
    *,
    geometry: Geometry | None = None,
    spacing_mm: Spacing | None = None,
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
        compression: Of DICOM pixels.
        level: Effort of PNG's compression, 1 to 9.

    Raises:
        InputError: An image that the format cannot hold.
        UsageError: A compression whose encoder is not installed.
    """
    encode = format_named(kind).encode
    assert encode is not None, kind
    return encode(stored, about, WriteOptions(geometry, spacing_mm, "", compression, level))
