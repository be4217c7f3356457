"""Headers of NIfTI, Analyze and MGH files, parsed by nibabel and checked before anything of their size is made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.spm2analyze import Spm2AnalyzeHeader

from drai_cli.errors import InputError
from drai_cli.io.files import open_regular
from drai_cli.io.nifti.signature import MAGIC, PAIR_MAGIC, header_of_pair, open_stream, voxels_of_pair
from drai_cli.io.values import check_size

COLOUR = {np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]): 3, np.dtype([(c, "u1") for c in "RGBA"]): 4}
"""Types of a voxel that are colour, and their channels."""
_HEADERS: dict[int, Any] = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_MAX_OFFSET = 1 << 26
_MGH_DATA = 284  # bytes before the voxels
_MGH_TYPES = (0, 1, 3, 4, 10)


@dataclass(frozen=True)
class Opened:
    """A file whose header is read and checked.

    Attributes:
        header: nibabel's.
        stream: Holds the voxels.
        start: Where they begin.
        dtype: Of a stored number.
        shape: `[x, y, z, volumes]`, or that and colour channels.
        file_bytes: Size of the file that holds the voxels.
    """

    header: Any
    stream: IO[bytes]
    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    file_bytes: int


@contextmanager
def open_nifti(path: Path) -> Iterator[Opened]:
    """A single NIfTI file; raises InputError, or what nibabel raises on broken headers."""
    subject = str(path)
    with open_regular(path) as file, open_stream(file) as stream:
        head = stream.read(540)
        size = _size_by_magic(head, MAGIC)
        if size is None:
            if _size_by_magic(head, PAIR_MAGIC) is not None:
                raise InputError(
                    subject, "is the header of two files (.hdr and .img)", f"rename it to {path.stem}.hdr"
                )
            raise InputError(subject, "expected a NIfTI file, got something else")
        header = _HEADERS[size](head[:size], check=False)
        shape = _shape(subject, header)
        start, size_bytes = max(_offset(subject, header), size), os.fstat(file.fileno()).st_size
        yield Opened(header, stream, start, header.get_data_dtype(), shape, size_bytes)


@contextmanager
def open_analyze(path: Path) -> Iterator[Opened]:
    """A pair of header and voxels, by the path of either."""
    path = header_of_pair(path)
    subject = str(path)
    with open_regular(path) as file, open_stream(file) as stream:
        head = stream.read(540)
    size = _size_by_magic(head, PAIR_MAGIC)
    if size is None:
        if 348 not in (int.from_bytes(head[:4], order) for order in ("little", "big")) or len(head) < 348:
            raise InputError(subject, "expected a header of NIfTI or Analyze, got something else")
        header: Any = Spm2AnalyzeHeader(head[:348], check=False)
    else:
        header = _HEADERS[size](head[:size], check=False)
    shape = _shape(subject, header)
    voxels = voxels_of_pair(path)
    with open_regular(voxels) as file, open_stream(file) as stream:
        start, size_bytes = _offset(subject, header), os.fstat(file.fileno()).st_size
        yield Opened(header, stream, start, header.get_data_dtype(), shape, size_bytes)


@contextmanager
def open_mgh(path: Path) -> Iterator[Opened]:
    """A FreeSurfer volume, compressed or not."""
    subject = str(path)
    with open_regular(path) as file, open_stream(file) as stream:
        head = stream.read(_MGH_DATA)
        if len(head) < _MGH_DATA or head[:4] != b"\0\0\0\1":
            raise InputError(subject, "expected an MGH file, got something else")
        if int.from_bytes(head[20:24], "big") not in _MGH_TYPES:
            raise InputError(subject, "expected whole or real numbers, got another type of voxels")
        # What follows the voxels (times of the scan) is not needed.
        whole = MGHHeader.template_dtype.itemsize
        header = MGHHeader(head.ljust(whole, b"\0")[:whole], check=False)
        extents = np.frombuffer(head[4:20], ">i4").tolist()
        shape = _checked(subject, tuple(extents), header.get_data_dtype())
        size_bytes = os.fstat(file.fileno()).st_size
        yield Opened(header, stream, _MGH_DATA, header.get_data_dtype(), shape, size_bytes)


def _size_by_magic(head: bytes, magics: dict[int, tuple[int, bytes]]) -> int | None:
    return next((size for size, (at, magic) in magics.items() if head[at : at + len(magic)] == magic), None)


def _shape(subject: str, header: Any) -> tuple[int, ...]:
    """The shape of a NIfTI or Analyze volume."""
    shape = tuple(int(extent) for extent in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    dtype = header.get_data_dtype()
    # As ITK writes colour and vectors: the fifth dimension counts components.
    if len(shape) == 5 and shape[4] > 1:
        if dtype != np.uint8 or shape[4] not in (3, 4):
            if shape[3] != 1:
                raise InputError(subject, f"expected vectors of one volume, got {shape[3]} volumes of them")
            shape = (*shape[:3], shape[4])
    elif not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise InputError(subject, f"expected 2 to 4 dimensions, got {' × '.join(map(str, shape)) or 'none'}")
    return _checked(subject, shape, dtype)


def _checked(subject: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    shape = shape if len(shape) == 5 else (*shape, 1, 1)[:4]
    if min(shape) < 1:
        raise InputError(subject, f"expected an image, got one of {' × '.join(map(str, shape))} voxels")
    if dtype not in COLOUR and (dtype.newbyteorder("=").kind not in "iuf" or dtype.itemsize > 8):
        raise InputError(subject, f"expected whole or real numbers or RGB, got {dtype}")
    check_size(subject, (shape[2] * shape[3], shape[1], shape[0]), 2 * dtype.itemsize * prod(shape[4:]))
    return shape


def _offset(subject: str, header: Any) -> int:
    offset = float(header["vox_offset"])
    if not isfinite(offset) or not 0 <= offset <= _MAX_OFFSET or not offset.is_integer():
        raise InputError(subject, "its header gives an impossible position of the voxels")
    return int(offset)
