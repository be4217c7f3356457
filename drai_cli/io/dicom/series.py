"""DICOM series: the files of a folder, a zip or a DICOMDIR that belong together, in spatial order.

Files of a series have the same (0020,000E) SeriesInstanceUID. Slices are ordered by their position along the normal of
their planes, never by file name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from drai_cli.errors import InputError
from drai_cli.io.dicom.file import parse_stream, text, whole
from drai_cli.io.dicom.format import DICOMDIR, begins_as_dicom
from drai_cli.io.dicom.placement import SAME_MM, FunctionalGroups, Plane, affine_of, plane_of
from drai_cli.io.dicom.read import check_is_image, read_dicom_stream
from drai_cli.io.dicom.series_files import MAX_FILES, ZIP_FAILURES, Open, list_files
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Spacing, Stack
from drai_cli.io.values import check_size

_GAP = 1.5
"""From how many spacings between neighbours slices are missing, and how near to a whole number."""
_GAP_TOLERANCE = 0.1


@dataclass(frozen=True)
class Slice:
    """A file of a series, its pixels not yet read.

    Attributes:
        name: For messages.
        open: Opens it.
        uid: (0008,0018) SOPInstanceUID.
        series: (0020,000E) SeriesInstanceUID.
        number: (0020,0013) InstanceNumber.
        frames: How many the file holds.
        size: Rows, columns, samples.
        plane: Where it lies; None where it does not say.
    """

    name: str
    open: Open
    uid: str
    series: str
    number: int
    frames: int
    size: tuple[int, int, int]
    plane: Plane | None


def read_series(path: Path) -> Stack:
    """Reads the one series in a folder, a zip or a DICOMDIR.

    Python's warning filters, which all threads share, are left to the caller.

    Raises:
        InputError: None or several there, or one that cannot be read.
    """
    try:
        with ExitStack() as opened:
            return _read_series(path, opened)
    except ZIP_FAILURES as error:
        raise InputError(path, f"cannot be read ({type(error).__name__})") from error


def _read_series(path: Path, opened: ExitStack) -> Stack:
    subject = str(path)
    by_series: defaultdict[str, list[Slice]] = defaultdict(list)
    refused: list[str] = []
    seen = 0
    for name, opener in list_files(path, opened):
        seen += 1
        if seen > MAX_FILES:
            raise InputError(subject, f"expected at most {MAX_FILES} files, got more")
        file = _read_header(name, opener)
        if isinstance(file, Slice):
            by_series[file.series].append(file)
        elif file:
            refused.append(file)
    if not by_series:
        reason = f": {refused[0]}" if refused else ""
        raise InputError(subject, f"expected DICOM images, got none in {seen} files{reason}")
    if len(by_series) > 1:
        sizes = ", ".join(str(len(slices)) for slices in list(by_series.values())[:8])
        raise InputError(
            subject,
            f"expected one series, got {len(by_series)} (of {sizes} files)",
            "give a folder or zip that holds one, or one file",
        )
    (slices,) = by_series.values()
    stack = _assemble(subject, slices)
    if refused:
        stack = replace(
            stack, notes=(*stack.notes, f"{len(refused)} DICOM files are left out ({refused[0]})")
        )
    return stack


def _assemble(subject: str, slices: Sequence[Slice]) -> Stack:
    """The stack of a series' files."""
    notes: list[str] = []
    by_uid = {one.uid or one.name: one for one in reversed(slices)}
    if len(by_uid) < len(slices):
        notes.append(f"{len(slices) - len(by_uid)} files are left out: another has the same SOPInstanceUID")
    slices = sorted(by_uid.values(), key=lambda one: (one.number, one.name))
    if any(one.frames > 1 for one in slices):
        if len(slices) > 1:
            raise InputError(
                subject, f"expected one file with several frames, got {len(slices)} files", "give one of them"
            )
        return _read(slices[0])
    kept = _choose_alike(slices)
    if len(kept) < len(slices):
        notes.append(f"{len(slices) - len(kept)} images of another size or orientation are left out")
    ordered, volumes, order_notes = _order(kept)
    notes += order_notes
    stack, mixed = _join(subject, ordered)
    notes += mixed
    place = _geometry(ordered[: len(ordered) // volumes], stack.spacing_mm)
    if place is not None:
        geometry, gaps = place
        stack = replace(stack, geometry=geometry, spacing_mm=geometry.spacing_mm)
        notes += gaps
    else:
        stack = replace(stack, geometry=None if len(ordered) > 1 else stack.geometry)
    return replace(stack, source=subject, volumes=volumes, notes=(*stack.notes, *notes))


def _choose_alike(slices: Sequence[Slice]) -> list[Slice]:
    """The most images of one size and orientation: a series may contain localisers."""
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            first = group[0]
            is_alike = (
                first.plane is one.plane is None
                if first.plane is None or one.plane is None
                else one.plane.has_orientation_of(first.plane)
            )
            if one.size == first.size and is_alike:
                group.append(one)
                break
        else:
            groups.append([one])
    return max(groups, key=len)


def _order(slices: Sequence[Slice]) -> tuple[list[Slice], int, list[str]]:
    """Slices along the normal, volume after volume; the number of volumes; notes."""
    first = slices[0].plane
    if first is None:
        note = ["the files do not say where they lie: ordered by InstanceNumber"] if len(slices) > 1 else []
        return list(slices), 1, note
    places: list[tuple[float, list[Slice]]] = []
    for depth, one in sorted(((_depth(one, first), one) for one in slices), key=lambda pair: pair[0]):
        if places and depth - places[-1][0] < SAME_MM:
            places[-1][1].append(one)
        else:
            places.append((depth, [one]))
    counts = {len(group) for _, group in places}
    if len(counts) == 1 and len(places) > 1:
        volumes = counts.pop()
        return [group[volume] for volume in range(volumes) for _, group in places], volumes, []
    extra = len(slices) - len(places)
    note = [f"{extra} duplicate slices are left out: another lies in the same place"] if extra else []
    return [group[0] for _, group in places], 1, note


def _depth(one: Slice, first: Plane) -> float:
    assert one.plane is not None
    return float(one.plane.position @ first.normal)


def _join(subject: str, slices: Sequence[Slice]) -> tuple[Stack, list[str]]:
    """All slices decoded into one stack."""
    stacks: list[Stack] = []
    head = _read(slices[0])
    check_size(subject, (len(slices), *head.array.shape[1:]), 2 * head.array.itemsize)
    widest = head.array.itemsize
    for one in slices:
        stack = _read(one) if stacks else head
        if stack.array.itemsize > widest:
            widest = stack.array.itemsize  # of all slices, once they are one array
            check_size(subject, (len(slices), *head.array.shape[1:]), 2 * widest)
        if stack.array.shape[1:] != head.array.shape[1:]:
            raise InputError(subject, "its slices differ in shape")
        stacks.append(stack)
    array = np.concatenate([stack.array for stack in stacks])
    padding = None
    if any(stack.padding is not None for stack in stacks):
        blank = np.zeros(head.array.shape[:3], np.bool_)
        padding = np.concatenate([blank if s.padding is None else s.padding for s in stacks])
    notes = []
    if len({stack.unit for stack in stacks}) > 1:
        notes.append("its slices differ in what values mean")
    changes = Counter(note for stack in stacks for note in stack.notes)
    windows = {stack.windows for stack in stacks}
    if len(windows) > 1:
        notes.append("its slices suggest different windows: the first one's is kept")
    return replace(head, array=array, padding=padding, notes=tuple(changes)), notes


def _geometry(slices: Sequence[Slice], spacing_mm: Spacing | None) -> tuple[Geometry, list[str]] | None:
    """The affine of ordered slices with notes on gaps; None where their positions are unknown.

    Where the slices are uneven, no affine is exact: this one is exact for the first and the last.
    """
    first = slices[0].plane
    if first is None or spacing_mm is None or len(slices) < 2:
        return None
    positions = np.array([one.plane.position for one in slices if one.plane is not None])
    steps = np.diff(positions, axis=0)
    depths = steps @ first.normal
    usual = float(np.median(depths))
    times = depths / usual
    is_gap = (times > _GAP) & (np.abs(times - np.rint(times)) < _GAP_TOLERANCE)
    even = steps[~is_gap]
    step = even.mean(axis=0)
    if np.abs(even - step).max() > max(0.01 * usual, SAME_MM):
        step = (positions[-1] - positions[0]) / len(steps)
        note = f"its slices lie unevenly, {depths.min():.4g} to {depths.max():.4g} mm apart: the geometry has the mean"
        return affine_of(first, step, spacing_mm), [note]
    notes = []
    if is_gap.any():
        missing = int(np.rint(times[is_gap] - 1).sum())
        notes.append(f"slices are missing: {missing} in {int(is_gap.sum())} gaps")
    return affine_of(first, step, spacing_mm), notes


def _read(one: Slice) -> Stack:
    with one.open() as file:
        return read_dicom_stream(one.name, file)


def _read_header(name: str, opener: Open) -> Slice | str | None:
    """A file of a series; the reason why it is none; or None for a file that is no DICOM."""
    try:
        with opener() as file:
            head = file.read(132)
            if not begins_as_dicom(head):
                return None
            file.seek(0)
            # The header alone, which bounds the memory.
            dataset = parse_stream(name, file, header_only=True)
        if (
            Path(name).name == DICOMDIR
            or text(dataset.file_meta, "MediaStorageSOPClassUID") == "1.2.840.10008.1.3.10"
        ):
            return None
        check_is_image(name, dataset, header_only=True)
    except InputError as error:
        return f"{name}: {error.message}"
    return Slice(
        name,
        opener,
        text(dataset, "SOPInstanceUID"),
        text(dataset, "SeriesInstanceUID"),
        whole(dataset, "InstanceNumber", 0) or 0,
        whole(dataset, "NumberOfFrames", 1) or 1,
        (
            whole(dataset, "Rows", 0) or 0,
            whole(dataset, "Columns", 0) or 0,
            whole(dataset, "SamplesPerPixel", 1) or 1,
        ),
        plane_of(FunctionalGroups.of(dataset), 0),
    )
