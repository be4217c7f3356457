"""Bytes with some of what goes wrong with files, in the open and inside a zip file."""

from __future__ import annotations

import io
import random
import struct
import zipfile

INTERESTING = (
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\xff\xfe",
    b"\0\x80",
)


def mutated_inside(raw: bytes, chance: random.Random) -> bytes:
    """A zip file with one of its members mutated."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = archive.namelist()
        chosen = chance.choice(
            [name for name in names if "sheet" in name or "shared" in name.lower()] + names
        )
        for name in names:
            content = archive.read(name)
            new.writestr(name, mutated(content, chance) if name == chosen else content)
    return out.getvalue()


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """The bytes with some of what goes wrong with files: cut, flipped, overwritten, doubled, absurd numbers."""
    out = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not out:
            break
        place = chance.randrange(min(len(out), 2000)) if chance.random() < 0.7 else chance.randrange(len(out))
        kind = chance.randrange(8)
        if kind == 0:
            del out[place:]
        elif kind == 1:
            out[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            out[place] = chance.randrange(256)
        elif kind == 3:
            value = chance.choice(INTERESTING)
            out[place : place + len(value)] = value
        elif kind == 4:
            out[place : place + 4] = struct.pack(
                chance.choice("<>") + "I", chance.choice((1, 10**5, 2**31, 2**32 - 2))
            )
        elif kind == 5:
            out[place : place + 2] = struct.pack(
                chance.choice("<>") + "H", chance.choice((0, 1, 65535, 32768, 40000))
            )
        elif kind == 6:
            del out[place : place + chance.randrange(1, 64)]
        else:
            out[place:place] = out[place : place + chance.randrange(1, 64)]
    return bytes(out)
