"""PNG, JPEG, TIFF, BMP, GIF, WebP and PGM read by Pillow; PNG written. Knows nothing of data sets.

Files are treated as hostile: sizes are checked before anything is decoded, and each failure of a decoder becomes an
`InputError`. A file's bytes say what it is; one whose suffix says otherwise is read with a note. Python's warning
filters, which all threads share, are left to the caller.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL import Image as PillowImage

from drai_cli.errors import InputError
from drai_cli.io.files import atomic_writer, open_regular
from drai_cli.io.image import MAX_PIXELS
from drai_cli.io.png import encode_png
from drai_cli.io.raster_kinds import SUFFIXES, check_scans, kind_of_bytes, webp_pixels
from drai_cli.io.raster_pixels import FAILURES, decode_upright, orientation_of, stored_bits
from drai_cli.io.stack import ALPHA_LEFT_OUT, Measured, Stack, blend_over_black
from drai_cli.io.tiff_pages import describe_layout, list_pages
from drai_cli.io.values import check_size, replace_nonfinite

# Importing a plugin is what registers its format; Pillow's other formats stay shut.
_PLUGINS = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "pgm": PpmImagePlugin.PpmImageFile,
}
_NAMES = {name: str(plugin.format) for name, plugin in _PLUGINS.items()}  # as Pillow has them
_MPO = "MPO"  # a JPEG followed by further pictures, as telephones write it
_LARGE_PIXELS = 1 << 24
_LARGE = threading.Lock()  # of large images one at a time, so that threads do not multiply the memory
# Bytes of a pixel once decoded, by Pillow's mode; 4 where it is not named.
_PIXEL_BYTES = {"1": 1, "L": 1, "LA": 2, "La": 2, "RGB": 3, "I;16": 2, "I;16B": 2, "I;16L": 2}
_COPIES = 2  # of a frame in memory at a time: Pillow's, and the array
_WEBP_COPIES = 6  # of four channels, at most: of the decoder, its bytes, Pillow's, its array
_MAX_WEBP_PIXELS = MAX_PIXELS // 2


def read_raster_frame(path: Path, frame: int | None = None) -> Stack:
    """Reads one frame, as a stack of one.

    EXIF orientation is applied. Palettes become RGB, alpha is blended over black, CMYK and YCbCr become RGB; 16-bit
    grey, signed and real numbers are kept. The `notes` of the result list every loss.

    Args:
        path: A file of one of the kinds in `SUFFIXES`.
        frame: Which frame of a multi-frame file, from 0.

    Raises:
        InputError: Not readable, too large, or several frames and none chosen.
    """
    with _opened(path) as (picture, notes):
        frames, aside = _frames(picture)
        _check_frame(path, len(frames), frame)
        stack = _read(path, picture, [frames[frame or 0]], (*notes, *aside))
        del picture  # makes room for blending
    return blend_over_black(stack)


def read_raster(path: Path) -> Stack:
    """Reads every frame as stored; an alpha channel is not blended but set apart.

    Raises:
        InputError: Not readable, too large in all, or frames of different shape.
    """
    with _opened(path) as (picture, notes):
        frames, aside = _frames(picture)
        return _read(path, picture, frames, (*notes, *aside))


def measure_raster(path: Path) -> Measured:
    """What `read_raster` would give; nothing is decoded.

    Raises:
        InputError: Not readable, or too large.
    """
    with _opened(path) as (picture, _):
        frames, _ = _frames(picture)
        if picture.tell() != frames[0]:
            picture.seek(frames[0])
        rows, columns = picture.height, picture.width
        if picture.format != "TIFF" and orientation_of(picture) >= 5:  # Pillow has a TIFF's upright size
            rows, columns = columns, rows
        return Measured((1, len(frames), rows, columns))


def may_be_deep_grey(path: Path) -> bool:
    """Whether a file's header leaves it open that it is grey of more than 8 bits; False for what is no plain image.

    Raises:
        InputError: A TIFF that is not readable.
    """
    try:
        with open_regular(path) as file:
            head = file.read(32)
    except OSError:
        return False
    kind = kind_of_bytes(head)
    if kind == "png":
        return head[24:26] == b"\x10\0"  # bit depth and colour type of IHDR
    if kind == "tiff":
        with _opened(path) as (picture, _):
            return picture.mode in ("I", "F") or picture.mode.startswith("I;16")
    return kind == "pgm"


def write_png(
    path: Path,
    array: UInt[np.ndarray, "height width *channels"],
    text: Mapping[str, str] | None = None,
    *,
    sync: bool = True,
) -> None:
    """Writes a PNG that appears under its name only when whole.

    Args:
        path: Where to.
        array: uint8 or uint16, `[H, W]`, `[H, W, 1]` or `[H, W, 3]`.
        text: Text chunks, keyword to text.
        sync: Wait until it is on the disk; see `atomic_writer`.

    Raises:
        InputError: It cannot be written; an earlier file of that name is left as it was.
        ValueError: An array or keyword that a PNG cannot hold.
    """
    encoded = encode_png(array[:, :, None] if array.ndim == 2 else array, text or {})
    with atomic_writer(path, sync=sync) as file:
        file.write(encoded)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[PillowImage.Image, tuple[str, ...]]]:
    """The picture with its header read and checked, nothing decoded, and what is odd about it."""
    with open_regular(path) as file:
        picture, notes = _open(path, file)
        try:
            _check_size(path, picture)
            if picture.info.get("progressive"):
                file.seek(0)
                check_scans(path, file.read(), picture.width * picture.height)
            yield picture, notes
        except FAILURES as error:
            raise _describe_failure(path, error) from error
        finally:
            picture.close()


def _open(path: Path, file: IO[bytes]) -> tuple[PillowImage.Image, tuple[str, ...]]:
    expected = next((kind for kind, ends in SUFFIXES.items() if path.suffix.lower() in ends), None)
    head = file.read(32)
    file.seek(0)
    kind = kind_of_bytes(head)
    if kind is None:
        what = "an image" if expected is None else f"a {expected.upper()} image"
        raise InputError(path, f"expected {what}, got something else")
    if kind == "webp" and (pixels := webp_pixels(head)) > _MAX_WEBP_PIXELS:  # Pillow makes room on opening
        raise InputError(path, f"expected at most {_MAX_WEBP_PIXELS} pixels, got {pixels}")
    try:
        picture = PillowImage.open(file, formats=(_NAMES[kind],))
    except UnidentifiedImageError as error:
        layout = describe_layout(file) if kind == "tiff" else ""
        if layout:
            raise InputError(
                path,
                f"expected a TIFF that Pillow decodes, got one of {layout}",
                "save it as TIFF or PNG with 8 or 16 bits a sample, grey or RGB",
            ) from error
        raise InputError(path, f"cannot be decoded (a broken {kind.upper()} file)") from error
    except PillowImage.DecompressionBombError as error:
        raise InputError(path, f"expected at most {MAX_PIXELS} pixels, got more") from error
    except FAILURES as error:
        raise _describe_failure(path, error) from error
    if expected in (None, kind):
        return picture, ()
    return picture, (f"it is a {kind.upper()} file, whatever its name says",)


def _check_size(path: Path, picture: PillowImage.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise InputError(
            path, f"expected at most {MAX_PIXELS} pixels, got {picture.width} × {picture.height}"
        )
    if picture.width < 1 or picture.height < 1:
        raise InputError(path, "expected an image, got one without pixels")


def _frames(picture: PillowImage.Image) -> tuple[Sequence[int], tuple[str, ...]]:
    """Positions of the frames in the file, and what is set aside."""
    # Of an MPO the first picture is the photograph, the rest are previews or the other eye.
    if picture.format == _MPO or not getattr(picture, "is_animated", False):
        return range(1), ()
    if picture.format == "TIFF":
        return list_pages(picture)
    return range(int(getattr(picture, "n_frames", 1))), ()


def _check_frame(path: Path, count: int, frame: int | None) -> None:
    if frame is None and count > 1:
        raise InputError(path, f"expected one frame, got {count}", "pick one with --frame N")
    if frame is not None and not 0 <= frame < count:
        raise InputError(path, f"expected a frame from 0 to {count - 1}, got {frame}")


def _read(path: Path, picture: PillowImage.Image, frames: Sequence[int], notes: tuple[str, ...]) -> Stack:
    """The frames at these positions as a stack."""
    if picture.tell() != frames[0]:  # finding the pages moves
        picture.seek(frames[0])
    pixel_bytes = _PIXEL_BYTES.get(picture.mode, 4) * _COPIES
    if picture.format == "WEBP":
        check_size(str(path), (len(frames) + _WEBP_COPIES, picture.height, picture.width), 4)
    check_size(str(path), (len(frames), picture.height, picture.width), pixel_bytes)
    array: np.ndarray = np.empty(0)
    changes: dict[str, None] = dict.fromkeys(notes)
    bits = 8
    with _LARGE if picture.width * picture.height > _LARGE_PIXELS else contextlib.nullcontext():
        for place, index in enumerate(frames):
            if place:
                picture.seek(index)
            _check_size(path, picture)
            bits = stored_bits(picture)  # before anything decodes, which forgets it
            decoded, changed = decode_upright(picture, bits)
            changes.update(dict.fromkeys(changed))
            if not place:
                array = (
                    decoded[None]
                    if len(frames) == 1
                    else np.empty((len(frames), *decoded.shape), decoded.dtype)
                )
            if decoded.shape != array.shape[1:] or decoded.dtype != array.dtype:
                raise InputError(path, "its frames differ in shape or type")
            if len(frames) > 1:
                array[place] = decoded
    alpha = None
    if array.ndim == 4 and array.shape[3] in (2, 4):
        alpha = array[..., -1]
        array = array[..., 0] if array.shape[3] == 2 else array[..., :3]
        changes[ALPHA_LEFT_OUT] = None
    array, broken = replace_nonfinite(array)
    if broken is not None:
        changes[f"{int(broken.sum())} pixels are no numbers: now the least value"] = None
    found = "JPEG" if picture.format == _MPO else picture.format
    kind = next(name for name, its in _NAMES.items() if its == found)
    return Stack(array, kind, bits, padding=broken, alpha=alpha, source=str(path), notes=tuple(changes))


def _describe_failure(path: Path, error: BaseException) -> InputError:
    words = str(" ".join(str(error).split()))[:160]
    # Pillow's own messages may hold the whole path; the subject already says it.
    if str(path) in words:
        words = "its content is not what its suffix says"
    return InputError(path, f"cannot be decoded ({words or type(error).__name__})")
