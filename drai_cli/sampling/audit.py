"""Checks the files of a `sample` output against its tables: present, unchanged, and with the right marks."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, zip_longest
from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.io.files import file_sha256, open_regular
from drai_cli.io.tar import read_tar
from drai_cli.output.marks import marks_of_member, read_marks
from drai_cli.sampling.layout import NPZ, container_of
from drai_cli.sampling.manifest import MANIFEST, METADATA
from drai_cli.sampling.npz_file import read_npz
from drai_cli.sampling.plan import name_files

Row = Mapping[str, str]


def names_of(first: str, suffixes: tuple[str, ...], masks: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of an image's files; `first` is the one that metadata.csv lists, the others are sidecars and masks."""
    return name_files(first.removesuffix(suffixes[0]), suffixes, masks)


def group_rows(
    rows: Iterable[Row], suffixes: tuple[str, ...], masks: Sequence[str] = ()
) -> Iterator[tuple[str, list[Row]]]:
    """The files on disk that metadata.csv lists, each with its images' rows; a sidecar and a mask have no row."""
    for tar, group in groupby(rows, key=lambda row: container_of(row["file_name"])):
        if tar:
            yield tar, list(group)
            continue
        for row in group:
            first, *sidecars = names_of(row["file_name"], suffixes, masks)
            yield first, [row]
            yield from ((name, []) for name in sidecars)


def join_by_name(
    listed: Iterable[tuple[str, str]], grouped: Iterable[tuple[str, list[Row]]]
) -> Iterator[tuple[str, str | None, list[Row] | None]]:
    """Joins two streams by name; the value is None for a name that one of them lacks.

    Entries wait in memory only where the order of the two streams differs.
    """
    only_listed: dict[str, str] = {}
    only_grouped: dict[str, list[Row]] = {}
    for one, other in zip_longest(listed, grouped):
        for name, value in () if one is None else (one,):
            if name in only_grouped:
                yield name, value, only_grouped.pop(name)
            else:
                only_listed[name] = value
        for name, rows in () if other is None else (other,):
            if name in only_listed:
                yield name, only_listed.pop(name), rows
            else:
                only_grouped[name] = rows
    yield from ((name, value, None) for name, value in only_listed.items())
    yield from ((name, None, rows) for name, rows in only_grouped.items())


def list_files(out: Path, tables: Collection[str] = ()) -> Iterator[str]:
    """The files of an output without metadata.csv, manifest.json, the layout's own tables and hidden files."""
    for folder, folders, names in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(out).as_posix()
            if not name.startswith(".") and path.is_file() and relative not in (MANIFEST, METADATA, *tables):
                yield relative


def resolve_inside(out: Path, name: str) -> Path | None:
    """The path of a file of the output; None if it leads out of the folder: a manifest may come from strangers."""
    path = out / name
    try:
        is_inside = ".." not in Path(name).parts and path.resolve().is_relative_to(out.resolve())
    except (OSError, ValueError, RuntimeError):
        is_inside = False
    return path if is_inside else None


def compare_file(path: Path | None, digest: str | None) -> str:
    """How a file, as `resolve_inside` returns it, differs from the manifest's sha256; empty if it does not."""
    if path is None:
        return "lies outside the folder"
    if digest is None:
        return "was left out as a copy, but exists" if path.exists() else ""
    if not path.exists():
        return "is missing"
    try:
        return "" if file_sha256(path) == digest else "was changed"
    except InputError as error:
        return error.message


def compare_marks(
    out: Path, name: str, rows: Sequence[Row], suffixes: tuple[str, ...], weights_sha256: str
) -> Iterator[tuple[str, str]]:
    """The images of a file whose marks differ from their rows in metadata.csv: name and reason of each.

    Args:
        out: The output.
        name: Of a file in it whose sha256 is the manifest's.
        rows: Of the images in the file; empty for a sidecar and for an image that was left out.
        suffixes: Of an image's files.
        weights_sha256: Of the model, from the manifest.
    """
    if not rows and name != NPZ:
        return
    try:
        if name == NPZ:
            yield from _compare_npz_marks(out, name, rows, weights_sha256)
        elif container_of(rows[0]["file_name"]):
            yield from _compare_tar_marks(out, name, rows, suffixes, weights_sha256)
        elif reason := _compare_image_marks(read_marks(out / name), rows[0], weights_sha256):
            yield name, reason
    except InputError as error:
        yield name, error.message


def _compare_tar_marks(
    out: Path, name: str, rows: Sequence[Row], suffixes: tuple[str, ...], weights_sha256: str
) -> Iterator[tuple[str, str]]:
    expected = {member: row for row in rows for member in names_of(row["file_name"], suffixes)}
    for full_name, data in _members(out, name):
        row = expected.pop(full_name, None)
        if row is None:
            yield full_name, "is in no table"
        elif full_name.endswith((".png", ".json")):
            try:
                reason = _compare_image_marks(marks_of_member(full_name, data), row, weights_sha256)
            except InputError as error:
                reason = error.message
            if reason:
                yield full_name, reason
    for full_name in expected:
        yield full_name, "is missing"


def _compare_npz_marks(
    out: Path, name: str, rows: Sequence[Row], weights_sha256: str
) -> Iterator[tuple[str, str]]:
    marks = read_marks(out / name)
    for number, (image, row) in enumerate(zip_longest(read_npz(out / name), rows)):
        if image is None:
            yield row["file_name"], "is missing"
        elif row is None:
            yield f"{name}, row {number}", "is in no table"
        else:
            own = {**marks, "label": image.label, "index": str(image.index)}
            if reason := _compare_image_marks(own, row, weights_sha256):
                yield row["file_name"], reason


def _compare_image_marks(marks: Mapping[str, str], row: Row, weights_sha256: str) -> str:
    """How an image's own marks differ from the tables; empty if they do not."""
    if marks.get("synthetic") != "yes":
        return "is not marked as synthetic"
    expected = {"weights_sha256": weights_sha256, **{name: row[name] for name in ("label", "seed", "index")}}
    for name, text in expected.items():
        if marks.get(name) != text:
            return f"its mark {name} is {marks.get(name, 'missing')}, metadata.csv has {text}"
    return ""


def hash_files(out: Path, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Name and sha256 of those of the named files, or members of tar and npz files, that exist."""
    members: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        if container_of(name):
            members[container_of(name)].add(name)
        elif (out / name).is_file():
            yield name, file_sha256(out / name)
    for container, wanted in members.items():
        # An unreadable container was reported when the files were compared with the manifest.
        if (out / container).is_file():
            with suppress(InputError):
                for name, data in _members(out, container):
                    if name in wanted:
                        yield name, hashlib.sha256(data).hexdigest()
                        wanted.remove(name)
                    if not wanted:
                        break


def _members(out: Path, container: str) -> Iterator[tuple[str, bytes]]:
    """Names, as metadata.csv and sidecars have them, and contents of what is in a tar or npz file."""
    if container == NPZ:
        yield from ((image.name, image.data) for image in read_npz(out / container))
        return
    with open_regular(out / container, max_bytes=None) as file:
        yield from ((f"{container}/{member}", data) for member, data in read_tar(file, container))
