"""TIFF files of any layout of samples, byte by byte, so that readers are tested on more than one library writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

_FORMATS = {"u": 1, "i": 2, "f": 3}
_ASCII, _SHORT, _LONG = 2, 3, 4


def pack_12_bits(samples: np.ndarray) -> bytes:
    """Rows of 12-bit samples, two in three bytes, each row filled up to a byte."""
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(*samples.shape, 2), axis=-1)[..., 4:]
    return np.packbits(bits.reshape(len(samples), -1), axis=-1).tobytes()


def page(
    array: np.ndarray, *, bits: int = 0, white_is_zero: bool = False, deflate: bool = False, order: str = "<",
    tags: Mapping[int, int] | None = None,
) -> tuple[dict[int, int], bytes]:  # fmt: skip
    """Tags and pixels of one grey page."""
    bits = bits or 8 * array.dtype.itemsize
    data = pack_12_bits(array) if bits == 12 else array.astype(array.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflate else data
    height, width = array.shape
    own = {256: width, 257: height, 258: bits, 259: 8 if deflate else 1, 262: 0 if white_is_zero else 1, 277: 1,
           278: height, 279: len(data), 339: _FORMATS[array.dtype.kind]}  # fmt: skip
    return {**own, **(tags or {})}, data


def tiff(pages: Sequence[tuple[dict[int, int], bytes]], order: str = "<") -> bytes:
    """A file of these pages."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8))
    for index, (tags, data) in enumerate(pages):
        entries = {**tags, 273: len(out) + 2 + 12 * (len(tags) + 1) + 4}
        end = entries[273] + len(data)
        following = end + end % 2 if index + 1 < len(pages) else 0
        out += struct.pack(f"{order}H", len(entries))
        for tag, value in sorted(entries.items()):
            short = value < 65536 and tag not in (273, 279)
            out += struct.pack(f"{order}HHI", tag, _SHORT if short else _LONG, 1)
            out += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
        out += struct.pack(f"{order}I", following) + data + b"\0" * (end % 2)
    return bytes(out)
