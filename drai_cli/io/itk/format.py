"""The formats MHA (MetaImage) and NRRD, read by SimpleITK, an extra. Standard library only, until a file is read."""

from __future__ import annotations

from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.io.format import Format
from drai_cli.io.stack import Measured, Stack


def _begins_as_mha(head: bytes) -> bool:
    return head.startswith((b"ObjectType", b"NDims", b"Comment")) and b"=" in head


def _begins_as_nrrd(head: bytes) -> bool:
    return head.startswith(b"NRRD000")


def _head(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(256)
    except (InputError, *BROKEN):
        return b""


def _read_mha(path: Path) -> Stack:
    from drai_cli.io.itk.read import read_itk

    return read_itk(path, MHA)


def _read_nrrd(path: Path) -> Stack:
    from drai_cli.io.itk.read import read_itk

    return read_itk(path, NRRD)


def _measure_mha(path: Path) -> Measured:
    from drai_cli.io.itk.read import measure_itk

    return measure_itk(path, MHA)


def _measure_nrrd(path: Path) -> Measured:
    from drai_cli.io.itk.read import measure_itk

    return measure_itk(path, NRRD)


MHA = Format(
    "mha",
    "MHA",
    (".mha", ".mhd"),
    _read_mha,
    is_content=lambda path: _begins_as_mha(_head(path)),
    measure=_measure_mha,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.itk.read",),
)
NRRD = Format(
    "nrrd",
    "NRRD",
    (".nrrd", ".nhdr"),
    _read_nrrd,
    is_content=lambda path: _begins_as_nrrd(_head(path)),
    measure=_measure_nrrd,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.itk.read",),
)
