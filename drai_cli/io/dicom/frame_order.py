"""The frames of one DICOM file in spatial order, and where they lie. Reads no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drai_cli.io.dicom.order import Place, has_one_orientation, measure_geometry, order_places, volume_key
from drai_cli.io.dicom.placement import FunctionalGroups, geometry_of_plane, plane_of, thickness_of
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Spacing, Stack


@dataclass(frozen=True)
class Placed:
    """Where the frames lie: their order (None: as stored), volumes, geometry, and notes."""

    frames: tuple[int, ...] | None = None
    volumes: int = 1
    geometry: Geometry | None = None
    notes: tuple[str, ...] = ()


def place_frames(groups: FunctionalGroups, count: int, spacing_mm: Spacing | None) -> Placed:
    """The order of the frames and where they lie. No frame is left out: the header alone counts them."""
    thickness_mm = thickness_of(groups)
    if count == 1:
        return Placed(geometry=geometry_of_plane(plane_of(groups, 0), spacing_mm, thickness_mm))
    if not groups.per_frame:
        return Placed()
    places = [Place(plane_of(groups, frame), volume_key(groups, frame), frame) for frame in range(count)]
    if all(place.plane is None for place in places):
        return Placed()
    if not has_one_orientation(places):
        return Placed(
            notes=("its frames lie in planes of several orientations: as stored, without geometry",)
        )
    order = order_places(places)
    if order.left_out:
        note = "its frames make no whole volumes: as stored, without geometry"
        return Placed(notes=(note,))
    slices = len(order.frames) // order.volumes
    planes = [places[index].plane for index in order.frames[:slices]]
    is_as_stored = order.frames == tuple(range(count))
    frames = None if is_as_stored else order.frames
    if slices == 1:
        return Placed(frames, order.volumes, geometry_of_plane(planes[0], spacing_mm, thickness_mm))
    measured = measure_geometry(planes, spacing_mm)
    if measured is None:
        return Placed(frames, order.volumes)
    return Placed(frames, order.volumes, *measured)


def reorder(stack: Stack, frames: Sequence[int]) -> Stack:
    """The frames of a stack in this order."""
    chosen = np.array(frames)
    padding = None if stack.padding is None else stack.padding[chosen]
    return replace(stack, array=stack.array[chosen], padding=padding)
