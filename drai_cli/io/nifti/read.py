"""NIfTI-1 and NIfTI-2 single files as stacks; the header by nibabel, the bytes within bounds.

Stated once: whatever way a file stores its volume, the stack's array is `[slice, row, column]` with the column index
growing towards the patient's left, the row index towards the back and the slice index towards the head, each along the
nearest axis (nothing is resampled, so an oblique volume keeps its oblique affine). The frames of a 4-D file are all
slices of its first volume, then all of its second.
"""

from __future__ import annotations

import os
from math import isfinite, prod
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
from jaxtyping import Float64, Shaped
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import (
    OrientationError,
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.io.geometry import Geometry
from drai_cli.io.nifti.format import MAGIC, NIFTI, open_stream
from drai_cli.io.stack import ALPHA_LEFT_OUT, Stack
from drai_cli.io.values import check_memory, check_size, choose_rescaled_dtype, replace_nonfinite, rescale
from drai_cli.io.window import HU

_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_MAX_OFFSET = 1 << 26
_CHUNK = 1 << 22
_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
_RGB = {np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]): 3, np.dtype([(c, "u1") for c in "RGBA"]): 4}
_FAILURES = (
    *BROKEN,
    HeaderDataError,
    ImageFileError,
    OrientationError,
    WrapStructError,
    RuntimeError,
    Warning,
)


def read_nifti(path: Path) -> Stack:
    """Reads a NIfTI file: all slices of all volumes.

    Python's warning filters, which all threads share, are left to the caller.

    Raises:
        InputError: No NIfTI, broken, too large, or of a kind that is no image.
    """
    subject = str(path)
    try:
        with open_regular(path) as file, open_stream(file) as stream:
            header, shape = _header(subject, stream)
            _check_memory(subject, header, shape, os.fstat(file.fileno()).st_size)
            stored = _stored(subject, stream, header, shape)
        return _stack(subject, header, stored)
    except _FAILURES as error:
        raise InputError(subject, f"is broken or no NIfTI ({type(error).__name__})") from error


def measure_nifti(path: Path) -> tuple[int, int, int, int]:
    """Volumes, slices, rows and columns of the stack that `read_nifti` would give, by the header alone.

    Raises:
        InputError: No NIfTI, or a header that says too much or nothing.
    """
    subject = str(path)
    try:
        with open_regular(path) as file, open_stream(file) as stream:
            header, shape = _header(subject, stream)
        turn = io_orientation(_affine(header, shape[:3])[0])
        x, y, z = (shape[int(np.flatnonzero(turn[:, 0] == axis)[0])] for axis in range(3))
        return shape[3], z, y, x
    except _FAILURES as error:
        raise InputError(subject, f"is broken or no NIfTI ({type(error).__name__})") from error


def _header(subject: str, stream: IO[bytes]) -> tuple[nibabel.Nifti1Header, tuple[int, ...]]:
    """The header and the shape `[x, y, z, volumes]`, checked before anything of that size is made."""
    head = stream.read(540)
    header_bytes = next(
        (size for size, (at, magic) in MAGIC.items() if head[at : at + len(magic)] == magic), None
    )
    if header_bytes is None:
        if head[344:348] == b"ni1\x00":
            raise InputError(subject, "is one of two files (.hdr and .img)", "convert it to one .nii file")
        raise InputError(subject, "expected a NIfTI file, got something else")
    make: Any = _HEADERS[header_bytes]
    header = make(head[:header_bytes], check=False)
    shape = tuple(int(extent) for extent in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise InputError(subject, f"expected 2 to 4 dimensions, got {' × '.join(map(str, shape)) or 'none'}")
    shape = (*shape, 1, 1)[:4]
    dtype = header.get_data_dtype()
    if (dtype.newbyteorder("=").kind not in "iuf" and dtype not in _RGB) or (
        dtype.itemsize > 8 and dtype not in _RGB
    ):
        raise InputError(subject, f"expected whole or real numbers or RGB, got {dtype}")
    check_size(subject, (shape[2] * shape[3], shape[1], shape[0]), 2 * dtype.itemsize)
    offset = float(header["vox_offset"])
    if not isfinite(offset) or not 0 <= offset <= _MAX_OFFSET or not offset.is_integer():
        raise InputError(subject, "its header says that the voxels begin where they cannot")
    return header, shape


def _check_memory(
    subject: str, header: nibabel.Nifti1Header, shape: tuple[int, ...], file_bytes: int
) -> None:
    """Checks what the voxels take as stored, as values, and turned; and a mask where they may be no numbers."""
    dtype = header.get_data_dtype().newbyteorder("=")
    values = dtype.itemsize
    if dtype not in _RGB:
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        low, high = (limits.min, limits.max) if limits is not None else (0, 0)
        values = choose_rescaled_dtype(dtype, low, high, [_scale(header)]).itemsize
    check_memory(subject, prod(shape) * (dtype.itemsize + 2 * values + 1), file_bytes)


def _stored(
    subject: str, stream: IO[bytes], header: nibabel.Nifti1Header, shape: tuple[int, ...]
) -> Shaped[np.ndarray, "x y z volumes"]:
    """The numbers as stored."""
    dtype = header.get_data_dtype()
    expected = prod(shape) * dtype.itemsize
    start = max(int(header["vox_offset"]), header.sizeof_hdr)
    stream.seek(start)
    raw = bytearray()
    while len(raw) < expected:
        chunk = stream.read(min(_CHUNK, expected - len(raw)))
        if not chunk:
            raise InputError(subject, f"ends early: expected {expected} bytes of voxels, got {len(raw)}")
        raw += chunk
    array: np.ndarray = np.frombuffer(raw, dtype).reshape(shape, order="F")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _stack(subject: str, header: nibabel.Nifti1Header, stored: Shaped[np.ndarray, "x y z volumes"]) -> Stack:
    notes: list[str] = []
    dtype = stored.dtype
    if dtype in _RGB:
        if _RGB[dtype] == 4:
            notes.append(ALPHA_LEFT_OUT)
        values = np.stack([stored[channel] for channel in "RGB"], axis=-1)
        bits = 8
    else:
        slope, intercept = _scale(header)
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        low, high = (limits.min, limits.max) if limits is not None else (0, 0)
        values = rescale(
            stored, slope, intercept, choose_rescaled_dtype(dtype, low, high, [(slope, intercept)])
        )
        bits = 8 * dtype.itemsize
    values, broken = replace_nonfinite(values)
    if broken is not None:
        notes.append(f"{int(broken.sum())} voxels are no numbers: now the least value")
    affine, is_placed, note = _affine(header, stored.shape[:3])
    notes += note
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(("L", "P", "S")))
    moved = affine @ inv_ornt_aff(turn, stored.shape[:3])
    volumes = stored.shape[3]
    array = _frames(values, turn)
    if volumes > 1:
        notes.append(f"{volumes} volumes: the frames are all slices of the first, then of the second")
    geometry = Geometry.from_ras(moved)
    return Stack(
        array=array,
        kind=NIFTI.name,
        bits=bits,
        unit=_unit(header),
        geometry=geometry if is_placed else None,
        spacing_mm=geometry.spacing_mm,
        volumes=volumes,
        padding=None if broken is None else _frames(broken, turn),
        source=subject,
        notes=tuple(notes),
    )


def _frames(
    values: Shaped[np.ndarray, "x y z volumes *channels"], turn: Float64[np.ndarray, "3 2"]
) -> Shaped[np.ndarray, "frames height width *channels"]:
    """Voxels turned to the one orientation, as frames."""
    turned = apply_orientation(values, turn)
    x, y, z, volumes = turned.shape[:4]
    order = (3, 2, 1, 0, *range(4, turned.ndim))
    return np.ascontiguousarray(turned.transpose(order)).reshape(volumes * z, y, x, *turned.shape[4:])


def _unit(header: nibabel.Nifti1Header) -> str:
    """`HU` where intent_name says so, as `nifti_write` has it: NIfTI has no field for the unit of values."""
    return HU if bytes(header["intent_name"].tobytes()).rstrip(b"\0").strip() == HU.encode() else ""


def _scale(header: nibabel.Nifti1Header) -> tuple[float, float]:
    """scl_slope and scl_inter; a slope of 0, or one that is no number, says that there is no scale."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not isfinite(slope):
        return 1.0, 0.0
    return slope, intercept if isfinite(intercept) else 0.0


def _affine(
    header: nibabel.Nifti1Header, shape: tuple[int, ...]
) -> tuple[Float64[np.ndarray, "4 4"], bool, list[str]]:
    """From indices to RAS millimetres: sform, else qform, else by spacing alone; whether the file says it."""
    notes: list[str] = []
    scale = _MM.get(header.get_xyzt_units()[0], 1.0)
    for code in ("sform_code", "qform_code"):
        if int(header[code]) <= 0:
            continue
        form = header.get_sform() if code == "sform_code" else header.get_qform()
        affine = np.asarray(form, np.float64)
        if np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9:
            return np.diag([scale, scale, scale, 1.0]) @ affine, True, notes
        notes.append(f"its {code.removesuffix('_code')} is no orientation and is ignored")
    zooms = [abs(float(zoom)) for zoom in header.get_zooms()[:3]] + [1.0] * 3
    zooms = [zoom * scale if isfinite(zoom) and zoom > 0 else 1.0 for zoom in zooms[:3]]
    notes.append(
        "it does not say how it lies in the patient: taken as stored from left to right, feet to head"
    )
    # As nibabel has it: without either form the first axis runs from right to left.
    return np.diag([-zooms[0], zooms[1], zooms[2], 1.0]), False, notes
