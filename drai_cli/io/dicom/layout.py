"""How the samples of a DICOM image are stored, by its header; sizes are checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from drai_cli.errors import InputError
from drai_cli.io.dicom.file import FAILURES, text, whole
from drai_cli.io.values import check_size

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Layout:
    """How samples are stored (PS3.3 C.7.6.3).

    Attributes:
        rows: (0028,0010) Rows.
        columns: (0028,0011) Columns.
        frames: (0028,0008) NumberOfFrames.
        samples: (0028,0002) SamplesPerPixel, 1 or 3.
        bits_allocated: (0028,0100) BitsAllocated.
        bits_stored: (0028,0101) BitsStored.
        high_bit: (0028,0102) HighBit.
        is_signed: (0028,0103) PixelRepresentation.
        is_float: Whether samples are (7FE0,0008) FloatPixelData or (7FE0,0009) DoubleFloatPixelData.
        photometric: (0028,0004) PhotometricInterpretation.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_float: bool
    photometric: str

    @property
    def shape(self) -> tuple[int, ...]:
        """`[frames, H, W]` or `[frames, H, W, 3]`."""
        grey = (self.frames, self.rows, self.columns)
        return grey if self.samples == 1 else (*grey, self.samples)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """What `decode_frames` gives."""
        if self.is_float:
            return np.dtype(f"float{self.bits_allocated}")
        size = max(8, self.bits_allocated)
        return np.dtype(f"{'int' if self.is_signed else 'uint'}{size}")

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest whole number that can be stored."""
        half = 1 << (self.bits_stored - 1)
        return (-half, half - 1) if self.is_signed else (0, 2 * half - 1)


def layout_of(subject: str, dataset: Dataset) -> Layout:
    """How the samples are stored, checked.

    Raises:
        InputError: Something is absent, contradictory or too large.
    """
    keyword = next((keyword for keyword in PIXEL_KEYWORDS if keyword in dataset), None)
    rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
    if rows is None or columns is None:
        raise InputError(subject, "expected (0028,0010) Rows and (0028,0011) Columns, got none")
    has_frames = "NumberOfFrames" in dataset and not _is_blank(dataset, "NumberOfFrames")
    frames = whole(dataset, "NumberOfFrames") if has_frames else 1
    if frames is None:
        raise InputError(subject, "expected a whole number as (0028,0008) NumberOfFrames, got something else")
    samples = whole(dataset, "SamplesPerPixel", 1)
    is_float = keyword in ("FloatPixelData", "DoubleFloatPixelData")
    float_bits = 32 if keyword == "FloatPixelData" else 64
    allocated = float_bits if is_float else whole(dataset, "BitsAllocated", 0)
    stored = float_bits if is_float else whole(dataset, "BitsStored", allocated)
    assert allocated is not None
    assert stored is not None
    high = whole(dataset, "HighBit", stored - 1)
    if samples not in (1, 3):
        raise InputError(subject, f"expected 1 or 3 samples a pixel, got {samples}")
    if (
        allocated not in (1, 8, 16, 32, 64)
        or not 1 <= stored <= allocated
        or (allocated == 64 and not is_float)
    ):
        raise InputError(subject, f"expected 1 to 32 bits a sample, got {stored} stored in {allocated}")
    if high is None or not stored - 1 <= high < allocated:
        raise InputError(
            subject, f"expected (0028,0102) HighBit from {stored - 1} to {allocated - 1}, got {high}"
        )
    layout = Layout(
        rows, columns, frames, samples, allocated, stored, high,
        whole(dataset, "PixelRepresentation", 0) == 1, is_float,
        text(dataset, "PhotometricInterpretation") or ("RGB" if samples == 3 else "MONOCHROME2"),
    )  # fmt: skip
    check_size(subject, layout.shape, layout.dtype.itemsize)
    return layout


def _is_blank(dataset: Dataset, keyword: str) -> bool:
    try:
        return dataset[keyword].value in (None, "")
    except FAILURES:
        return False
