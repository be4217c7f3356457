"""TIFF and other plain images of less than 1 MiB that claim or become much, for `fuzz_bounds.py`."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

from tests.stress.bounds_packing import (
    Command,
    Make,
    encoded,
    log_uniform,
    rounded,
    use,
    zeros,
)


def tiff_frames(folder: Path, chance: random.Random) -> Command:
    """Pages of differing sizes and types that share strips; each strip is a few bytes of zeros, well packed."""
    pages, out = chance.choice((1, 2, 3, 20, 300)), bytearray(b"II*\0\0\0\0\0")
    few = [_tiff_page(chance, pages) for _ in range(min(pages, 3))]
    chosen = [few[0]] * pages if chance.random() < 0.5 else [chance.choice(few) for _ in range(pages)]
    places: dict[int, int] = {}
    previous = 4
    for tags, strip, strips in chosen:
        if id(strip) not in places:
            places[id(strip)] = len(out)
            out += strip
            out += b"\0" * (len(out) % 2)
        lists = {273: [places[id(strip)]] * strips, 279: [len(strip)] * strips}
        for tag, values in lists.items():
            if strips > 1:
                tags = {**tags, tag: (len(out), strips)}
                out += struct.pack(f"<{strips}I", *values)
            else:
                tags = {**tags, tag: values[0]}
        struct.pack_into("<I", out, previous, len(out))
        out += struct.pack("<H", len(tags))
        for tag, value in sorted(tags.items()):
            if isinstance(value, tuple):
                out += struct.pack("<HHII", tag, 4, value[1], value[0])
            elif tag == 258 and tags[277] == 3:
                out += struct.pack("<HHII", tag, 3, 1, value)
            else:
                out += struct.pack("<HHII", tag, 4 if value > 65535 else 3, 1, value)
        previous = len(out)
        out += bytes(4)
    path = folder / chance.choice(("a.tif", "a.tiff", "a"))
    path.write_bytes(out)
    return use(path, chance)


def _tiff_page(chance: random.Random, pages: int) -> tuple[dict[int, object], bytes, int]:
    area = log_uniform(chance, 100, 3e8) // (1 if chance.random() < 0.3 else pages)
    width = max(1, min(100_000, round((area * chance.choice((1, 1, 10, 0.1))) ** 0.5)))
    height = max(1, area // width)
    bits, samples = chance.choice(
        ((1, 1), (8, 1), (8, 1), (16, 1), (32, 1), (8, 3), (8, 4), (16, 3), (64, 1))
    )
    strips = chance.choice((1, 1, 4, 64))
    rows = -(-height // strips)
    needed = rows * -(-width * bits * samples // 8)
    size = (
        rounded(needed + needed // 4 + 8) if chance.random() < 0.9 else rounded(max(1, needed))
    )  # else too few
    compression = chance.choice((8, 8, 8, 32773)) if chance.random() < 0.8 else chance.choice((1, 5))
    strip = {
        8: lambda: zeros(min(size, 1 << 30)),
        32773: lambda: b"\x81\0" * min(size // 128 + 1, 400_000),
    }.get(compression, lambda: b"\x80\0" + bytes(4000))()
    tags: dict[int, object] = {
        256: width, 257: height, 258: bits, 259: compression,
        262: 2 if samples > 2 else chance.choice((0, 1)) if bits < 16 else 1,
        277: samples, 278: rows,
    }  # fmt: skip
    kind = chance.choice({32: (3, 3, 2, 1), 16: (1, 1, 2), 64: (3,)}.get(bits, (1,)))
    if (samples == 1 and kind != 1) or chance.random() < 0.1:  # seldom one that no reader knows
        tags[339] = kind if chance.random() < 0.9 else chance.choice((1, 2, 3))
    if samples == 4:
        tags[338] = 2  # opacity
    if chance.random() < 0.4:
        tags[274] = chance.randrange(1, 9)
    return tags, strip, strips


def raster(folder: Path, chance: random.Random) -> Command:
    """GIF, PNG, WebP, BMP, PGM and JPEG whose headers claim much, or whose few bytes become much."""
    side = chance.choice((64, 1000, 4000, 8000, 8192))
    claim = struct.pack(">II", log_uniform(chance, 1, 2**31), log_uniform(chance, 1, 2**31))
    kind = chance.choice(("gif", "png", "apng", "jpeg", "progressive", "webp", "pgm", "bmp", "mpo"))
    raw: bytes
    if kind == "gif":
        side = min(side, 4000)
        sound = encoded("GIF", "P", side, side)
        head, frame = sound[: sound.index(b",")], sound[sound.index(b",") : -1]
        frames = max(1, min(log_uniform(chance, 1, 40_000), (900 << 10) // len(frame)))
        raw = head + frame * frames + b";"
        if chance.random() < 0.3:
            raw = raw[:6] + struct.pack("<HH", *(chance.randrange(65536) for _ in range(2))) + raw[10:]
    elif kind in ("png", "apng"):
        mode, depth = chance.choice(
            ((0, 8), (0, 16), (2, 8), (2, 16), (6, 8), (6, 16), (4, 8), (3, 8), (0, 1))
        )
        width, height = chance.choice(((side, side), struct.unpack(">II", claim)))
        size = rounded(min(width * height * 8, 600 << 20))
        raw = b"\x89PNG\r\n\x1a\n" + _chunk(
            b"IHDR", struct.pack(">IIBBBBB", width, height, depth, mode, 0, 0, chance.choice((0, 0, 1)))
        )
        if mode == 3:
            raw += _chunk(b"PLTE", bytes(768))
        if chance.random() < 0.3:
            raw += _chunk(b"tRNS", bytes({0: 2, 2: 6, 3: 256}.get(mode, 2)))
        if kind == "apng":
            raw += _chunk(b"acTL", struct.pack(">II", log_uniform(chance, 1, 2**31), 0))
            raw += _chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 1, 0, 0))
        if chance.random() < 0.2:  # text that becomes much
            raw += _chunk(
                chance.choice((b"zTXt", b"iCCP")), b"a\0\0" + zeros(chance.choice((1 << 20, 500 << 20)))
            )
        raw += _chunk(b"IDAT", zeros(size)) + _chunk(b"IEND", b"")
    elif kind in ("jpeg", "progressive", "mpo"):
        mode = chance.choice(("L", "RGB", "CMYK"))
        raw = bytearray(encoded("JPEG", mode, side, side, progressive=kind == "progressive", quality=1))
        place = next(at for at in range(len(raw)) if raw[at] == 0xFF and raw[at + 1] in (0xC0, 0xC2))
        if chance.random() < 0.4:
            struct.pack_into(">HH", raw, place + 5, *(chance.randrange(1, 65536) for _ in range(2)))
        if kind == "progressive":
            raw = _many_scans(bytes(raw), log_uniform(chance, 1, 5000))
        elif kind == "mpo":
            raw = bytes(raw) * chance.choice((1, 2, 3))
        if chance.random() < 0.3:
            exif = (
                b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"
                + bytes((chance.randrange(1, 9), 0, 0, 0))
                + bytes(4)
            )
            raw = bytes(raw[:2]) + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + bytes(raw[2:])
        raw = bytes(raw)
    elif kind == "webp":
        raw = bytearray(encoded("WEBP", "RGBA", 64, 64, lossless=True))
        flags = struct.pack("<I", chance.choice((0, 0x10, 0x02, 0x12)))
        canvas = b"".join(
            struct.pack("<I", chance.choice((63, chance.randrange(1 << 24))))[:3] for _ in range(2)
        )
        head = b"VP8X" + struct.pack("<I", 10) + flags + canvas
        body = head + bytes(raw[12:])
        if flags[0] & 2:
            count = log_uniform(chance, 1, 2000)
            one = (
                bytes(6) + struct.pack("<I", 63)[:3] + struct.pack("<I", 63)[:3] + bytes(4) + bytes(raw[12:])
            )
            body = (
                head
                + b"ANIM"
                + struct.pack("<I", 6)
                + bytes(6)
                + (b"ANMF" + struct.pack("<I", len(one)) + one) * count
            )
        raw = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    elif kind == "pgm":
        raw = b"P%d %d %d %d\n" % (
            chance.choice((1, 2, 3, 4, 5, 6)),
            *struct.unpack(">II", claim),
            chance.choice((255, 65535)),
        )
        raw += bytes(chance.choice((0, 1000, 900_000)))
    else:
        raw = bytearray(encoded("BMP", "RGB", 64, 64))
        struct.pack_into(
            "<ii", raw, 18, *(chance.choice((1, -1)) * log_uniform(chance, 1, 2**31 - 1) for _ in range(2))
        )
        struct.pack_into("<H", raw, 28, chance.choice((1, 4, 8, 16, 24, 32)))
        struct.pack_into("<I", raw, 30, chance.choice((0, 1, 2, 3)))
        raw = bytes(raw) + b"\xff\0" * chance.choice((0, 400_000))
    path = (
        folder / f"a.{ {'apng': 'png', 'progressive': 'jpg', 'mpo': 'jpg', 'jpeg': 'jpg'}.get(kind, kind) }"
    )
    path.write_bytes(raw)
    return use(path, chance)


def _many_scans(raw: bytes, count: int) -> bytes:
    """A progressive JPEG with its last scan again and again."""
    at = raw.rfind(b"\xff\xda")
    scan = raw[at:-2]
    return raw[:at] + scan * min(count, max(1, (900 << 10) // len(scan))) + b"\xff\xd9"


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)


RASTERS: dict[str, Make] = {"tiff": tiff_frames, "raster": raster}
