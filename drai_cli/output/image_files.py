"""An image as the bytes of a file of any kind that is written: the one place where kinds are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Shaped

from drai_cli import __version__
from drai_cli.errors import InputError
from drai_cli.io.geometry import Geometry
from drai_cli.io.png import encode_png
from drai_cli.io.stored import Stored
from drai_cli.io.tiff import encode_tiff, is_storable
from drai_cli.output.marks import as_description, as_json
from drai_cli.settings.image_options import Compression


@dataclass(frozen=True)
class About:
    """What a file says beside its pixels.

    Attributes:
        marks: What the image says of itself; its `synthetic` is `yes` for one that a model made.
        deciding: All that decides the image, as plain data: the UIDs of a DICOM file follow from it.
        number: Of the image in its series, from 1.
        part: Which file of several of one series; empty for the only one.
        modality: Of the source, where it is a real image's.
        kept: A DICOM source's attributes to keep, by keyword.
        window: Centre and width to show it with, in values.
        lossy_ratio: By how much the source was compressed with loss; None where it was not.
    """

    marks: Mapping[str, str]
    deciding: Mapping[str, Any]
    number: int = 1
    part: str = ""
    modality: str = "OT"
    kept: Mapping[str, Any] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    lossy_ratio: float | None = None

    @property
    def is_synthetic(self) -> bool:
        return self.marks.get("synthetic") == "yes"


def image_bytes(
    kind: str,
    stored: Stored,
    about: About,
    *,
    geometry: Geometry | None = None,
    spacing_mm: tuple[float | None, float, float] | None = None,
    compression: Compression = "none",
    level: int = 1,
) -> tuple[bytes, ...]:
    """The files of one image, in the order of `IMAGE_SUFFIXES[kind]`.

    Args:
        kind: `png`, `tiff`, `dicom` or `nifti`.
        stored: Its frames. PNG and TIFF take one, and its numbers as they are.
        about: What it says of itself.
        geometry: Where it lies.
        spacing_mm: (slice, row, column) where only that is known.
        compression: Of DICOM pixels.
        level: Effort of PNG's compression, 1 to 9.

    Raises:
        InputError: An image that the kind cannot hold.
        UsageError: A compression whose encoder is not installed.
    """
    if kind == "dicom":
        return (_dicom(stored, about, geometry, spacing_mm, compression),)
    if kind == "nifti":
        from drai_cli.io.nifti.write import nifti_values  # nibabel: only for those who need it

        return _nifti(*nifti_values(stored), stored.unit, about, geometry, spacing_mm)
    if len(stored.array) != 1:
        raise InputError(
            kind.upper(), f"expected one frame, got {len(stored.array)}", "--format nifti, or dicom"
        )
    pixels = stored.array[0] if stored.channels == 3 else stored.array[0, :, :, None]
    marks = {**about.marks, **_meaning(stored)}
    if kind == "tiff":
        if not is_storable(pixels):
            raise InputError(
                "TIFF", "expected 8 bits or grey, got colour of 16 bits", "--format png keeps it"
            )
        return (encode_tiff(pixels, as_description(marks), f"drai {__version__}"),)
    return (encode_png(pixels, marks, level=level),)


def _meaning(stored: Stored) -> dict[str, str]:
    """What levels mean, for kinds that have no place of their own for it."""
    if not stored.unit and not stored.has_line:
        return {}
    return {"unit": stored.unit, "slope": repr(stored.slope), "intercept": repr(stored.intercept)}


def _dicom(
    stored: Stored,
    about: About,
    geometry: Geometry | None,
    spacing_mm: tuple[float | None, float, float] | None,
    compression: Compression,
) -> bytes:
    from drai_cli.io.dicom.write import (  # pydicom: only for those who need it
        DicomHeader,
        encode_dicom,
        uid_key,
    )

    header = DicomHeader(
        uid_key(**about.deciding),
        __version__,
        about.marks,
        is_synthetic=about.is_synthetic,
        number=about.number,
        part=about.part,
        modality=about.modality,
        kept=about.kept,
        window=about.window,
        lossy_ratio=about.lossy_ratio,
    )
    return encode_dicom(stored, header, geometry=geometry, spacing_mm=spacing_mm, compression=compression)


def values_bytes(
    array: Shaped[np.ndarray, "frames height width *channels"],
    unit: str,
    about: About,
    *,
    geometry: Geometry | None = None,
    spacing_mm: tuple[float | None, float, float] | None = None,
) -> tuple[bytes, bytes]:
    """A NIfTI file of values of any type, exactly, and its sidecar.

    Raises:
        InputError: Colour of 16 bits.
    """
    from drai_cli.io.nifti.write import narrowest

    kept = array if array.ndim == 4 else narrowest(array)
    return _nifti(kept, 1.0, 0.0, unit, about, geometry, spacing_mm)


def _nifti(
    array: np.ndarray,
    slope: float,
    intercept: float,
    unit: str,
    about: About,
    geometry: Geometry | None,
    spacing_mm: tuple[float | None, float, float] | None,
) -> tuple[bytes, bytes]:
    from drai_cli.io.nifti.write import encode_nifti, encode_sidecar, gzip_bytes

    data = encode_nifti(
        array,
        slope=slope,
        intercept=intercept,
        unit=unit,
        geometry=geometry,
        spacing_mm=spacing_mm,
        window=about.window,
        description=describe(about),
    )
    spaced = geometry is not None or spacing_mm is not None
    sidecar = encode_sidecar(as_json(about.marks, unit=unit, has_spacing=spaced))
    return gzip_bytes(data), sidecar


def describe(about: About) -> str:
    """What a NIfTI header's 79 characters say."""
    if not about.is_synthetic:
        return f"converted by drai {__version__}"
    return f"SYNTHETIC, made by drai {__version__}, weights {about.marks.get('weights_sha256', '')[:16]}"
