"""The format NIfTI. nibabel is imported when a file is read or written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO

import numpy as np

from drai_cli.errors import InputError
from drai_cli.io.about import About, as_json, parse_json_marks
from drai_cli.io.files import BROKEN, MAX_SIDECAR_BYTES, open_regular
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.stack import Spacing, Stack
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import IMAGE_SUFFIXES

_PLAIN_SUFFIX = ".nii"  # not compressed
MAGIC = {348: (344, b"n+1\x00"), 540: (4, b"n+2\x00\r\n\x1a\n")}
"""Of NIfTI-1 and NIfTI-2, by the size of the header: where it stands, and what."""


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


def sidecar_of(path: Path) -> Path:
    """The JSON next to a NIfTI file."""
    name = path.name
    for suffix in NIFTI.suffixes:
        name = name.removesuffix(suffix)
    return path.with_name(f"{name}.json")


def _read(path: Path) -> Stack:
    from drai_cli.io.nifti.read import read_nifti

    return read_nifti(path)


def _measure(path: Path) -> tuple[int, int, int, int]:
    from drai_cli.io.nifti.read import measure_nifti

    return measure_nifti(path)


def _measure_spacing(path: Path) -> Spacing | None:
    from drai_cli.io.nifti.read import measure_nifti_spacing

    return measure_nifti_spacing(path)


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
    measure_spacing=_measure_spacing,
    encode=_encode,
    encode_values=_encode_values,
    read_marks=_read_marks,
    is_medical=True,
    holds_frames=True,
    modules=("drai_cli.io.nifti.read",),
)
