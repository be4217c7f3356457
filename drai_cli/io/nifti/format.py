"""The formats NIfTI, Analyze and MGH. nibabel is imported when a file is read or written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO

import numpy as np

from drai_cli.errors import InputError
from drai_cli.io.about import About, as_json, parse_json_marks
from drai_cli.io.files import BROKEN, MAX_SIDECAR_BYTES, open_regular
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.stack import Measured, Stack
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import IMAGE_SUFFIXES

_PLAIN_SUFFIX = ".nii"  # not compressed
MAGIC = {348: (344, b"n+1\x00"), 540: (4, b"n+2\x00\r\n\x1a\n")}
"""Of NIfTI-1 and NIfTI-2, by the size of the header: where it stands, and what."""


PAIR_MAGIC = {348: (344, b"ni1\x00"), 540: (4, b"ni2\x00\r\n\x1a\n")}
"""The same of headers whose voxels are in another file."""
_HEADER_ENDS, _VOXEL_ENDS = (".hdr", ".hdr.gz"), (".img", ".img.gz")


def is_nifti(path: Path) -> bool:
    """Whether a file begins as NIfTI does, compressed or not; False for what is no regular file."""
    try:
        with open_regular(path) as file, open_stream(file) as stream:
            head = stream.read(348)
    except (InputError, *BROKEN):
        return False
    return any(head[at : at + len(magic)] == magic for at, magic in MAGIC.values())


def open_stream(file: IO[bytes]) -> IO[bytes]:
    """The file itself, or what it holds compressed."""
    start = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file  # type: ignore[return-value]


def header_of_pair(path: Path) -> Path:
    """The header of a pair, by the path of either file."""
    return _partner(path, _VOXEL_ENDS, _HEADER_ENDS)


def voxels_of_pair(path: Path) -> Path:
    """The voxels of a pair, by the path of the header; a link to them is not followed.

    Raises:
        InputError: They are not beside it.
    """
    voxels = _partner(path, _HEADER_ENDS, _VOXEL_ENDS)
    if voxels == path or not voxels.is_file():
        raise InputError(path, "expected its voxels beside it (.img), got no such file", "copy both files")
    if voxels.is_symlink():
        raise InputError(path, "its voxels (.img) are a symbolic link", "copy the file itself")
    return voxels


def _partner(path: Path, ends: tuple[str, ...], others: tuple[str, ...]) -> Path:
    """The file beside it whose suffix is one of the others, where its own is one of the first; else itself."""
    name = path.name.lower()
    end = next((end for end in reversed(ends) if name.endswith(end)), None)
    if end is None:
        return path
    stem = path.name[: -len(end)]
    found = [path.with_name(stem + each) for other in others for each in (other, other.upper())]
    return next((each for each in found if each.is_file()), path)


def is_pair(path: Path) -> bool:
    """Whether a file is header or voxels of a pair, NIfTI or Analyze 7.5; False for what is no regular file."""
    header = header_of_pair(path)
    if not header.name.lower().endswith(_HEADER_ENDS):
        return False
    try:
        with open_regular(header) as file, open_stream(file) as stream:
            head = stream.read(352)
    except (InputError, *BROKEN):
        return False
    if len(head) < 348:
        return False
    is_nifti_pair = any(head[at : at + len(magic)] == magic for at, magic in PAIR_MAGIC.values())
    return is_nifti_pair or 348 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))


def is_mgh(path: Path) -> bool:
    """Whether a file is a FreeSurfer volume by its suffix and its beginning."""
    if not path.name.lower().endswith(MGH.suffixes):
        return False
    try:
        with open_regular(path) as file, open_stream(file) as stream:
            return stream.read(4) == b"\0\0\0\1"
    except (InputError, *BROKEN):
        return False


def sidecar_of(path: Path) -> Path:
    """The JSON next to a NIfTI file."""
    name = path.name
    for suffix in NIFTI.suffixes:
        name = name.removesuffix(suffix)
    return path.with_name(f"{name}.json")


def _read(path: Path) -> Stack:
    from drai_cli.io.nifti.read import read_nifti

    return read_nifti(path)


def _measure(path: Path) -> Measured:
    from drai_cli.io.nifti.read import measure_nifti

    return measure_nifti(path)


def _read_analyze(path: Path) -> Stack:
    from drai_cli.io.nifti.read import read_analyze

    return read_analyze(path)


def _measure_analyze(path: Path) -> Measured:
    from drai_cli.io.nifti.read import measure_analyze

    return measure_analyze(path)


def _read_mgh(path: Path) -> Stack:
    from drai_cli.io.nifti.read import read_mgh

    return read_mgh(path)


def _measure_mgh(path: Path) -> Measured:
    from drai_cli.io.nifti.read import measure_mgh

    return measure_mgh(path)


def _encode(stored: Stored, about: About, options: WriteOptions) -> tuple[bytes, ...]:
    from drai_cli.io.nifti.write import to_nifti_values

    return _encode_files(*to_nifti_values(stored), stored.unit, about, options)


def _encode_values(array: np.ndarray, unit: str, about: About, options: WriteOptions) -> tuple[bytes, ...]:
    from drai_cli.io.nifti.write import narrow_values

    return _encode_files(array if array.ndim == 4 else narrow_values(array), 1.0, 0.0, unit, about, options)


def _encode_files(
    array: np.ndarray, slope: float, intercept: float, unit: str, about: About, options: WriteOptions
) -> tuple[bytes, bytes]:
    from drai_cli.io.nifti.write import compress_gzip, encode_nifti, encode_sidecar

    data = encode_nifti(
        array,
        slope=slope,
        intercept=intercept,
        unit=unit,
        geometry=options.geometry,
        spacing_mm=options.spacing_mm,
        volumes=options.volumes,
        window=about.window,
        description=about.summarise(),
    )
    has_spacing = options.geometry is not None or options.spacing_mm is not None
    sidecar = encode_sidecar(as_json(about.marks, unit=unit, has_spacing=has_spacing))
    return data if options.suffix.lower() == _PLAIN_SUFFIX else compress_gzip(data), sidecar


def _read_marks(path: Path) -> dict[str, str]:
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        return {}
    with open_regular(sidecar, max_bytes=MAX_SIDECAR_BYTES) as file:
        return parse_json_marks(file.read())


NIFTI = Format(
    "nifti",
    "NIfTI",
    (IMAGE_SUFFIXES["nifti"][0], _PLAIN_SUFFIX),
    _read,
    is_content=is_nifti,
    measure=_measure,
    encode=_encode,
    encode_values=_encode_values,
    read_marks=_read_marks,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.nifti.read",),
)

ANALYZE = Format(
    "analyze",
    "Analyze",
    _HEADER_ENDS,
    _read_analyze,
    is_content=is_pair,
    is_shared_suffix=True,
    measure=_measure_analyze,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.nifti.read",),
)
MGH = Format(
    "mgh",
    "MGH",
    (".mgz", ".mgh", ".mgh.gz"),
    _read_mgh,
    is_content=is_mgh,
    measure=_measure_mgh,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.nifti.read",),
)
