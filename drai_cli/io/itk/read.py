"""MetaImage and NRRD files as stacks, read by SimpleITK once their headers are checked.

SimpleITK gives positions in LPS millimetres, DICOM's, as `io/geometry.py` does.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from drai_cli.errors import InputError, UsageError
from drai_cli.io.files import BROKEN
from drai_cli.io.format import Format
from drai_cli.io.geometry import Geometry
from drai_cli.io.itk.header import Claim, check_mha, check_nrrd
from drai_cli.io.stack import ALPHA_LEFT_OUT, Measured, Stack
from drai_cli.io.values import check_size, replace_nonfinite
from drai_cli.io.volume import measure_turned, turn_volume

_NOT_PLACED = (
    "it does not say how it lies in the patient: "
    "taken as stored from right to left, front to back, feet to head"
)

_OF_FORMAT = {"mha": (check_mha, "MetaImageIO"), "nrrd": (check_nrrd, "NrrdImageIO")}
"""By the name of a format: the check of its headers, and what SimpleITK calls it."""


def read_itk(path: Path, format: Format) -> Stack:
    """Reads every slice of every volume, or the one image of a file of two dimensions.

    Raises:
        InputError: Not of this format, broken, or too large.
        UsageError: SimpleITK is not installed.
    """
    reader, claim = _open(path, format)
    try:
        image = reader.Execute()
        extents, affine = _shape_and_affine(str(path), image)
        array = _import(path, format).GetArrayFromImage(image)
        components = image.GetNumberOfComponentsPerPixel()
    except (*BROKEN, RuntimeError) as error:
        raise InputError(path, f"is broken or no {format.title} ({_words(error)})") from error
    del image
    return _stack(str(path), format, claim, array, extents, affine, components)


def measure_itk(path: Path, format: Format) -> Measured:
    """What `read_itk` would give; no voxel is read.

    Raises:
        InputError, UsageError: As `read_itk`.
    """
    reader, _ = _open(path, format)
    try:
        reader.ReadImageInformation()
        extents, affine = _shape_and_affine(str(path), reader)
        components, dtype = reader.GetNumberOfComponents(), reader.GetPixelID()
        sitk = _import(path, format)
        is_colour = components in (3, 4) and dtype == sitk.sitkVectorUInt8
    except (*BROKEN, RuntimeError) as error:
        raise InputError(path, f"is broken or no {format.title} ({_words(error)})") from error
    volumes = extents[3] * (1 if is_colour else components)
    return measure_turned((*extents[:3], volumes), affine)


def _open(path: Path, format: Format) -> tuple[Any, Claim]:
    """SimpleITK's reader of a file whose header is checked."""
    sitk = _import(path, format)
    check, image_io = _OF_FORMAT[format.name]
    claim = check(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    return reader, claim


def _import(path: Path, format: Format) -> Any:
    try:
        sitk: Any = importlib.import_module("SimpleITK")
    except ImportError as error:
        raise UsageError(
            path,
            f"{format.title} files are read by SimpleITK, which is not installed",
            "pip install 'drai-cli[itk]'",
        ) from error
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk


def _shape_and_affine(
    subject: str, image: Any
) -> tuple[tuple[int, int, int, int], Float64[np.ndarray, "4 4"]]:
    """Extents `[x, y, z, volumes]`, and the affine to RAS millimetres."""
    count = image.GetDimension()
    if not 2 <= count <= 4:
        raise InputError(subject, f"expected 2 to 4 dimensions, got {count}")
    x, y, z, volumes = (*image.GetSize(), 1, 1)[:4]
    check_size(subject, (z * volumes, y, x), 1)
    spacing = np.array((*image.GetSpacing(), 1.0)[:3])
    direction = np.eye(3)
    kept = min(count, 3)
    direction[:kept, :kept] = np.reshape(image.GetDirection(), (count, count))[:kept, :kept]
    affine = np.eye(4)
    affine[:3, :3] = direction * spacing
    affine[:3, 3] = (*image.GetOrigin(), 0.0)[:3]
    if count == 2:
        affine[:3, :3] = np.diag(spacing)  # an image of two dimensions is not turned
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) <= 1e-12:
        raise InputError(subject, "its header gives no directions and distances that can be used")
    return (x, y, z, volumes), Geometry(affine).to_ras()


def _stack(
    subject: str, format: Format, claim: Claim, array: np.ndarray, extents: tuple[int, int, int, int],
    affine: Float64[np.ndarray, "4 4"], components: int,
) -> Stack:  # fmt: skip
    """The stack of an array as SimpleITK gives it: the last index fastest, components last."""
    dtype = array.dtype
    if dtype.kind not in "iuf":
        raise InputError(subject, f"expected whole or real numbers, got {dtype}")
    notes: list[str] = []
    x, y, z, volumes = extents
    # To [x, y, z, volumes] and components.
    voxels = array.reshape(volumes, z, y, x, components).transpose(3, 2, 1, 0, 4)
    if components in (3, 4) and dtype == np.uint8:
        if components == 4:
            notes.append(ALPHA_LEFT_OUT)
        voxels = voxels[..., :3]
    elif components > 1 and volumes > 1:
        raise InputError(subject, f"expected vectors of one volume, got {volumes} volumes of them")
    elif components > 1:
        voxels = voxels[:, :, :, 0]
    else:
        voxels = voxels[..., 0]
    bits = 8 * dtype.itemsize
    if z == 1 and volumes == 1 and array.ndim == 2 + (components > 1):
        return _flat(subject, format, voxels, affine, bits, notes)
    if not claim.is_placed:
        notes.append(_NOT_PLACED)
    return turn_volume(
        voxels, affine, kind=format.name, bits=bits, source=subject, is_placed=claim.is_placed, notes=notes
    )


def _flat(
    subject: str,
    format: Format,
    voxels: np.ndarray,
    affine: Float64[np.ndarray, "4 4"],
    bits: int,
    notes: list[str],
) -> Stack:
    """An image of two dimensions: as stored, with its spacing and no place in the patient."""
    frames = np.ascontiguousarray(np.moveaxis(voxels[:, :, 0], 2, 0).swapaxes(1, 2))
    is_colour = voxels.ndim == 5
    frames, broken = replace_nonfinite(frames)
    if broken is not None:
        notes.append(f"{int(broken.sum())} pixels are no numbers: now the least value")
    _, row_mm, column_mm = Geometry(affine).spacing_mm
    return Stack(
        frames, format.name, bits, spacing_mm=(None, row_mm, column_mm), volumes=1 if is_colour else len(frames),
        padding=broken, source=subject, notes=tuple(notes),
    )  # fmt: skip


def _words(error: BaseException) -> str:
    """The kind of failure alone: ITK's messages are pages, and quote paths."""
    return type(error).__name__
