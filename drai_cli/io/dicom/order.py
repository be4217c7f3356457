"""Frames in spatial order, volume after volume, with their geometry: of a series' files and of one file alike.

Knows no files and no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from drai_cli.io.dicom.file import items, number, numbers, text
from drai_cli.io.dicom.placement import SAME_MM, FunctionalGroups, Plane, affine_of
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Spacing

_GAP = 1.5
"""From how many spacings between neighbours slices are missing, and how near to a whole number."""
_GAP_TOLERANCE = 0.1
_EVEN = 0.01
"""Share of the spacing by which steps may differ and still be even."""
# Dimensions along a stack of slices (PS3.3 C.7.6.17): StackID, InStackPositionNumber, ImagePosition and its like.
_SPATIAL = frozenset(
    (0x00209056, 0x00209057, 0x00200032, 0x00200037, 0x00209301, 0x00209302, 0x00209113, 0x0020930E)
)

Key = tuple[tuple[float, ...], float, float, float, float, str]


@dataclass(frozen=True)
class Place:
    """What puts a frame in order.

    Attributes:
        plane: Where it lies; None where it does not say.
        key: What tells the volumes in one place apart: see `volume_key`.
        number: Order among frames that are alike in all else.
    """

    plane: Plane | None
    key: Key
    number: float


@dataclass(frozen=True)
class Order:
    """Frames in order.

    Attributes:
        frames: Indices: all slices of the first volume along the normal, then all of the second.
        volumes: How many volumes they are of.
        left_out: Indices of frames that make no whole volume.
    """

    frames: tuple[int, ...]
    volumes: int = 1
    left_out: tuple[int, ...] = ()


def volume_key(groups: FunctionalGroups, frame: int) -> Key:
    """What tells volumes in one place apart: dimensions, echo, b-value, time, cardiac phase, kind of image.

    Source: PS3.3 C.7.6.17 (Multi-frame Dimension), C.8.13.5 (Enhanced MR macros), C.7.6.16.2.7 (Cardiac
    Synchronization); for plain images EchoTime, DiffusionBValue, TemporalPositionIdentifier and ImageType.
    """
    content = groups.macro("FrameContentSequence", frame)
    values = numbers(content, "DimensionIndexValues")
    pointers = [_tag(one) for one in items(groups.dataset, "DimensionIndexSequence")]
    # Without pointers nobody knows which index is the slice's.
    dimensions = tuple(
        value for value, tag in zip(values, pointers, strict=False) if tag is not None and tag not in _SPATIAL
    )
    echo = groups.macro("MREchoSequence", frame)
    phase = groups.macro("CardiacSynchronizationSequence", frame)
    time = number(content, "TemporalPositionIndex", number(groups.dataset, "TemporalPositionIdentifier", 0.0))
    kinds = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
    kind = next((text(groups.macro(name, frame), "FrameType") for name in kinds), "")
    return (
        dimensions,
        number(echo, "EffectiveEchoTime", number(echo, "EchoTime", 0.0)) or 0.0,
        number(groups.macro("MRDiffusionSequence", frame), "DiffusionBValue", 0.0) or 0.0,
        time or 0.0,
        number(phase, "NominalPercentageOfCardiacPhase", number(phase, "NominalCardiacTriggerDelayTime", 0.0))
        or 0.0,
        kind or text(groups.dataset, "ImageType"),
    )


def order_places(places: Sequence[Place]) -> Order:
    """Frames of one orientation along the normal of their planes, volume after volume.

    Volumes are matched by their keys where these tell them apart, else by their order.
    """
    first = next((place.plane for place in places if place.plane is not None), None)
    if first is None or any(place.plane is None for place in places):
        return Order(tuple(sorted(range(len(places)), key=lambda index: places[index].number)))
    depths = [float(place.plane.position @ first.normal) for place in places if place.plane is not None]
    spots: list[tuple[float, list[int]]] = []
    for index in sorted(range(len(places)), key=lambda index: depths[index]):
        if spots and depths[index] - spots[-1][0] < SAME_MM:
            spots[-1][1].append(index)
        else:
            spots.append((depths[index], [index]))
    groups = [
        sorted(group, key=lambda index: (places[index].key, places[index].number)) for _, group in spots
    ]
    chosen = _match_by_key(groups, places)
    if chosen is None:
        volumes = min(map(len, groups))
        chosen = [[group[volume] for group in groups] for volume in range(volumes)]
    frames = tuple(index for volume in chosen for index in volume)
    left_out = tuple(sorted(set(range(len(places))) - set(frames)))
    return Order(frames, len(chosen), left_out)


def _match_by_key(groups: Sequence[Sequence[int]], places: Sequence[Place]) -> list[list[int]] | None:
    """Frames of each volume whose key every spot has once; None where keys do not tell them apart."""
    by_key = [{places[index].key: index for index in group} for group in groups]
    if any(len(known) < len(group) for known, group in zip(by_key, groups, strict=True)):
        return None
    common = set(by_key[0]).intersection(*by_key[1:])
    if not common:
        return None
    return [[known[key] for known in by_key] for key in sorted(common)]


def has_one_orientation(places: Sequence[Place]) -> bool:
    """Whether all frames say where they lie, in parallel and turned alike."""
    first = places[0].plane
    return first is not None and all(
        place.plane is not None and place.plane.has_orientation_of(first) for place in places
    )


def measure_geometry(
    planes: Sequence[Plane | None], spacing_mm: Spacing | None
) -> tuple[Geometry, tuple[str, ...]] | None:
    """The affine of two or more slices in order with notes on gaps; None where their positions are unknown.

    Its slice column goes from one slice to the next, so that a tilted gantry keeps its shear. Where the slices are
    uneven, no affine is exact: this one is exact for the first and the last.
    """
    first = planes[0] if planes else None
    known = [plane for plane in planes if plane is not None]
    if first is None or spacing_mm is None or len(known) < 2 or len(known) < len(planes):
        return None
    positions = np.array([plane.position for plane in known])
    steps = np.diff(positions, axis=0)
    depths = steps @ first.normal
    usual = float(np.median(depths))
    if not np.isfinite(positions).all() or usual < SAME_MM:
        return None
    times = depths / usual
    is_gap = (times > _GAP) & (np.abs(times - np.rint(times)) < _GAP_TOLERANCE)
    even = steps[~is_gap]
    step = even.mean(axis=0)
    if np.abs(even - step).max() > max(_EVEN * usual, SAME_MM):
        step = (positions[-1] - positions[0]) / len(steps)
        note = f"its slices lie unevenly, {depths.min():.4g} to {depths.max():.4g} mm apart: the geometry has the mean"
        return affine_of(first, step, spacing_mm), (note,)
    notes: tuple[str, ...] = ()
    if is_gap.any():
        missing = int(np.rint(times[is_gap] - 1).sum())
        notes = (f"slices are missing: {missing} in {int(is_gap.sum())} gaps",)
    return affine_of(first, step, spacing_mm), notes


def _tag(dimension: Dataset) -> int | None:
    """The attribute that a dimension's index counts."""
    value = dimension.get("DimensionIndexPointer")
    return value if isinstance(value, int) else None
