"""Gigabytes of zeros as a few bytes, without making them: zlib, gzip, zip; for `fuzz_bounds.py`."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image as PillowImage

Command = list[str]
Make = Callable[[Path, random.Random], Command]


def log_uniform(chance: random.Random, low: float, high: float) -> int:
    """A number that is as likely of one order of magnitude as of another."""
    return round(low * (high / low) ** chance.random())


def amount(chance: random.Random) -> int:
    """Bytes that a file becomes: mostly few, so that many files can be tried."""
    return log_uniform(chance, 1000, 3e7) if chance.random() < 0.85 else log_uniform(chance, 3e7, 3e9)


def zeros(size: int) -> bytes:
    """So many zeros as a zlib stream."""
    return b"\x78\xda" + deflated(b"", size) + struct.pack(">I", (size % 65521) << 16 | 1)


def gzipped(head: bytes, size: int) -> bytes:
    """These bytes and so many zeros as a gzip file."""
    ends = struct.pack("<II", crc_of(head, size), (len(head) + size) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + deflated(head, size) + ends


def zipped(members: Iterable[tuple[str, bytes, int]]) -> bytes:
    """A zip file of members that are some bytes and so many zeros."""
    out, index, count = bytearray(), bytearray(), 0
    for name, head, size in members:
        count += 1
        packed, crc, total = deflated(head, size), crc_of(head, size), len(head) + size
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), total, len(name), 0)
        index += (
            b"PK\1\2\x14\x03"
            + fields
            + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, len(out))
            + name.encode()
        )
        out += b"PK\3\4" + fields + name.encode() + packed
    ends = struct.pack("<HHHHIIH", 0, 0, count, count, len(index), len(out), 0)
    return bytes(out + index + b"PK\5\6" + ends)


def deflated(head: bytes, size: int) -> bytes:
    """These bytes and so many zeros as a raw deflate stream, of pieces that are made once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    while size:
        part = rounded(size)
        out += _zeros_deflated(part)
        size -= part
    return out + b"\x03\0"


@functools.cache
def _zeros_deflated(size: int) -> bytes:
    packer, piece = zlib.compressobj(9, zlib.DEFLATED, -15), bytes(1 << 20)
    out = b"".join(packer.compress(piece) for _ in range(size >> 20))
    return out + packer.compress(bytes(size & 0xFFFFF)) + packer.flush(zlib.Z_FULL_FLUSH)


def crc_of(head: bytes, size: int) -> int:
    """The CRC-32 of these bytes and so many zeros, without the zeros."""
    crc = zlib.crc32(head) ^ 0xFFFFFFFF
    matrix = [(0xEDB88320 if bit == 0 else 1 << (bit - 1)) for bit in range(32)]  # one zero bit
    bits = size * 8
    while bits:
        if bits & 1:
            crc = _times(matrix, crc)
        matrix = [_times(matrix, column) for column in matrix]
        bits >>= 1
    return crc ^ 0xFFFFFFFF


def _times(matrix: list[int], vector: int) -> int:
    out, bit = 0, 0
    while vector:
        if vector & 1:
            out ^= matrix[bit]
        vector >>= 1
        bit += 1
    return out


def rounded(size: int) -> int:
    """A size of which there are few: three bits of it."""
    shift = max(0, size.bit_length() - 3)
    return (size >> shift) << shift


def use(path: Path, chance: random.Random) -> Command:
    if chance.random() < 0.6:
        return ["inspect", str(path)]
    return [
        "convert",
        str(path),
        str(path.parent / "o"),
        "--format",
        chance.choice(("png", "nifti", "dicom")),
    ]


@functools.lru_cache(maxsize=16)
def encoded(kind: str, mode: str, width: int, height: int, **options: object) -> bytes:
    """An image of one grey as Pillow encodes it."""
    file = io.BytesIO()
    PillowImage.new(mode, (width, height)).save(file, kind, **options)
    return file.getvalue()
