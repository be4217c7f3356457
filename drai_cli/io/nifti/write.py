"""NIfTI-1 files as bytes, with nibabel's header: values, place and description. Knows no sets or models.

The same arguments give the same bytes: no clock time, and none in the gzip wrapper.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Float64, Shaped

from drai_cli.errors import InputError
from drai_cli.io.geometry import Geometry
from drai_cli.io.stored import Stored

_RGB24 = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
_DTYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")
_MAX_SIDE = 32767  # dim is int16
_UNKNOWN = 0  # NIFTI_XFORM_UNKNOWN
_SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT
_UNIT_MM = 2
# Rows run down and columns right as a picture of a patient is shown: to the back and to the left.
UPRIGHT_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def to_nifti_values(
    stored: Stored,
) -> tuple[Shaped[np.ndarray, "frames height width *channels"], float, float]:
    """How NIfTI keeps stored numbers: array, scl_slope and scl_inter.

    Whole values of 16 bits are stored directly as int16 (Hounsfield units with slope 1). Otherwise slope and intercept
    are kept, which the file holds as float32.
    """
    if not stored.has_line:
        return stored.array, 1.0, 0.0
    values = stored.values()
    if (values == np.rint(values)).all() and values.min() >= -32768 and values.max() <= 32767:
        return values.astype(np.int16), 1.0, 0.0
    return stored.array, stored.slope, stored.intercept


def narrow_values(values: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Values in a type that NIfTI knows and that holds them exactly: the fewest bits for whole numbers."""
    if values.dtype == np.bool_ or values.dtype.kind in "iu":
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        for name in ("uint8", "int16", "uint16", "int32"):
            limits = np.iinfo(name)
            if limits.min <= low and high <= limits.max and (name, values.dtype.name) != ("uint8", "uint16"):
                return values.astype(name)
        return values.astype(np.float64)
    return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)


def encode_nifti(
    array: Shaped[np.ndarray, "frames height width *channels"],
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    unit: str = "",
    geometry: Geometry | None = None,
    spacing_mm: tuple[float | None, float, float] | None = None,
    volumes: int = 1,
    window: tuple[float, float] | None = None,
    description: str = "",
) -> bytes:
    """A NIfTI-1 file (`.nii`).

    Args:
        array: `[frames, H, W]` of a type NIfTI knows, or uint8 `[frames, H, W, 3]` (RGB24).
        slope: Of the line from stored number to value.
        intercept: Of that line.
        unit: Of values; stands in intent_name, since NIfTI has no field for it.
        geometry: Where frames lie. Without it, sform_code and qform_code are 0: unknown.
        spacing_mm: (slice, row, column) where only that is known.
        volumes: How many volumes in the same place the frames are of; several make the array 4-D.
        window: Centre and width to show it with, in values.
        description: At most 79 characters of ASCII; what is longer is cut.

    Raises:
        InputError: Colour that is not 8-bit, or too large for NIfTI.
    """
    if array.ndim == 4 and array.dtype != np.uint8:
        raise InputError(
            "NIfTI", f"expected colour of 8 bits, got {array.dtype.itemsize * 8}", "--format png keeps it"
        )
    if array.ndim == 3 and array.dtype.name not in _DTYPES:
        raise InputError("NIfTI", f"expected one of {', '.join(_DTYPES)}, got {array.dtype}")
    if max(array.shape[:3]) > _MAX_SIDE:
        raise InputError("NIfTI", f"expected at most {_MAX_SIDE} a side, got {array.shape[:3]}")
    if array.ndim == 4:
        array = np.ascontiguousarray(array).view(_RGB24)[..., 0]
    if volumes > 1:
        split = array.reshape(volumes, -1, *array.shape[1:])
        volume = split.transpose(3, 2, 1, 0)  # indices (column, row, slice, volume)
    else:
        volume = array.transpose(2, 1, 0)  # indices (column, row, slice), as the affine's
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(volume.dtype)
    header.set_data_shape(volume.shape)
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = slope, intercept
    header["magic"] = b"n+1"
    header["descrip"] = _ascii(description, 79)
    header["intent_name"] = _ascii(unit, 15)
    if window is not None:
        header["cal_min"], header["cal_max"] = window[0] - window[1] / 2, window[0] + window[1] / 2
    _set_place(header, geometry, spacing_mm)
    # In memory the columns vary fastest already, so that the join makes the only copy.
    data = np.ascontiguousarray(volume.T, volume.dtype.newbyteorder("<")).view(np.uint8)
    return b"".join((header.binaryblock, b"\0\0\0\0", data.data))


def compress_gzip(data: bytes, level: int = 6) -> bytes:
    """Bytes in a gzip wrapper without time, name or system (RFC 1952)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(data) + packer.flush()
    return (
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    )


def encode_sidecar(content: Mapping[str, Any]) -> bytes:
    """The JSON next to a NIfTI file, for what its header has no room for."""
    return (json.dumps(dict(content), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _set_place(
    header: Any, geometry: Geometry | None, spacing_mm: tuple[float | None, float, float] | None
) -> None:
    zooms = (1.0,) * (header["dim"][0] - 3)
    if geometry is not None:
        affine, code = geometry.to_ras(), _SCANNER
    else:
        # Codes 0 say that the place is unknown, and readers ignore the matrix: `nifti/read.py` sees in it that rows
        # run down.
        slice_mm, row_mm, column_mm = spacing_mm or (None, 1.0, 1.0)
        affine, code = UPRIGHT_RAS @ np.diag([column_mm, row_mm, slice_mm or 1.0, 1.0]), _UNKNOWN
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_zooms((*lengths, *zooms))
    header.set_sform(affine, code)
    if _is_orthogonal(affine / [*lengths, 1.0]):
        header.set_qform(affine, code)
    else:
        header.set_qform(None, _UNKNOWN)  # a quaternion knows no shear, and a tilted gantry is one
        header.set_zooms((*lengths, *zooms))
    header["xyzt_units"] = _UNIT_MM if geometry is not None or spacing_mm is not None else 0


def _is_orthogonal(affine: Float64[np.ndarray, "4 4"]) -> bool:
    return bool(np.allclose(affine[:3, :3].T @ affine[:3, :3], np.eye(3), atol=1e-5))


def _ascii(text: str, length: int) -> bytes:
    return text.encode("ascii", "backslashreplace")[:length]
