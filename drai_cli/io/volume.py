"""Volumes of formats that say how voxels lie in the patient, as stacks of frames in one orientation. Knows no format.

Stated once: whatever way a file stores its volume, the stack's array is `[slice, row, column]` with the column index
growing towards the patient's left, the row index towards the back and the slice index towards the head, each along the
nearest axis (nothing is resampled, so an oblique volume keeps its oblique affine). The frames of a 4-D file are all
slices of its first volume, then all of its second.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import IO

import numpy as np
from jaxtyping import Float64, Shaped
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from drai_cli.errors import InputError
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Measured, Stack
from drai_cli.io.values import replace_nonfinite

_CHUNK = 1 << 22


def read_numbers(
    subject: str, stream: IO[bytes], start: int, dtype: np.dtype[np.generic], shape: Sequence[int]
) -> Shaped[np.ndarray, "*shape"]:
    """Numbers as stored, the first index fastest, in the machine's order of bytes.

    Raises:
        InputError: The stream ends before.
    """
    expected = prod(shape) * dtype.itemsize
    stream.seek(start)
    raw = bytearray()
    while len(raw) < expected:
        chunk = stream.read(min(_CHUNK, expected - len(raw)))
        if not chunk:
            raise InputError(subject, f"ends early: expected {expected} bytes of voxels, got {len(raw)}")
        raw += chunk
    array: np.ndarray = np.frombuffer(raw, dtype).reshape(shape, order="F")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def measure_turned(shape: Sequence[int], affine: Float64[np.ndarray, "4 4"]) -> Measured:
    """What `turn_volume` would make of a volume `[x, y, z, volumes]` with a RAS affine."""
    turn = io_orientation(affine)
    x, y, z = (shape[int(np.flatnonzero(turn[:, 0] == axis)[0])] for axis in range(3))
    return Measured((shape[3], z, y, x), _turned_geometry(shape, affine).spacing_mm)


def _turned_geometry(shape: Sequence[int], affine: Float64[np.ndarray, "4 4"]) -> Geometry:
    return Geometry.from_ras(affine @ inv_ornt_aff(_turn(affine), shape[:3]))


def _turn(affine: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "3 2"]:
    turn: np.ndarray = ornt_transform(io_orientation(affine), axcodes2ornt(("L", "P", "S")))
    return turn


def turn_volume(
    values: Shaped[np.ndarray, "x y z volumes *channels"],
    affine: Float64[np.ndarray, "4 4"],
    *,
    kind: str,
    bits: int,
    source: str,
    is_placed: bool = True,
    unit: str = "",
    notes: Sequence[str] = (),
) -> Stack:
    """The stack of a volume.

    Args:
        values: In `unit`; numbers that are not finite become the least one.
        affine: From indices to RAS millimetres, invertible.
        kind: Name of the format.
        bits: Of a stored sample.
        source: For messages.
        is_placed: Whether the file says how it lies in the patient; else only spacing is kept.
        unit: Of a value.
        notes: What reading changed or noticed.
    """
    remarks = list(notes)
    values, broken = replace_nonfinite(values)
    if broken is not None:
        remarks.append(f"{int(broken.sum())} voxels are no numbers: now the least value")
    turn, geometry = _turn(affine), _turned_geometry(values.shape, affine)
    volumes = values.shape[3]
    if volumes > 1:
        remarks.append(f"{volumes} volumes: the frames are all slices of the first, then of the second")
    return Stack(
        array=_frames(values, turn),
        kind=kind,
        bits=bits,
        unit=unit,
        geometry=geometry if is_placed else None,
        spacing_mm=geometry.spacing_mm,
        volumes=volumes,
        padding=None if broken is None else _frames(broken, turn),
        source=source,
        notes=tuple(remarks),
    )


def _frames(
    values: Shaped[np.ndarray, "x y z volumes *channels"], turn: Float64[np.ndarray, "3 2"]
) -> Shaped[np.ndarray, "frames height width *channels"]:
    """Voxels turned to the one orientation, as frames."""
    turned = apply_orientation(values, turn)
    x, y, z, volumes = turned.shape[:4]
    order = (3, 2, 1, 0, *range(4, turned.ndim))
    return np.ascontiguousarray(turned.transpose(order)).reshape(volumes * z, y, x, *turned.shape[4:])
