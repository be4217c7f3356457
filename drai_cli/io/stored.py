"""Whole numbers as files store them, and the line that makes values of them. Knows nothing of files or formats.

Formats that keep values (DICOM, NIfTI) store whole numbers and say value = slope · stored + intercept (DICOM PS3.3
C.11.1.1.2, NIfTI-1's scl_slope and scl_inter).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt

from drai_cli.io.intensity import Intensity

_TOP = 65535


@dataclass(frozen=True)
class Stored:
    """Frames of one size as unsigned numbers with the meaning of a value.

    Attributes:
        array: `[frames, H, W]` (grey) or `[frames, H, W, 3]` (RGB), uint8 or uint16.
        slope: Of the line from stored number to value; 1 for colour.
        intercept: Of the line; 0 for colour.
        unit: `HU` or another unit of values; empty for plain levels.
        error: Largest difference between a value given and the value stored; 0 where it is exact.
        file_offset: What is added to a number of a PNG or TIFF file to get its value; None: those hold `array` itself.
    """

    array: UInt[np.ndarray, "frames height width *channels"]
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    error: float = 0.0
    file_offset: float | None = None

    @classmethod
    def of_levels(
        cls, levels: UInt[np.ndarray, "height width channels"], intensity: Intensity | None = None
    ) -> Stored:
        """A model's image, unchanged; its intensity convention becomes slope, intercept and unit."""
        frames = levels[None, :, :, 0] if levels.shape[2] == 1 else levels[None]
        if intensity is None or levels.shape[2] != 1:
            return cls(frames)
        slope = (intensity.high - intensity.low) / intensity.top
        return cls(frames, slope, float(intensity.low), intensity.unit, file_offset=intensity.stored_offset)

    @classmethod
    def of_values(cls, values: Shaped[np.ndarray, "frames height width *channels"], unit: str = "") -> Stored:
        """Values as the fewest unsigned bits that hold them: exactly where 16 bits and a line can, else rounded.

        Raises:
            ValueError: Values that are not finite, or colour that is not 8- or 16-bit.
        """
        values = np.asarray(values)
        if values.dtype == np.bool_:
            values = values.astype(np.uint8) * np.uint8(255)
        if values.dtype in (np.dtype(np.uint8), np.dtype(np.uint16)):
            return cls(values, unit=unit)
        if values.ndim == 4:
            raise ValueError(f"colour of {values.dtype}")
        if not np.isfinite(values).all():
            raise ValueError("values that are not finite")
        low, high = float(values.min()), float(values.max())
        if (values == np.rint(values)).all() and high - low <= _TOP:
            # -1024 is where CT's Hounsfield units usually start: one intercept for all files of a series.
            start = 0.0 if low >= 0 and high <= _TOP else -1024.0 if low >= -1024 and high <= 64511 else low
            return cls((values - start).astype(np.uint16), 1.0, start, unit)
        slope = _step(values) or (high - low) / _TOP or 1.0
        stored = np.rint((values.astype(np.float64) - low) / slope).astype(np.uint16)
        error = float(np.abs(stored * slope + low - values).max())
        # What a reader cannot tell from rounding of the value's own type is no loss.
        is_same = values.dtype != np.float64 and ((stored * slope + low).astype(values.dtype) == values).all()
        return cls(stored, slope, low, unit, 0.0 if is_same or error <= 1e-9 * abs(slope) else error)

    @property
    def bits(self) -> int:
        """8 or 16."""
        return int(self.array.dtype.itemsize * 8)

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return 1 if self.array.ndim == 3 else int(self.array.shape[3])

    def in_plain_file(self) -> Stored:
        """As PNG and TIFF hold it: values that came in such files are written as the numbers that they were."""
        if self.file_offset is None:
            return self
        numbers = np.rint(self.array * self.slope + (self.intercept - self.file_offset))
        kept = np.clip(numbers, 0, np.iinfo(self.array.dtype).max).astype(self.array.dtype)
        return Stored(kept, 1.0, self.file_offset, self.unit)

    @property
    def has_line(self) -> bool:
        """Whether a stored number is another number than its value."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def values(self) -> Shaped[np.ndarray, "frames height width *channels"]:
        """Values: the stored numbers, or float64."""
        return self.array * self.slope + self.intercept if self.has_line else self.array


def _step(values: np.ndarray) -> float | None:
    """The largest step of which all values are whole multiples above the least; None if that needs over 16 bits.

    Euclid's algorithm on the gaps between values; what is far below the smallest step allowed is rounding.
    """
    levels = np.unique(values).astype(np.float64)
    if not 2 <= len(levels) <= _TOP + 1:
        return None
    extent = float(levels[-1] - levels[0])
    smallest = extent / (_TOP + 0.5)
    step = extent
    for gap in np.unique(np.diff(levels)).tolist():
        while gap > smallest / 100:
            step, gap = gap, abs(step - round(step / gap) * gap)
        if step < smallest:
            return None
    return extent / round(extent / step)
