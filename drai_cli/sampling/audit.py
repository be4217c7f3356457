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
from drai_cli.sampling.layout import tar_of
from drai_cli.sampling.manifest import MANIFEST, METADATA

Row = Mapping[str, str]


def names_of(first: str, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """The names of an image's files; `first` is the one that metadata.csv lists, the others are sidecars."""
    stem = first.removesuffix(suffixes[0])
    return tuple(stem + suffix for suffix in suffixes)


def group_rows(rows: Iterable[Row], suffixes: tuple[str, ...]) -> Iterator[tuple[str, list[Row]]]:
    """The files on disk that metadata.csv lists, each with its images' rows; a sidecar has no row."""
    for tar, group in groupby(rows, key=lambda row: tar_of(row["file_name"])):
        if tar:
            yield tar, list(group)
            continue
        for row in group:
            first, *sidecars = names_of(row["file_name"], suffixes)
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


def list_files(out: Path) -> Iterator[str]:
    """The files of an output without its two tables and without hidden files."""
    for folder, folders, names in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(out).as_posix()
            if not name.startswith(".") and path.is_file() and relative not in (MANIFEST, METADATA):
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
    if not rows:
        return
    try:
        if tar_of(rows[0]["file_name"]):
            yield from _compare_tar_marks(out, name, rows, suffixes, weights_sha256)
        elif reason := _compare_image_marks(read_marks(out / name), rows[0], weights_sha256):
            yield name, reason
    except InputError as error:
        yield name, error.message


def _compare_tar_marks(
    out: Path, name: str, rows: Sequence[Row], suffixes: tuple[str, ...], weights_sha256: str
) -> Iterator[tuple[str, str]]:
    expected = {member: row for row in rows for member in names_of(row["file_name"], suffixes)}
    with open_regular(out / name, max_bytes=None) as file:
        for member, data in read_tar(file, name):
            full_name = f"{name}/{member}"
            row = expected.pop(full_name, None)
            if row is None:
                yield full_name, "is in no table"
            elif member.endswith((".png", ".json")):
                try:
                    reason = _compare_image_marks(marks_of_member(full_name, data), row, weights_sha256)
                except InputError as error:
                    reason = error.message
                if reason:
                    yield full_name, reason
    for full_name in expected:
        yield full_name, "is missing"


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
    """Name and sha256 of those of the named files, or members of tar files, that exist."""
    members: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        if tar_of(name):
            members[tar_of(name)].add(name)
        elif (out / name).is_file():
            yield name, file_sha256(out / name)
    for tar, wanted in members.items():
        # An unreadable tar file was reported when the files were compared with the manifest.
        if (out / tar).is_file():
            with suppress(InputError), open_regular(out / tar, max_bytes=None) as file:
                for member, data in read_tar(file, tar):
                    if f"{tar}/{member}" in wanted:
                        yield f"{tar}/{member}", hashlib.sha256(data).hexdigest()
