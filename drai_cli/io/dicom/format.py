"""The format DICOM. Standard library only, until a file is read or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError
from drai_cli.io.about import About
from drai_cli.io.dicom.signature import DICOMDIR, NAME, PREAMBLE, begins_as_dicom
from drai_cli.io.files import open_regular
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.stack import Stack
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import IMAGE_SUFFIXES


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with or without the preamble; False for what is no regular file."""
    try:
        with open_regular(path) as file:
            return begins_as_dicom(file.read(PREAMBLE + 4))
    except (InputError, OSError):
        return False


def is_series(path: Path) -> bool:
    """Whether a path is a folder, a zip or a DICOMDIR: something that may hold a series."""
    return path.is_dir() or path.suffix.lower() == ".zip" or path.name == DICOMDIR


def _is_bare_file(path: Path) -> bool:
    """Scanners write no suffix, or the last number of a UID in its place."""
    return path.name.upper() != DICOMDIR and is_dicom(path)


def _read(path: Path) -> Stack:
    from drai_cli.io.dicom.read import read_dicom
    from drai_cli.io.dicom.series import read_series

    return read_series(path) if is_series(path) else read_dicom(path)


def _encode(stored: Stored, about: About, options: WriteOptions) -> tuple[bytes, ...]:
    from drai_cli.io.dicom.write import encode_dicom

    data = encode_dicom(
        stored, about, geometry=options.geometry, spacing_mm=options.spacing_mm,
        volumes=options.volumes, compression=options.compression,
    )  # fmt: skip
    return (data,)


def _read_marks(path: Path) -> dict[str, str]:
    import pydicom

    # Old files have no preamble; whether it is an image at all is for its reader to say.
    dataset = pydicom.dcmread(
        path, force=True, stop_before_pixels=True, specific_tags=["SyntheticData", "ImageComments"]
    )
    return marks_of(dataset)


def marks_of(dataset: Any) -> dict[str, str]:
    """What the header of a file says of itself."""
    marks: dict[str, str] = {}
    try:
        entry = json.loads(str(dataset.get("ImageComments", "")))
        marks = {str(name): str(text) for name, text in entry.items()}
    except (ValueError, AttributeError):
        pass  # somebody's own comment
    marks.pop("synthetic", None)
    flag = str(dataset.get("SyntheticData", "")).strip()
    return {"synthetic": "yes", **marks} if flag == "YES" else marks


DICOM = Format(
    NAME,
    "DICOM",
    (*IMAGE_SUFFIXES["dicom"], ".dicom", ".ima"),
    _read,
    is_content=is_dicom,
    is_bare_file=_is_bare_file,
    is_collection=is_series,
    encode=_encode,
    read_marks=_read_marks,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.dicom.read",),
)
