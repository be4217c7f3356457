"""What files of a folder share as members of one study and series, so that files made of them share it as well.

Knows no pixels. UIDs of the source are only hashed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from drai_cli.io.about import Member
from drai_cli.io.dicom.order import measure_geometry, order_places
from drai_cli.io.dicom.series import Slice, choose_alike, read_header
from drai_cli.io.files import open_regular
from drai_cli.io.registry import find_format


def find_members(paths: Iterable[Path]) -> dict[Path, Member]:
    """The series that each DICOM file belongs to, and its place in it; files that name no series are left out.

    Python's warning filters, which all threads share, are left to the caller.
    """
    by_series: defaultdict[str, list[tuple[Path, Slice]]] = defaultdict(list)
    for path in paths:
        format = find_format(path)
        if format is None or format.name != "dicom":
            continue
        one = read_header(str(path), lambda path=path: open_regular(path))  # type: ignore[misc]
        if isinstance(one, Slice) and one.series:
            by_series[one.series].append((path, one))
    members: dict[Path, Member] = {}
    for files in by_series.values():
        members.update(_number(files))
    return members


def _number(files: list[tuple[Path, Slice]]) -> dict[Path, Member]:
    """Members of one series: first those that make its volumes, in spatial order."""
    path_of = {id(one): path for path, one in files}
    slices = sorted((one for _, one in files), key=lambda one: (one.place.number, one.name))
    alike = choose_alike(slices)
    order = order_places([one.place for one in alike])
    ordered = [alike[index] for index in order.frames]
    is_single = all(one.frames == 1 for one in ordered)
    planes = [one.place.plane for one in ordered[: len(ordered) // order.volumes]]
    measured = measure_geometry(planes, (None, 1.0, 1.0)) if is_single else None
    # Where slices are uneven or missing, no one number is their spacing.
    between_mm = measured[0].spacing_mm[0] if measured is not None and not measured[1] else None
    chosen = {id(one) for one in ordered}
    members: dict[Path, Member] = {}
    number = 1
    for one in [*ordered, *(one for one in slices if id(one) not in chosen)]:
        members[path_of[id(one)]] = Member(
            study=one.role.examination or one.series,
            series=one.series,
            frame_of_reference=one.frame_of_reference or one.series,
            series_number=one.series_number,
            number=number,
            between_mm=between_mm if id(one) in chosen else None,
        )
        number += max(1, one.frames)
    return members
