"""The position of the frames of a DICOM image, from its header or its functional groups. Knows no pixels.

PS3.3 C.7.6.2.1.1 (image plane) and C.7.6.16 (functional groups): a value is in a frame's own group, else in the shared
one, else in the header itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from pydicom import Dataset

from drai_cli.io.dicom.file import item, items, number, numbers
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Spacing

SAME_MM = 1e-3
"""Positions closer than this are the same."""
_UNIT = 1e-2
_EVEN = 0.01
"""Share of the spacing by which steps may differ and still be even."""


@dataclass(frozen=True)
class Plane:
    """The position of one frame.

    Attributes:
        position: Of the first sample's centre, LPS millimetres.
        across: Unit vector of growing column index.
        down: Unit vector of growing row index.
    """

    position: Float64[np.ndarray, "3"]
    across: Float64[np.ndarray, "3"]
    down: Float64[np.ndarray, "3"]

    @property
    def normal(self) -> Float64[np.ndarray, "3"]:
        """Unit vector off the plane; right-handed with across and down."""
        return np.cross(self.across, self.down)

    def has_orientation_of(self, other: Plane) -> bool:
        """Whether both planes are parallel and turned alike."""
        return bool(
            np.allclose(self.across, other.across, atol=_UNIT)
            and np.allclose(self.down, other.down, atol=_UNIT)
        )


@dataclass(frozen=True)
class FunctionalGroups:
    """The functional groups of a data set, by frame; for a plain image, its header."""

    dataset: Dataset
    shared: Dataset | None
    per_frame: tuple[Dataset, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> FunctionalGroups:
        return cls(
            dataset,
            item(dataset, "SharedFunctionalGroupsSequence"),
            tuple(items(dataset, "PerFrameFunctionalGroupsSequence")),
        )

    def macro(self, keyword: str, frame: int) -> Dataset:
        """The item of a functional group's sequence for a frame, or the header where there is none."""
        own = self.per_frame[frame] if frame < len(self.per_frame) else None
        for group in (own, self.shared):
            macro = item(group, keyword)
            if macro is not None:
                return macro
        return self.dataset


def plane_of(groups: FunctionalGroups, frame: int) -> Plane | None:
    """The position of a frame; None where the file does not say, or says something invalid."""
    position = numbers(groups.macro("PlanePositionSequence", frame), "ImagePositionPatient")
    cosines = numbers(groups.macro("PlaneOrientationSequence", frame), "ImageOrientationPatient")
    if len(position) != 3 or len(cosines) != 6:
        return None
    across, down = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if not all(abs(length - 1) < _UNIT for length in lengths) or abs(across @ down) > _UNIT:
        return None
    return Plane(np.array(position), across, down)


def spacing_of(groups: FunctionalGroups) -> tuple[Spacing | None, tuple[str, ...]]:
    """Spacing (slice, row, column) in mm, slice None where the file does not give it, and notes."""
    measures = groups.macro("PixelMeasuresSequence", 0)
    notes: tuple[str, ...] = ()
    pair = _positive(numbers(measures, "PixelSpacing"))
    if pair is None and (pair := _positive(numbers(measures, "ImagerPixelSpacing"))):
        notes = ("its spacing is the detector's, not corrected for magnification",)
    if pair is None:
        pair = _positive(numbers(measures, "NominalScannedPixelSpacing"))
    if pair is None:
        return None, ()
    between = number(measures, "SpacingBetweenSlices") or number(measures, "SliceThickness")
    return (abs(between) if between else None, *pair), notes


def geometry_of(planes: list[Plane | None], spacing_mm: Spacing | None) -> Geometry | None:
    """The affine of frames in this order; None where they are uneven, or their positions are not given.

    The slice column goes from one frame to the next, so that a tilted gantry keeps its shear; of a single frame it is
    the normal, with the length of the spacing between slices (1 mm where that is not known).
    """
    first = planes[0] if planes else None
    if first is None or spacing_mm is None:
        return None
    step = first.normal * (spacing_mm[0] or 1.0)
    if len(planes) > 1:
        if any(plane is None or not plane.has_orientation_of(first) for plane in planes):
            return None
        positions = np.array([plane.position for plane in planes if plane is not None])
        steps = np.diff(positions, axis=0)
        step = np.median(steps, axis=0)
        length = float(np.linalg.norm(step))
        if abs(step @ first.normal) < SAME_MM or np.abs(steps - step).max() > max(_EVEN * length, SAME_MM):
            return None
        step = (positions[-1] - positions[0]) / (len(positions) - 1)
    return affine_of(first, step, spacing_mm)


def affine_of(first: Plane, step: Float64[np.ndarray, "3"], spacing_mm: Spacing) -> Geometry:
    """From the first frame's plane and the step to the next."""
    affine = np.eye(4)
    affine[:3, 0] = first.across * spacing_mm[2]
    affine[:3, 1] = first.down * spacing_mm[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return Geometry(affine)


def _positive(pair: list[float]) -> tuple[float, float] | None:
    """Two positive numbers, or None."""
    return (pair[0], pair[1]) if len(pair) == 2 and min(pair) > 0 else None
