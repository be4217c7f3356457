"""The formats NIfTI, Analyze and MGH. nibabel is imported when a file is read or written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drai_cli.errors import InputError
from drai_cli.io.about import About, as_json, parse_json_marks
from drai_cli.io.files import BROKEN, MAX_SIDECAR_BYTES, open_regular
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.nifti.signature import HEADER_ENDS, MAGIC, PAIR_MAGIC, header_of_pair, open_stream
from drai_cli.io.stack import Measured, Stack
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import IMAGE_SUFFIXES

_PLAIN_SUFFIX = ".nii"  # not compressed


def is_nifti(path: Path) -> bool:
    """Whether a file begins as NIfTI does, compressed or not; False for what is no regular file."""
    try:
        with open_regular(path) as file, open_stream(file) as stream:
            head = stream.read(348)
    except (InputError, *BROKEN):
        return False
    return any(head[at : at + len(magic)] == magic for at, magic in MAGIC.values())


def is_pair(path: Path) -> bool:
    """Whether a file is header or voxels of a pair, NIfTI or Analyze 7.5; False for what is no regular file."""
    header = header_of_pair(path)
    if not header.name.lower().endswith(HEADER_ENDS):
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

    return read_nifti(path, NIFTI)


def _measure(path: Path) -> Measured:
    from drai_cli.io.nifti.read import measure_nifti

    return measure_nifti(path, NIFTI)


def _read_analyze(path: Path) -> Stack:
    from drai_cli.io.nifti.read import read_analyze

    return read_analyze(path, ANALYZE)


def _measure_analyze(path: Path) -> Measured:
    from drai_cli.io.nifti.read import measure_analyze

    return measure_analyze(path, ANALYZE)


def _read_mgh(path: Path) -> Stack:
    from drai_cli.io.nifti.read import read_mgh

    return read_mgh(path, MGH)


def _measure_mgh(path: Path) -> Measured:
    from drai_cli.io.nifti.read import measure_mgh

    return measure_mgh(path, MGH)


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
    HEADER_ENDS,
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
