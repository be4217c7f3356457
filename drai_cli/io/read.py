"""The one door to every image that can be read, whatever its format. Knows no sets or models."""

from __future__ import annotations

import warnings
from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.io.files import open_regular
from drai_cli.io.format import Format
from drai_cli.io.image import Image
from drai_cli.io.stack import Stack
from drai_cli.io.window import Window, choose_scale, frame_image, parse_window


def is_readable(path: Path) -> bool:
    """Whether a file's name, or else how it begins, is that of an image or series that can be read.

    A folder is not: its files have to be looked at.
    """
    return not path.is_dir() and registry.find_format(path) is not None


def read_stack(path: Path) -> Stack:
    """Reads every frame of a file, or of the one DICOM series in a folder, a zip or a DICOMDIR.

    Raises:
        InputError: It cannot be read; the message says why, and quotes nothing of the file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_stack(path)


def decode_stack(path: Path) -> Stack:
    """`read_stack` for threads: leaves Python's warning filters, which all threads share, to the caller."""
    return _require_format(path).read(path)


def read_image(path: Path, *, frame: int | None = None, window: Window | str | None = None) -> Image:
    """Reads one image, ready for a model: grey or RGB, uint8 or uint16.

    Args:
        path: Whatever `read_stack` reads.
        frame: Which frame of several, from 0.
        window: Which values become black and white, as `parse_window` takes it; `auto` if not given. Grey PNG and TIFF
            keep their depth and all their levels.

    Raises:
        InputError: Not readable, or several frames and none chosen.
        UsageError: No window.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_image(path, frame=frame, window=window)


def decode_image(path: Path, *, frame: int | None = None, window: Window | str | None = None) -> Image:
    """`read_image` for threads: leaves Python's warning filters, which all threads share, to the caller."""
    window = window if isinstance(window, Window) else parse_window(window)
    format = _require_format(path)
    if format.read_frame is not None:
        image = format.read_frame(path, frame)
        if window.choice == "auto":
            return image
        stack = Stack(image.array[None], format.name, image.bits, source=image.source, notes=image.notes)
        return frame_image(stack, 0, window)
    stack = format.read(path)
    return frame_image(stack, choose_frame(stack, frame), window, choose_scale(stack, window))


def _require_format(path: Path) -> Format:
    format = registry.find_format(path)
    if format is not None:
        return format
    with open_regular(path):  # so that a missing file is called missing
        pass
    raise InputError(
        path,
        "expected an image, got something else",
        f"{registry.list_titles(registry.FORMATS)} are read",
    )


def choose_frame(stack: Stack, frame: int | None) -> int:
    """The frame that is meant.

    Raises:
        InputError: There are several and none is chosen, or there is no such frame.
    """
    count = len(stack.array)
    if frame is None and count > 1:
        raise InputError(stack.source, f"expected one frame, got {count}", "pick one with --frame N")
    if frame is not None and not 0 <= frame < count:
        raise InputError(stack.source, f"expected a frame from 0 to {count - 1}, got {frame}")
    return frame or 0
