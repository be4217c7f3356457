"""The one door to every image that can be written, as the bytes of its files. Knows no format, sets or models."""

from __future__ import annotations

from typing import Any

from drai_cli.io.about import About
from drai_cli.io.format import WriteOptions
from drai_cli.io.registry import format_named
from drai_cli.io.stored import Stored


def encode_image(kind: str, stored: Stored, about: About, **options: Any) -> tuple[bytes, ...]:
    """The files of one image, in the order of `IMAGE_SUFFIXES[kind]`.

    Args:
        kind: The name of a format that is written.
        stored: Its frames. PNG and TIFF take one, and its numbers unchanged.
        about: What it says of itself.
        **options: Fields of `WriteOptions`.

    Raises:
        InputError: An image that the format cannot hold.
        UsageError: A compression whose encoder is not installed.
    """
    encode = format_named(kind).encode
    assert encode is not None, kind
    return encode(stored, about, WriteOptions(**options))
