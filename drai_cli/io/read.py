"""The one door to every image that can be read, whatever its format. Knows no sets or models."""

from __future__ import annotations

import warnings
from dataclasses import replace
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
    format = _require_format(path)
    try:
        return format.read(path)
    except InputError:
        other = _other_format(path, format)
        if other is None:
            raise
    stack = other.read(path)
    return replace(stack, notes=(f"it is a {other.title} file, whatever its name says", *stack.notes))


def decode_frame(path: Path, frame: int | None = None) -> Stack:
    """One frame, its values as they are, as a stack of one; for threads, as `decode_stack`.

    Args:
        path: Whatever `read_stack` reads.
        frame: Which frame of several, from 0.

    Raises:
        InputError: Not readable, or several frames and none chosen.
    """
    stack = _decode_frame(path, _require_format(path), frame)
    if stack is not None:
        return stack
    stack = decode_stack(path)
    return stack.frame(choose_frame(stack, frame))


def _decode_frame(path: Path, format: Format, frame: int | None) -> Stack | None:
    """One frame by a reader that is quicker than reading all; None where there is none for what the file is."""
    if format.read_frame is None:
        return None
    try:
        return format.read_frame(path, frame)
    except InputError:
        if _other_format(path, format) is None:
            raise
    return None


def read_frame(path: Path, frame: int | None = None) -> Stack:
    """`decode_frame` without Python's warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_frame(path, frame)


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
    only = _decode_frame(path, _require_format(path), frame)
    if only is not None:
        return frame_image(only, 0, window)
    stack = decode_stack(path)
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
        registry.hint_for(path.name) or f"{registry.list_titles(registry.FORMATS)} are read",
    )


def _other_format(path: Path, format: Format) -> Format | None:
    """The format that a file is by its content, where another reader than that of its name reads it."""
    found = registry.format_of_content(path)
    return None if found is None or found.read is format.read else found


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
