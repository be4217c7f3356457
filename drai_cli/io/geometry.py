"""The position of an image's samples in the patient. Knows nothing of files or formats.

The one convention: coordinates are DICOM's (PS3.3 C.7.6.2.1.1), millimetres in **LPS**: x grows to the patient's left,
y to the back, z to the head. Indices are (slice, row, column) in arrays, and (column, row, slice) where an affine maps
them. NIfTI's coordinates are RAS; they differ in the sign of x and y, and are converted in reading and writing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

_LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))  # towards +x and -x, +y and -y, +z and -z


@dataclass(frozen=True)
class Geometry:
    """An affine from (column, row, slice, 1) to LPS millimetres.

    Attributes:
        affine: Its last row is (0, 0, 0, 1).
    """

    affine: Float64[np.ndarray, "4 4"]

    @classmethod
    def from_ras(cls, affine: Float64[np.ndarray, "4 4"]) -> Geometry:
        """From an affine that maps to RAS millimetres, NIfTI's."""
        return cls(_LPS_OF_RAS @ np.asarray(affine, np.float64))

    def to_ras(self) -> Float64[np.ndarray, "4 4"]:
        """The affine that maps to RAS millimetres, NIfTI's."""
        ras: np.ndarray = _LPS_OF_RAS @ self.affine
        return ras

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbours in mm along (slice, row, column) index: between slices, down, across."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[2]), float(lengths[1]), float(lengths[0])

    @property
    def orientation(self) -> str:
        """Letters of the patient axes nearest to growing column, row and slice index, for example `LPS`."""
        return "".join(_nearest_letter(self.affine[:3, axis]) for axis in range(3))

    def of_slice(self, index: int) -> Geometry:
        """The geometry of one slice, as a stack of one."""
        moved = self.affine.copy()
        moved[:3, 3] += index * self.affine[:3, 2]
        return Geometry(moved)


def _nearest_letter(direction: Float64[np.ndarray, "3"]) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return _LETTERS[axis][0 if direction[axis] > 0 else 1]
