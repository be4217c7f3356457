"""What Pillow leaves to do in TIFF files: which pages are images of one stack, and what their samples mean.

Tags and their values are those of TIFF 6.0 (Adobe, 1992).
"""

from __future__ import annotations

from collections import defaultdict
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN

MAX_PAGES = 20_000
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT = (
    254,
    255,
    258,
    259,
    262,
    339,
)
_REDUCED_OR_MASK = 1 | 4  # bits of NewSubfileType: a thumbnail or overview, a transparency mask
_REDUCED = 2  # of SubfileType
_WHITE_IS_ZERO = 0
_SIGNED = 2
_SAMPLES = {1: "unsigned", 2: "signed", 3: "real", 5: "complex", 6: "complex"}
_BROKEN_PAGE = (*BROKEN, SyntaxError, RuntimeError)

# Grey samples that Pillow can unpack but whose layouts are not in its table, by the table's own keys: byte order,
# photometric interpretation, sample format, fill order, bits, extra samples.
for _photometric in (0, 1):
    for _order, _big in ((b"II", ""), (b"MM", "B")):
        for _layout, _mode in {
            ((2,), 8): ("L", "L"),
            ((1,), 12): ("I;16", "I;12"),  # packed from the first bit on, whatever the byte order
            ((1,), 16): (f"I;16{_big}", f"I;16{_big}"),
            ((2,), 16): ("I", f"I;16{_big}S"),
            ((1,), 32): ("I", f"I;32{_big}"),
            ((2,), 32): ("I", f"I;32{_big}S"),
            ((3,), 32): ("F", f"F;32{_big}F"),
            ((3,), 64): ("F", f"F;64{_big}F"),
        }.items():
            TiffImagePlugin.OPEN_INFO.setdefault(
                (_order, _photometric, _layout[0], 1, (_layout[1],), ()), _mode
            )


def list_pages(picture: PillowImage.Image) -> tuple[list[int], tuple[str, ...]]:
    """The pages that are frames of one stack, and what is set aside.

    Thumbnails, overviews and masks are no frames where the file says what they are. Of the other pages those of the
    most frequent size and type are; of as many pages, those of the largest.

    Raises:
        InputError: More than `MAX_PAGES` pages.
    """
    pages: defaultdict[Any, list[int]] = defaultdict(list)
    reduced: list[int] = []
    index = 0
    while True:
        kind: Any = None
        try:
            picture.seek(index)
            tags: Any = picture.tag_v2  # type: ignore[attr-defined]
            if (
                _number(tags, _NEW_SUBFILE_TYPE) & _REDUCED_OR_MASK
                or _number(tags, _SUBFILE_TYPE) == _REDUCED
            ):
                reduced.append(index)
            else:
                kind = (picture.width * picture.height, picture.size, picture.mode, str(tags.get(_BITS)))
                pages[kind].append(index)
        except EOFError:
            break
        except _BROKEN_PAGE:
            if picture.tell() != index:  # the chain of pages ends here
                break
            pages[0, (0, 0), "", ""].append(index)
        index += 1
        if index > MAX_PAGES:
            raise InputError("TIFF", f"expected at most {MAX_PAGES} pages, got more")
    pages.pop((0, (0, 0), "", ""), None)
    if not pages:
        return ([0], ())
    best = max(pages, key=lambda kind: (len(pages[kind]), kind[0], -pages[kind][0]))
    others = index - len(pages[best]) - len(reduced)
    notes = []
    if reduced:
        notes.append(f"{len(reduced)} thumbnails, overviews or masks in it are set aside")
    if others:
        notes.append(f"{others} pages of another size or type are set aside")
    return pages[best], tuple(notes)


def prepare_page(picture: PillowImage.Image) -> None:
    """Corrects how the current page will be unpacked: libtiff gives samples in the machine's order of bytes."""
    for place, tile in enumerate(picture.tile):  # type: ignore[attr-defined]
        if tile[0] != "libtiff" or not isinstance(tile[3], tuple) or ";" not in str(tile[3][0]):
            continue
        name, layout = tile[3][0].split(";", 1)
        if layout in ("16BS", "32B", "32BS", "32BF", "64BF"):
            native = f"{name};{layout.replace('B', 'N')}"
            made = (*tile[:3], (native, *tile[3][1:]))
            make = getattr(type(tile), "_make", tuple)  # a named tuple since Pillow 11
            picture.tile[place] = make(made)  # type: ignore[attr-defined]


def true_samples(
    samples: Shaped[np.ndarray, "height width"], tags: Any, bits: int
) -> tuple[Shaped[np.ndarray, "height width"], tuple[str, ...]]:
    """Grey samples as the file means them: signed or not, growing towards white.

    Args:
        samples: As Pillow unpacks them. Up to 8 bits it turns WhiteIsZero over itself.
        tags: Of the page.
        bits: Of a stored sample.

    Returns:
        The samples, and what was changed. Where white is 0, whole numbers are counted from the other end of their
        range, as Pillow does; real numbers have no end and change their sign.
    """
    is_signed = _number(tags, _SAMPLE_FORMAT, 1) == _SIGNED
    if samples.dtype == np.int32:
        samples = samples.astype(np.int16) if is_signed and bits == 16 else samples
        samples = samples if is_signed else samples.view(np.uint32)
    elif samples.dtype == np.uint8 and is_signed:
        samples = samples.view(np.int8)
    if _number(tags, _PHOTOMETRIC, 1) != _WHITE_IS_ZERO or samples.dtype == np.uint8:
        return samples, ()
    if samples.dtype.kind == "f":
        return -samples, ("white is 0 in it: its values were given the other sign",)
    return (~samples if is_signed else samples.dtype.type((1 << bits) - 1) - samples), ()


def describe_layout(file: IO[bytes]) -> str:
    """What the first page's samples are, for a message; empty where that cannot be read."""
    try:
        file.seek(0)
        head = file.read(8)
        if head[2:4] in (b"+\0", b"\0+"):
            head += file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head)
        file.seek(tags.next)
        tags.load(file)
        bits = tags.get(_BITS, (1,))
        layout = _SAMPLES.get(_number(tags, _SAMPLE_FORMAT, 1), "unknown")
        compression = _number(tags, _COMPRESSION, 1)
    except _BROKEN_PAGE:
        return ""
    listed = " + ".join(map(str, bits[:4])) + (" + …" if len(bits) > 4 else "")
    return f"{listed} bits, {layout}, compression {compression}"


def _number(tags: Any, tag: int, otherwise: int = 0) -> int:
    """A tag's first number; broken ones are absent."""
    value = tags.get(tag, otherwise)
    if isinstance(value, tuple):
        value = value[0] if value else otherwise
    return value if isinstance(value, int) else otherwise
