"""The files of an output of `sample` against its tables: there, unchanged, and marked as the tables say."""

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
    """The names of an image, called `first` in metadata.csv, and of what lies beside it."""
    stem = first.removesuffix(suffixes[0])
    return tuple(stem + suffix for suffix in suffixes)


def files_told(rows: Iterable[Row], suffixes: tuple[str, ...]) -> Iterator[tuple[str, list[Row]]]:
    """The files that metadata.csv tells of, each with its images' rows; what only lies beside an image has none."""
    for tar, group in groupby(rows, key=lambda row: tar_of(row["file_name"])):
        if tar:
            yield tar, list(group)
            continue
        for row in group:
            first, *beside = names_of(row["file_name"], suffixes)
            yield first, [row]
            yield from ((name, []) for name in beside)


def joined(
    ones: Iterable[tuple[str, str]], others: Iterable[tuple[str, list[Row]]]
) -> Iterator[tuple[str, str | None, list[Row] | None]]:
    """By name what both have, and (with None) what only one has; kept in memory only where they are not in step."""
    alone: dict[str, str] = {}
    other_alone: dict[str, list[Row]] = {}
    for one, other in zip_longest(ones, others):
        for name, value in () if one is None else (one,):
            if name in other_alone:
                yield name, value, other_alone.pop(name)
            else:
                alone[name] = value
        for name, rows in () if other is None else (other,):
            if name in alone:
                yield name, alone.pop(name), rows
            else:
                other_alone[name] = rows
    yield from ((name, value, None) for name, value in alone.items())
    yield from ((name, None, rows) for name, rows in other_alone.items())


def files_in(out: Path) -> Iterator[str]:
    """The files beside the tables; hidden ones are nobody's."""
    for folder, folders, names in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(out).as_posix()
            if not name.startswith(".") and path.is_file() and relative not in (MANIFEST, METADATA):
                yield relative


def inside(out: Path, name: str) -> Path | None:
    """The path of a file of the output; None for one outside: a manifest may come from strangers."""
    path = out / name
    try:
        is_inside = ".." not in Path(name).parts and path.resolve().is_relative_to(out.resolve())
    except (OSError, ValueError, RuntimeError):
        is_inside = False
    return path if is_inside else None


def differs(path: Path | None, digest: str | None) -> str:
    """How a file, as `inside` has it, differs from the manifest; empty if it does not."""
    if path is None:
        return "lies outside the folder"
    if digest is None:
        return "was left out as a copy, and is there" if path.exists() else ""
    if not path.exists():
        return "is gone"
    try:
        return "" if file_sha256(path) == digest else "was changed"
    except InputError as error:
        return error.message


def mismarks(
    out: Path, name: str, rows: Sequence[Row], suffixes: tuple[str, ...], weights_sha256: str
) -> Iterator[tuple[str, str]]:
    """How the marks of a file's images differ from their rows in metadata.csv: name and reason of each.

    Args:
        out: The output.
        name: Of a file in it that is as the manifest has it.
        rows: Of the images in it; none of a file that only lies beside an image, or that was left out.
        suffixes: Of an image's files.
        weights_sha256: Of the model, as the manifest has it.
    """
    if not rows:
        return
    try:
        if tar_of(rows[0]["file_name"]):
            yield from _mismarks_in_tar(out, name, rows, suffixes, weights_sha256)
        elif reason := _mismark(read_marks(out / name), rows[0], weights_sha256):
            yield name, reason
    except InputError as error:
        yield name, error.message


def _mismarks_in_tar(
    out: Path, name: str, rows: Sequence[Row], suffixes: tuple[str, ...], weights_sha256: str
) -> Iterator[tuple[str, str]]:
    expected = {inner: row for row in rows for inner in names_of(row["file_name"], suffixes)}
    with open_regular(out / name, max_bytes=None) as file:
        for member, data in read_tar(file, name):
            inner = f"{name}/{member}"
            row = expected.pop(inner, None)
            if row is None:
                yield inner, "is in no table"
            elif member.endswith((".png", ".json")):
                try:
                    reason = _mismark(marks_of_member(inner, data), row, weights_sha256)
                except InputError as error:
                    reason = error.message
                if reason:
                    yield inner, reason
    for inner in expected:
        yield inner, "is gone"


def _mismark(marks: Mapping[str, str], row: Row, weights_sha256: str) -> str:
    """How an image's own marks differ from the tables; empty if they do not."""
    if marks.get("synthetic") != "yes":
        return "does not say that it is synthetic"
    expected = {"weights_sha256": weights_sha256, **{name: row[name] for name in ("label", "seed", "index")}}
    for name, text in expected.items():
        if marks.get(name) != text:
            return f"says {name} {marks.get(name, 'nothing')}, metadata.csv says {text}"
    return ""


def digests_on_disk(out: Path, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """The sha256 of those of the named files, or members of tar files, that are there."""
    inner: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        if tar_of(name):
            inner[tar_of(name)].add(name)
        elif (out / name).is_file():
            yield name, file_sha256(out / name)
    for tar, wanted in inner.items():
        # One that cannot be read was told of when its files were looked at.
        if (out / tar).is_file():
            with suppress(InputError), open_regular(out / tar, max_bytes=None) as file:
                for member, data in read_tar(file, tar):
                    if f"{tar}/{member}" in wanted:
                        yield f"{tar}/{member}", hashlib.sha256(data).hexdigest()
