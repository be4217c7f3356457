"""DICOM series: the files of a folder, a zip or a DICOMDIR that belong together, in spatial order.

Files of a series have the same (0020,000E) SeriesInstanceUID. Slices are ordered by their position along the normal of
their planes, never by file name. What is not of the examination is set aside (`foreign.py`).
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom import Dataset

from drai_cli.errors import InputError
from drai_cli.io.dicom.file import parse_stream, text, whole
from drai_cli.io.dicom.foreign import Role, count_reasons, role_of, set_aside
from drai_cli.io.dicom.joined import JoinedFrames
from drai_cli.io.dicom.order import Place, has_one_orientation, measure_geometry, order_places, volume_key
from drai_cli.io.dicom.placement import FunctionalGroups, plane_of
from drai_cli.io.dicom.read import check_is_image, read_dicom_stream
from drai_cli.io.dicom.series_files import MAX_FILES, ZIP_FAILURES, Open, list_files, stored_bytes
from drai_cli.io.dicom.signature import DICOMDIR, begins_as_dicom
from drai_cli.io.stack import Stack

_LISTED = 12


@dataclass(frozen=True)
class Slice:
    """A file of a series, its pixels not yet read.

    Attributes:
        name: For messages.
        open: Opens it.
        uid: (0008,0018) SOPInstanceUID.
        series: (0020,000E) SeriesInstanceUID.
        series_number: (0020,0011) SeriesNumber as text.
        frame_of_reference: (0020,0052) FrameOfReferenceUID.
        role: What it says that it is.
        frames: How many the file holds.
        size: Rows, columns, samples.
        place: What puts it in order: of several frames, the first.
        file_bytes: Of the file where it is stored.
    """

    name: str
    open: Open
    uid: str
    series: str
    series_number: str
    frame_of_reference: str
    role: Role
    frames: int
    size: tuple[int, int, int]
    place: Place
    file_bytes: int


def read_series(path: Path, chosen: str | None = None) -> Stack:
    """Reads the one series in a folder, a zip or a DICOMDIR.

    Python's warning filters, which all threads share, are left to the caller.

    Args:
        path: Where the files are.
        chosen: Which of several series: (0020,0011) SeriesNumber, or its SeriesInstanceUID.

    Raises:
        InputError: None or several there, or one that cannot be read.
    """
    try:
        with ExitStack() as opened:
            return _read_series(path, chosen, opened)
    except ZIP_FAILURES as error:
        raise InputError(path, f"cannot be read ({type(error).__name__})") from error


def read_first_header(path: Path, chosen: str | None = None) -> Dataset:
    """The header of an image of a series, for what all of its files share: patient, study, marks.

    Args:
        path: As `read_series` takes it.
        chosen: As `read_series` takes it.

    Raises:
        InputError: None there, or it cannot be read.
    """
    try:
        with ExitStack() as opened, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, opener in list_files(path, opened):
                one = read_header(name, opener)
                if isinstance(one, Slice) and chosen in (None, one.series, one.series_number):
                    with opener() as file:
                        return parse_stream(name, file, header_only=True)
    except ZIP_FAILURES as error:
        raise InputError(path, f"cannot be read ({type(error).__name__})") from error
    raise InputError(path, "expected DICOM images, got none")


def _read_series(path: Path, chosen: str | None, opened: ExitStack) -> Stack:
    subject = str(path)
    found: list[Slice] = []
    refused: list[str] = []
    seen = 0
    for name, opener in list_files(path, opened):
        seen += 1
        if seen > MAX_FILES:
            raise InputError(subject, f"expected at most {MAX_FILES} files, got more")
        file = read_header(name, opener)
        if isinstance(file, Slice):
            found.append(file)
        elif file:
            refused.append(file)
    if not found:
        reason = f": {refused[0]}" if refused else ""
        raise InputError(subject, f"expected DICOM images, got none in {seen} files{reason}")
    notes = [f"{len(refused)} DICOM files are left out ({refused[0]})"] if refused else []
    by_series: defaultdict[str, list[Slice]] = defaultdict(list)
    if chosen is None:
        reasons = set_aside([one.role for one in found])
        if any(reasons):
            notes.append(f"set aside by what they say of themselves: {count_reasons(reasons)}")
        found = [one for one, reason in zip(found, reasons, strict=True) if not reason]
    for one in found:
        by_series[one.series].append(one)
    slices = _choose_series(subject, by_series, chosen)
    stack = _assemble(subject, slices)
    return replace(stack, notes=(*stack.notes, *notes))


def _choose_series(subject: str, by_series: Mapping[str, list[Slice]], chosen: str | None) -> list[Slice]:
    """The slices of the only series, or of the one that is chosen."""
    fitting = [
        slices
        for uid, slices in by_series.items()
        if chosen in (None, uid, slices[0].series_number) and slices
    ]
    if len(fitting) == 1:
        return fitting[0]
    # Descriptions are free text, which may name somebody.
    listed = [f"{slices[0].series_number or uid} ({len(slices)} files)" for uid, slices in by_series.items()]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    wanted = "one series" if chosen is None else f"one series with the number or UID {chosen}"
    raise InputError(
        subject,
        f"expected {wanted}, got {len(by_series) if chosen is None else len(fitting)}: "
        f"{', '.join(listed[:_LISTED])}{more}",
        "pick one: drai convert --series NUMBER takes its number or SeriesInstanceUID; or give a folder or zip of one",
    )


def _assemble(subject: str, slices: Sequence[Slice]) -> Stack:
    """The stack of a series' files."""
    notes: list[str] = []
    by_uid = {one.uid or one.name: one for one in reversed(slices)}
    if len(by_uid) < len(slices):
        notes.append(f"{len(slices) - len(by_uid)} files are left out: another has the same SOPInstanceUID")
    slices = sorted(by_uid.values(), key=lambda one: (one.place.number, one.name))
    if any(one.frames > 1 for one in slices):
        stack = _join_volumes(subject, slices)
        return replace(stack, source=subject, notes=(*stack.notes, *notes))
    kept = choose_alike(slices)
    if len(kept) < len(slices):
        notes.append(f"{len(slices) - len(kept)} images of another size or orientation are left out")
    places = [one.place for one in kept]
    order = order_places(places)
    if places[0].plane is None and len(kept) > 1:
        notes.append("the files do not say where they lie: ordered by InstanceNumber")
    if order.left_out and order.volumes == 1:
        notes.append(f"{len(order.left_out)} duplicate slices are left out: another lies in the same place")
    elif order.left_out:
        notes.append(f"{len(order.left_out)} images are left out: they make no whole volume")
    ordered = [kept[index] for index in order.frames]
    stack, mixed = _join(subject, ordered)
    notes += mixed
    planes = [one.place.plane for one in ordered[: len(ordered) // order.volumes]]
    measured = measure_geometry(planes, stack.spacing_mm)
    if measured is not None:
        geometry, gaps = measured
        stack = replace(stack, geometry=geometry, spacing_mm=geometry.spacing_mm)
        notes += gaps
    elif len(planes) > 1:
        stack = replace(stack, geometry=None)
    return replace(stack, source=subject, volumes=order.volumes, notes=(*stack.notes, *notes))


def choose_alike(slices: Sequence[Slice]) -> list[Slice]:
    """The most images of one size and orientation: a series may contain others that do not say what they are."""
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            first = group[0].place
            is_alike = (
                first.plane is one.place.plane is None
                if first.plane is None or one.place.plane is None
                else has_one_orientation([first, one.place])
            )
            if one.size == group[0].size and is_alike:
                group.append(one)
                break
        else:
            groups.append([one])
    return max(groups, key=len)


def _join_volumes(subject: str, slices: Sequence[Slice]) -> Stack:
    """Files of several frames: the volumes of all where they lie in the same place, else the only one."""
    head = _read(slices[0])
    if len(slices) == 1:
        return head
    joined = JoinedFrames(subject, sum(one.frames for one in slices), sum(one.file_bytes for one in slices))
    joined.add(head)
    for one in slices[1:]:
        stack = _read(one)
        is_alike = (
            head.geometry is not None
            and stack.geometry is not None
            and stack.array.shape[1:] == head.array.shape[1:]
            and len(stack.array) // stack.volumes == len(head.array) // head.volumes
            and np.allclose(stack.geometry.affine, head.geometry.affine, atol=1e-3)
        )
        if not is_alike:
            raise InputError(
                subject,
                f"expected one file with several frames, or volumes in the same place, got {len(slices)} files",
                "give one of them",
            )
        joined.add(stack)
    return replace(joined.stack(), volumes=sum(stack.volumes for stack in joined.parts))


def _join(subject: str, slices: Sequence[Slice]) -> tuple[Stack, list[str]]:
    """All slices decoded into one stack."""
    joined = JoinedFrames(subject, len(slices), sum(one.file_bytes for one in slices))
    for one in slices:
        joined.add(_read(one))
    notes = []
    if len({stack.unit for stack in joined.parts}) > 1:
        notes.append("its slices differ in what values mean")
    windows = {stack.windows for stack in joined.parts}
    if len(windows) > 1:
        notes.append("its slices suggest different windows: the first one's is kept")
    return joined.stack(), notes


def _read(one: Slice) -> Stack:
    with one.open() as file:
        return read_dicom_stream(one.name, file, one.file_bytes)


def read_header(name: str, opener: Open) -> Slice | str | None:
    """A file of a series; the reason why it is none; or None for a file that is no DICOM."""
    try:
        with opener() as file:
            file_bytes = stored_bytes(file)
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
    groups = FunctionalGroups.of(dataset)
    return Slice(
        name,
        opener,
        text(dataset, "SOPInstanceUID"),
        text(dataset, "SeriesInstanceUID"),
        text(dataset, "SeriesNumber"),
        text(dataset, "FrameOfReferenceUID"),
        role_of(dataset),
        whole(dataset, "NumberOfFrames", 1) or 1,
        (
            whole(dataset, "Rows", 0) or 0,
            whole(dataset, "Columns", 0) or 0,
            whole(dataset, "SamplesPerPixel", 1) or 1,
        ),
        Place(plane_of(groups, 0), volume_key(groups, 0), whole(dataset, "InstanceNumber", 0) or 0),
        file_bytes,
    )
