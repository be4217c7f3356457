"""The kinds of plain image files: their suffixes, and how their bytes begin. Standard library only."""

from __future__ import annotations

import struct
from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.settings.image_options import IMAGE_SUFFIXES

SUFFIXES: dict[str, tuple[str, ...]] = {
    "png": IMAGE_SUFFIXES["png"],
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "tiff": (*IMAGE_SUFFIXES["tiff"], ".tiff"),
    "bmp": (".bmp", ".dib"),
    "gif": (".gif",),
    "webp": (".webp",),
    "pgm": (".pgm", ".ppm", ".pnm", ".pbm"),
}
"""Suffixes of each kind."""

_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "tiff"),
    b"GIF87a": "gif",
    b"GIF89a": "gif",
}
_MAX_SCANNED_PIXELS = 1 << 34
"""Of all scans of a JPEG: some 15 s. A progressive JPEG has about ten scans, so that no real picture comes near."""
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # sizes of the second header, of all versions


def kind_of_bytes(head: bytes) -> str | None:
    """The kind of plain image that a file's first 32 bytes begin; None for anything else."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and len(head) > 18 and struct.unpack("<I", head[14:18])[0] in _BMP_HEADERS:
        return "bmp"
    is_netpbm = head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()
    return "pgm" if is_netpbm and len(head) > 3 else None


def kind_of_file(path: Path) -> str | None:
    """The kind of plain image that a file's content is; None for anything else, and for what is no regular file."""
    try:
        with open_regular(path) as file:
            return kind_of_bytes(file.read(32))
    except (InputError, *BROKEN):
        return None


def may_be_animated(path: Path) -> bool:
    """Whether a PNG file says that it holds several frames, by its chunk acTL before the pixels (PNG 3, 11.3.2).

    True for what is no PNG: its reader knows.
    """
    try:
        with open_regular(path) as file:
            if kind_of_bytes(file.read(8)) != "png":
                return True
            while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
                if head[4:] == b"acTL":
                    return True
                file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    except (InputError, *BROKEN):
        return True
    return False


def check_scans(subject: object, data: bytes, pixels: int) -> None:
    """Checks that a JPEG is decoded in seconds: each scan (ISO/IEC 10918-1 annex B, SOS) may go over all of its pixels.

    Args:
        subject: For the message.
        data: The file.
        pixels: Of its picture.

    Raises:
        InputError: It has too many scans for its size.
    """
    count = data.count(b"\xff\xda")  # in coded data a byte 0xFF is followed by 0 or a restart marker
    if count * pixels > _MAX_SCANNED_PIXELS:
        raise InputError(
            subject, f"expected a JPEG of at most {_MAX_SCANNED_PIXELS // pixels} scans, got {count}"
        )


def webp_pixels(head: bytes) -> int:
    """Pixels of a WebP by its first 32 bytes (RFC 9649); 0 where they do not say."""
    chunk = head[12:16]
    if chunk == b"VP8X" and len(head) >= 30:
        return (int.from_bytes(head[24:27], "little") + 1) * (int.from_bytes(head[27:30], "little") + 1)
    if chunk == b"VP8L" and len(head) >= 25:
        packed = int.from_bytes(head[21:25], "little")
        return ((packed & 0x3FFF) + 1) * ((packed >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 " and len(head) >= 30:
        width, height = struct.unpack("<HH", head[26:30])
        return int((width & 0x3FFF) * (height & 0x3FFF))
    return 0
