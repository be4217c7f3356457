"""PNG files as bytes, encoded with zlib alone: fast, reproducible, without Pillow.

Every row is filtered by *Sub*: files are about a seventh larger than with a filter chosen for each row, and take a
quarter of the time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}
_SUB = 1


def encode_png(
    image: UInt[np.ndarray, "height width channels"], text: Mapping[str, str], *, level: int = 1
) -> bytes:
    """A PNG file.

    Args:
        image: uint8 or uint16 with 1 (grey) or 3 (RGB) channels.
        text: Text chunks, keyword (Latin-1, 1 to 79 characters) to text; text beyond Latin-1 becomes iTXt.
        level: zlib's, 1 (fast) to 9.

    Raises:
        ValueError: An array or keyword that a PNG cannot hold.
    """
    if image.ndim != 3 or image.shape[2] not in _COLOUR_TYPES or 0 in image.shape:
        raise ValueError(f"a PNG of shape {image.shape}")
    if image.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise ValueError(f"a PNG of {image.dtype}")
    height, width, channels = image.shape
    sample_bytes = image.dtype.itemsize
    pixel_bytes = channels * sample_bytes
    samples = np.ascontiguousarray(image, image.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
    rows = np.empty((height, 1 + samples.shape[1]), np.uint8)
    rows[:, 0] = _SUB
    rows[:, 1 : 1 + pixel_bytes] = samples[:, :pixel_bytes]
    np.subtract(samples[:, pixel_bytes:], samples[:, :-pixel_bytes], out=rows[:, 1 + pixel_bytes :])
    header = struct.pack(">IIBBBBB", width, height, 8 * sample_bytes, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            *(_text_chunk(keyword, words) for keyword, words in text.items()),
            _chunk(b"IDAT", zlib.compress(rows.data, level)),
            _chunk(b"IEND", b""),
        ]
    )


def _text_chunk(keyword: str, text: str) -> bytes:
    name = keyword.encode("latin-1", "strict")
    if not 1 <= len(name) <= 79 or b"\0" in name or "\0" in text:
        raise ValueError(f"text chunk {keyword!r}")
    try:
        return _chunk(b"tEXt", name + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
