"""The position of the frames of a DICOM image, from its header or its functional groups. Knows no pixels.

PS3.3 C.7.6.2.1.1 (image plane) and C.7.6.16 (functional groups): a value is in a frame's own group, else in the shared
one, else in the header itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from drai_cli.io.dicom.file import item, items, number, numbers
from drai_cli.io.geometry import Geometry
from drai_cli.io.image import plausible_aspect
from drai_cli.io.stack import Spacing

SAME_MM = 1e-3
"""Positions closer than this are the same."""
_UNIT = 1e-2
_CM, _TWO_DIMENSIONS = 3.0, 1.0  # PS3.3 C.8.5.5.1: units in cm, a 2D region
_MM_PER_CM = 10.0
_SAYS_ASPECT = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "ImagePlanePixelSpacing",
        "SequenceOfUltrasoundRegions", "PixelAspectRatio", "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
    )
)  # fmt: skip


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
    """Spacing (slice, row, column) in mm and notes; slice is None where only the thickness of slices is given.

    PixelSpacing, else what other modules call it: PS3.3 C.8.11.4 (detector), C.8.6.2 (scanned film), C.8.8.2 (RT
    image), C.8.5.5 (ultrasound regions).
    """
    measures = groups.macro("PixelMeasuresSequence", 0)
    notes: tuple[str, ...] = ()
    pair = _positive(numbers(measures, "PixelSpacing"))
    if pair is None and (pair := _positive(numbers(measures, "ImagerPixelSpacing"))):
        notes = ("its spacing is the detector's, not corrected for magnification",)
    for keyword in ("NominalScannedPixelSpacing", "ImagePlanePixelSpacing"):
        if pair is None:
            pair = _positive(numbers(measures, keyword))
    pair = pair or _region_spacing(groups.dataset)
    if pair is None:
        return None, ()
    between = number(measures, "SpacingBetweenSlices")
    return (abs(between) if between else None, *pair), notes


def pixel_aspect_of(dataset: Dataset) -> float:
    """Height of a pixel over its width, by (0028,0034) PixelAspectRatio (PS3.3 C.7.6.3.1.7); 1 if absent."""
    pair = _positive(numbers(dataset, "PixelAspectRatio"))
    return pair[0] / pair[1] if pair else 1.0


def aspect_of(dataset: Dataset) -> float:
    """Height of a pixel over its width as `Stack.aspect` of the file has it, by the header alone."""
    if _SAYS_ASPECT.isdisjoint(dataset.keys()):  # lists of many thousand files are read
        return 1.0
    spacing_mm, _ = spacing_of(FunctionalGroups.of(dataset))
    return plausible_aspect(spacing_mm[1] / spacing_mm[2] if spacing_mm else pixel_aspect_of(dataset))


def thickness_of(groups: FunctionalGroups) -> float:
    """The extent of one slice along the normal in mm: the spacing, else the thickness, else 1."""
    measures = groups.macro("PixelMeasuresSequence", 0)
    extent = number(measures, "SpacingBetweenSlices") or number(measures, "SliceThickness")
    return abs(extent) if extent else 1.0


def _region_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Spacing of the largest region of tissue in an ultrasound image (PS3.3 C.8.5.5): 2D, in cm."""
    best, largest = None, 0.0
    for region in items(dataset, "SequenceOfUltrasoundRegions"):
        codes = [number(region, f"PhysicalUnits{axis}Direction") for axis in "XY"]
        deltas = [abs(number(region, f"PhysicalDelta{axis}", 0.0) or 0.0) * _MM_PER_CM for axis in "YX"]
        corners = [
            number(region, f"RegionLocation{name}", 0.0) or 0.0
            for name in ("MinX0", "MaxX1", "MinY0", "MaxY1")
        ]
        area = (corners[1] - corners[0] + 1) * (corners[3] - corners[2] + 1)
        is_tissue = number(region, "RegionSpatialFormat") == _TWO_DIMENSIONS and codes == [_CM, _CM]
        if is_tissue and area > largest and (pair := _positive(deltas)):
            best, largest = pair, area
    return best


def geometry_of_plane(
    plane: Plane | None, spacing_mm: Spacing | None, thickness_mm: float
) -> Geometry | None:
    """The affine of a single slice: its slice column is the normal with the length of the slice's extent."""
    if plane is None or spacing_mm is None:
        return None
    return affine_of(plane, plane.normal * thickness_mm, spacing_mm)


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
