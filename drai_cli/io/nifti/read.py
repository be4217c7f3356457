"""NIfTI-1 and NIfTI-2, pairs of header and voxels (NIfTI, Analyze 7.5) and FreeSurfer's MGH as stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from math import isfinite, prod
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from jaxtyping import Float64, Shaped
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer.mghformat import MGHError, MGHHeader
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN
from drai_cli.io.format import Format
from drai_cli.io.intensity import HU
from drai_cli.io.nifti.header import COLOUR as _RGB
from drai_cli.io.nifti.header import Opened, open_analyze, open_mgh, open_nifti
from drai_cli.io.nifti.signature import header_of_pair
from drai_cli.io.stack import ALPHA_LEFT_OUT, Measured, Stack
from drai_cli.io.values import check_memory, choose_rescaled_dtype, rescale
from drai_cli.io.volume import measure_turned, read_numbers, turn_volume

_Open = Callable[[Path], AbstractContextManager[Opened]]
_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
_FAILURES = (
    *BROKEN,
    HeaderDataError,
    ImageFileError,
    MGHError,
    OrientationError,
    WrapStructError,
    RuntimeError,
    Warning,
)


def read_nifti(path: Path, format: Format) -> Stack:
    """Reads a NIfTI file: all slices of all volumes.

    Python's warning filters, which all threads share, are left to the caller.

    Raises:
        InputError: No NIfTI, broken, too large, or of a kind that is no image.
    """
    return _read(path, format, open_nifti)


def read_analyze(path: Path, format: Format) -> Stack:
    """Reads a pair of header and voxels, NIfTI or Analyze 7.5; otherwise as `read_nifti`."""
    stack = _read(path, format, open_analyze)
    header = header_of_pair(path)
    if stack.geometry is None and header.with_name(f"{header.name.split('.hdr')[0]}.mat").is_file():
        note = "its .mat file (SPM), which may say how it lies in the patient, is not read"
        return replace(stack, notes=(*stack.notes, note))
    return stack


def read_mgh(path: Path, format: Format) -> Stack:
    """Reads a FreeSurfer volume; otherwise as `read_nifti`."""
    return _read(path, format, open_mgh)


def measure_nifti(path: Path, format: Format) -> Measured:
    """What `read_nifti` would give, by the header alone.

    Raises:
        InputError: No NIfTI, or a header that says too much or nothing.
    """
    return _measure(path, format, open_nifti)


def measure_analyze(path: Path, format: Format) -> Measured:
    """As `measure_nifti`, of a pair."""
    return _measure(path, format, open_analyze)


def measure_mgh(path: Path, format: Format) -> Measured:
    """As `measure_nifti`, of a FreeSurfer volume."""
    return _measure(path, format, open_mgh)


def _measure(path: Path, format: Format, open_kind: _Open) -> Measured:
    with _documented(path, format), open_kind(path) as opened:
        return measure_turned(opened.shape, _affine(opened.header)[0])


def _read(path: Path, format: Format, open_kind: _Open) -> Stack:
    subject = str(path)
    with _documented(path, format):
        with open_kind(path) as opened:
            _check_memory(path, opened)
            stored = read_numbers(subject, opened.stream, opened.start, opened.dtype, opened.shape)
        return _stack(subject, format.name, opened.header, stored)


@contextmanager
def _documented(path: Path, format: Format) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise InputError(path, f"is broken or no {format.title} ({type(error).__name__})") from error


def _check_memory(path: Path, opened: Opened) -> None:
    """Checks what the voxels take as stored, as values, and turned; and a mask where they may be no numbers."""
    dtype = opened.dtype.newbyteorder("=")
    values = dtype.itemsize
    if dtype not in _RGB and dtype.kind in "iuf":
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        low, high = (limits.min, limits.max) if limits is not None else (0, 0)
        values = choose_rescaled_dtype(dtype, low, high, [_scale(opened.header)]).itemsize
    needed = prod(opened.shape) * (dtype.itemsize + 2 * values + 1)
    check_memory(str(path), needed, opened.file_bytes)


def _stack(
    subject: str, kind: str, header: Any, stored: Shaped[np.ndarray, "x y z volumes *channels"]
) -> Stack:
    notes: list[str] = []
    dtype = stored.dtype
    if dtype in _RGB or stored.ndim == 5:
        channels = _RGB[dtype] if dtype in _RGB else stored.shape[4]
        if channels == 4:
            notes.append(ALPHA_LEFT_OUT)
        values = (
            np.stack([stored[channel] for channel in "RGB"], axis=-1) if dtype in _RGB else stored[..., :3]
        )
        bits = 8
    else:
        slope, intercept = _scale(header)
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        low, high = (limits.min, limits.max) if limits is not None else (0, 0)
        values = rescale(
            stored, slope, intercept, choose_rescaled_dtype(dtype, low, high, [(slope, intercept)])
        )
        bits = 8 * dtype.itemsize
    affine, is_placed, said = _affine(header)
    return turn_volume(
        values, affine, kind=kind, bits=bits, source=subject, is_placed=is_placed, unit=_unit(header),
        notes=(*notes, *said),
    )  # fmt: skip


def _unit(header: Any) -> str:
    """`HU` where intent_name says so, as `nifti_write` has it: NIfTI has no field for the unit of values."""
    if not isinstance(header, nibabel.Nifti1Header):
        return ""
    return HU if bytes(header["intent_name"].tobytes()).rstrip(b"\0").strip() == HU.encode() else ""


def _scale(header: Any) -> tuple[float, float]:
    """scl_slope and scl_inter; a slope of 0, or one that is no number, says that there is no scale."""
    if "scl_slope" not in header:  # MGH
        return 1.0, 0.0
    slope = float(header["scl_slope"])
    intercept = float(header["scl_inter"]) if "scl_inter" in header else 0.0  # Analyze has none
    if slope == 0 or not isfinite(slope):
        return 1.0, 0.0
    return slope, intercept if isfinite(intercept) else 0.0


def _affine(header: Any) -> tuple[Float64[np.ndarray, "4 4"], bool, list[str]]:
    """From indices to RAS millimetres: what the file says, else by spacing alone; and whether it says it."""
    notes: list[str] = []
    forms: list[tuple[str, Any]] = []
    scale = 1.0
    if isinstance(header, nibabel.Nifti1Header):
        scale = _MM.get(header.get_xyzt_units()[0], 1.0)
        forms = [
            (name, get)
            for name, get in (("sform", header.get_sform), ("qform", header.get_qform))
            if int(header[f"{name}_code"]) > 0
        ]
    elif isinstance(header, MGHHeader) and int(header["goodRASFlag"]) > 0:
        forms = [("affine", header.get_affine)]
    for name, get in forms:
        affine = np.asarray(get(), np.float64)
        if np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9:
            return np.diag([scale, scale, scale, 1.0]) @ affine, True, notes
        notes.append(f"its {name} is no orientation and is ignored")
    zooms = [abs(float(zoom)) for zoom in header.get_zooms()[:3]] + [1.0] * 3
    zooms = [zoom * scale if isfinite(zoom) and zoom > 0 else 1.0 for zoom in zooms[:3]]
    if isinstance(header, MGHHeader):
        notes.append(
            "it does not say how it lies in the patient: taken as coronal slices, as FreeSurfer does"
        )
        # FreeSurfer's default: columns to the left, rows to the feet, slices to the front.
        return (
            np.array([[-zooms[0], 0, 0, 0], [0, 0, zooms[2], 0], [0, -zooms[1], 0, 0], [0, 0, 0, 1.0]]),
            False,
            notes,
        )
    notes.append(
        "it does not say how it lies in the patient: taken as stored from left to right, feet to head"
    )
    if isinstance(header, nibabel.Nifti1Header) and _is_upright(header, zooms):
        return np.diag([-zooms[0], -zooms[1], zooms[2], 1.0]), False, []
    # As nibabel has it: without either form the first axis runs from right to left.
    return np.diag([-zooms[0], zooms[1], zooms[2], 1.0]), False, notes


def _is_upright(header: nibabel.Nifti1Header, zooms: Sequence[float]) -> bool:
    """Whether the ignored matrix of a file without a place is the one that `nifti/write.py` leaves: rows run down."""
    rows = np.array([header["srow_x"], header["srow_y"], header["srow_z"]], np.float64)
    expected = np.diag([-zooms[0], -zooms[1], zooms[2], 1.0])[:3]
    return bool(np.allclose(rows, expected, rtol=1e-6))
