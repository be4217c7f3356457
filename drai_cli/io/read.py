"""The one door to every image that can be read: PNG, JPEG, TIFF, BMP, GIF, DICOM and NIfTI.

Which of them a file is follows from its suffix; where that says nothing, from how it begins. Knows no sets or models.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import cast

from drai_cli.errors import InputError
from drai_cli.io import raster
from drai_cli.io.dicom.file import SUFFIXES as DICOM_SUFFIXES
from drai_cli.io.dicom.file import is_dicom
from drai_cli.io.dicom.read import read_dicom
from drai_cli.io.dicom.series import is_series, read_series
from drai_cli.io.files import open_regular
from drai_cli.io.image import Image
from drai_cli.io.nifti.read import SUFFIXES as NIFTI_SUFFIXES
from drai_cli.io.nifti.read import is_nifti, read_nifti
from drai_cli.io.stack import Kind, Stack
from drai_cli.io.window import Window, chosen_scale, frame_image, parse_window


def is_readable(path: Path) -> bool:
    """Whether a file's name, or else how it begins, is that of an image or series that this module reads.

    A folder is not: what is in it has to be looked at.
    """
    return not path.is_dir() and (has_suffix(path) or is_series(path) or is_dicom(path) or is_nifti(path))


def has_suffix(path: Path) -> bool:
    """Whether a file's name alone says that it is an image."""
    name = path.name.lower()
    return raster.is_raster(path) or name.endswith((*DICOM_SUFFIXES, *NIFTI_SUFFIXES))


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
    name = path.name.lower()
    if is_series(path):
        return read_series(path)
    if raster.is_raster(path):
        return _raster_stack(path)
    if name.endswith(NIFTI_SUFFIXES):
        return read_nifti(path)
    if name.endswith(DICOM_SUFFIXES) or is_dicom(path):
        return read_dicom(path)
    if is_nifti(path):
        return read_nifti(path)
    with open_regular(path):  # so that a missing file is called missing
        pass
    raise InputError(
        path,
        "expected an image, got something else",
        "PNG, JPEG, TIFF, BMP, GIF, DICOM and NIfTI are read",
    )


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
    if raster.is_raster(path) and not path.is_dir():
        image = raster.decode_image(path, frame=frame)
        return image if window.choice == "auto" else frame_image(_of_image(image, path), 0, window)
    stack = decode_stack(path)
    return frame_image(stack, chosen_frame(stack, frame), window, chosen_scale(stack, window))


def chosen_frame(stack: Stack, frame: int | None) -> int:
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


def _raster_stack(path: Path) -> Stack:
    kind, array, bits = raster.read_frames(path)
    notes: tuple[str, ...] = ()
    channels = 1 if array.ndim == 2 or array.shape[-1] not in (2, 3, 4) else int(array.shape[-1])
    is_several = array.ndim == 4 or (array.ndim == 3 and channels == 1)
    array = array if is_several else array[None]
    if channels in (2, 4):
        notes = ("its alpha channel is left out",)
        array = array[..., 0] if channels == 2 else array[..., :3]
    return Stack(array, cast(Kind, kind), bits, source=str(path), notes=notes)


def _of_image(image: Image, path: Path) -> Stack:
    suffix = path.suffix.lower().removeprefix(".")
    kind = {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)
    return Stack(image.array[None], cast(Kind, kind), image.bits, source=image.source, notes=image.notes)
