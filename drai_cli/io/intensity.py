"""From values with a meaning (HU, counts) to a model's stored levels and back: the intensity convention.

Stated once: a model sees `uint8` or `uint16` levels 0 to L, and level = (value - low) / (high - low) · L, clipped and
rounded. `low` and `high` are in the model file (`ModelHeader.intensity`), so that samples are written back as values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt

HU = "HU"


@dataclass(frozen=True)
class Intensity:
    """What levels mean.

    Attributes:
        unit: `HU` or another unit of values; empty for plain grey or colour levels.
        low: Value of level 0.
        high: Value of the highest level.
        dtype: `uint8` or `uint16`.
        stored_offset: What is added to a number of a PNG or TIFF file to get its value, where values came in such files
            and go back into them; None: PNG and TIFF hold levels.
    """

    unit: str = ""
    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"
    stored_offset: float | None = None

    @property
    def top(self) -> int:
        """The highest level."""
        return int(np.iinfo(self.dtype).max)

    def to_levels(self, values: Shaped[np.ndarray, "*shape"]) -> UInt[np.ndarray, "*shape"]:
        """Levels of values; what lies outside low to high is clipped."""
        scaled: np.ndarray = np.subtract(values, self.low, dtype=np.float64)
        # From here in place: allocating memory is what costs.
        scaled *= self.top / (self.high - self.low)
        np.rint(scaled, out=scaled)
        np.clip(scaled, 0, self.top, out=scaled)
        return scaled.astype(self.dtype)
