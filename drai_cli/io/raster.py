"""PNG, JPEG, TIFF, BMP and GIF read by Pillow; PNG written. Knows nothing of data sets.

Files are treated as hostile: the suffix fixes the format, sizes are checked before anything is decoded, and each
failure of a decoder becomes an `InputError`. Python's warning filters, which all threads share, are left to the caller.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
)
from PIL import Image as PillowImage

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, atomic_writer, open_regular
from drai_cli.io.image import MAX_PIXELS, Image
from drai_cli.io.png import encode_png
from drai_cli.io.stack import ALPHA_LEFT_OUT, Stack
from drai_cli.io.values import check_memory
from drai_cli.settings.image_options import IMAGE_SUFFIXES

SUFFIXES: dict[str, tuple[str, ...]] = {
    "png": IMAGE_SUFFIXES["png"],
    "jpeg": (".jpg", ".jpeg"),
    "tiff": (*IMAGE_SUFFIXES["tiff"], ".tiff"),
    "bmp": (".bmp",),
    "gif": (".gif",),
}
"""Suffixes of each format."""

# Importing a plugin is what registers its format; Pillow's other formats stay shut.
_ALL_FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile,
    )
)
_MPO = "MPO"  # a JPEG followed by further pictures, as telephones write it
_MAX_FRAMES = 100_000
_LARGE_PIXELS = 1 << 24
_LARGE = threading.Lock()  # of large images one at a time, so that threads do not multiply the memory
_ORIENTATION_TAG = 0x0112
# Value of EXIF's Orientation to what makes the picture upright.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
# What Pillow's decoders are known to raise on broken files.
_FAILURES = (*BROKEN, SyntaxError, RuntimeError, Warning, PillowImage.DecompressionBombError)


def read_raster_frame(path: Path, frame: int | None = None) -> Image:
    """Reads one frame, ready for a model.

    EXIF orientation is applied. Palettes become RGB, alpha is blended over black, CMYK and YCbCr become RGB; 16-bit
    grey is kept. The `notes` of the result list every loss.

    Args:
        path: A file with one of the `SUFFIXES`.
        frame: Which frame of a multi-frame file, from 0.

    Raises:
        InputError: Not readable, too large, another format than its suffix says, or several frames and none chosen.
    """
    with open_regular(path) as file:
        picture = _open(path, file)
        try:
            _select_frame(path, picture, frame)
            bits = _stored_bits(picture)  # before anything decodes, which forgets it
            with _LARGE if picture.width * picture.height > _LARGE_PIXELS else contextlib.nullcontext():
                turn, notes = _turn(picture)
                array, changed = _decode(picture, bits, keep_alpha=False)
                if turn is not None:
                    array = np.ascontiguousarray(turn(array))
            return Image(array, bits=bits, source=str(path), notes=(*notes, *changed))
        except _FAILURES as error:
            raise _describe_failure(path, error) from error
        finally:
            picture.close()


def read_raster(path: Path) -> Stack:
    """Reads every frame as stored; an alpha channel is not blended but set apart.

    Raises:
        InputError: Not readable, too large in all, or frames of different shape.
    """
    with open_regular(path) as file:
        picture = _open(path, file)
        try:
            count = _frame_count(picture)
            if count > _MAX_FRAMES or count * picture.width * picture.height > 4 * MAX_PIXELS:
                raise InputError(path, f"expected at most {4 * MAX_PIXELS} pixels in all, got {count} frames")
            frames, total, file_bytes = [], 0, os.fstat(file.fileno()).st_size
            for index in range(count):
                if count > 1:
                    picture.seek(index)
                _check_size(path, picture)
                bits = _stored_bits(picture)
                turn, _ = _turn(picture)
                array, _ = _decode(picture, bits, keep_alpha=True)
                total += array.nbytes
                check_memory(
                    str(path), (2 if count > 1 else 1) * total, file_bytes
                )  # and once more as a stack
                frames.append(array if turn is None else np.ascontiguousarray(turn(array)))
                if array.shape != frames[0].shape and turn is None:
                    raise InputError(path, "its frames differ in shape")
            array = frames[0][None] if count == 1 else np.stack(frames)
        except _FAILURES as error:
            raise _describe_failure(path, error) from error
        finally:
            picture.close()
    alpha, notes = None, tuple[str, ...]()
    if array.ndim == 4 and array.shape[3] in (2, 4):
        alpha, notes = array[..., -1], (ALPHA_LEFT_OUT,)
        array = array[..., 0] if array.shape[3] == 2 else array[..., :3]
    return Stack(array, _format_of(path), bits, alpha=alpha, source=str(path), notes=notes)


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


def _open(path: Path, file: IO[bytes]) -> PillowImage.Image:
    """The picture with its header read and checked, nothing decoded."""
    expected = _format_of(path).upper()
    try:
        picture = PillowImage.open(file, formats=_ALL_FORMATS)
    except UnidentifiedImageError as error:
        raise InputError(path, f"expected a {expected} image, got something else") from error
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise InputError(path, f"expected at most {MAX_PIXELS} pixels, got more") from error
    except _FAILURES as error:
        raise _describe_failure(path, error) from error
    got = "JPEG" if picture.format == _MPO else str(picture.format)
    if got != expected:
        raise InputError(
            path,
            f"expected a {expected} image as its suffix says, got {got}",
            f"rename it to {path.stem}.{'jpg' if got == 'JPEG' else got.lower()}",
        )
    _check_size(path, picture)
    return picture


def _format_of(path: Path) -> str:
    """The name of the format that the suffix says."""
    for name, suffixes in SUFFIXES.items():
        if path.suffix.lower() in suffixes:
            return name
    raise InputError(path, f"expected PNG, JPEG, TIFF, BMP or GIF, got suffix {path.suffix!r}")


def _check_size(path: Path, picture: PillowImage.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise InputError(
            path, f"expected at most {MAX_PIXELS} pixels, got {picture.width} × {picture.height}"
        )
    if picture.width < 1 or picture.height < 1:
        raise InputError(path, "expected an image, got one without pixels")


def _frame_count(picture: PillowImage.Image) -> int:
    # Of an MPO the first picture is the photograph, the rest are previews or the other eye.
    return 1 if picture.format == _MPO else int(getattr(picture, "n_frames", 1))


def _select_frame(path: Path, picture: PillowImage.Image, frame: int | None) -> None:
    count = _frame_count(picture)
    if frame is None and count > 1:
        raise InputError(path, f"expected one frame, got {count}", "pick one with --frame N")
    if frame is not None and not 0 <= frame < count:
        raise InputError(path, f"expected a frame from 0 to {count - 1}, got {frame}")
    if frame:
        picture.seek(frame)
        _check_size(path, picture)


def _turn(picture: PillowImage.Image) -> tuple[Callable[[np.ndarray], np.ndarray] | None, tuple[str, ...]]:
    """What turns the picture as EXIF says; broken EXIF turns nothing, the pixels are intact."""
    try:
        return _TURNS.get(picture.getexif().get(_ORIENTATION_TAG, 1)), ()
    except _FAILURES:
        return None, ("its EXIF data is broken and was ignored",)


def _decode(
    picture: PillowImage.Image, stored_bits: int, *, keep_alpha: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The current frame as an array, and what was changed in making it."""
    mode = picture.mode
    if mode == "1":
        return np.array(picture.convert("L")), ()
    if mode.startswith("I;16"):
        return np.array(picture).astype(np.uint16), ()
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        with_alpha = np.array(picture.convert("LA" if mode in ("L", "LA", "La") else "RGBA"))
        if keep_alpha:
            return with_alpha, ()
        colour, alpha = with_alpha[..., :-1], with_alpha[..., -1:]
        notes: tuple[str, ...] = ()
        if (alpha != 255).any():
            notes = ("its transparent parts were blended over black",)
            colour = ((colour.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
        return np.ascontiguousarray(colour[..., 0] if colour.shape[-1] == 1 else colour), notes
    if mode in ("L", "RGB", "I", "F"):
        reduced = mode == "RGB" and stored_bits > 8
        return np.array(picture), (f"{stored_bits}-bit colour was read as 8-bit",) if reduced else ()
    notes = (f"{mode} colour was converted to RGB",) if mode != "P" else ()
    return np.array(picture.convert("RGB")), notes


def _stored_bits(picture: PillowImage.Image) -> int:
    """Bits a sample, before Pillow's own reduction of 16-bit colour to 8."""
    if picture.mode == "1":
        return 1
    if picture.mode.startswith("I;16"):
        return 16
    if picture.mode in ("I", "F"):
        return 32
    if picture.format == "PNG":
        # The raw mode of the first tile ends in the depth where it is not eight bits, for example `RGB;16B`.
        tiles = getattr(picture, "tile", ())
        return 16 if tiles and ";16" in str(tiles[0][3]) else 8
    if picture.format == "TIFF":
        bits = getattr(picture, "tag_v2", {}).get(258, (8,))
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 8


def _describe_failure(path: Path, error: BaseException) -> InputError:
    words = str(" ".join(str(error).split()))[:160]
    # Pillow's own messages may hold the whole path; the subject already says it.
    if str(path) in words:
        words = "its content is not what its suffix says"
    return InputError(path, f"cannot be decoded ({words or type(error).__name__})")
