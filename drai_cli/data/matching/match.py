"""Which rows of tables describe which files of a set, and what they say together."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from drai_cli.data.image_set import FILE, part_in_name, part_named
from drai_cli.data.items import Item
from drai_cli.data.matching.keys import choose_key
from drai_cli.data.matching.lookup import NUMBER, OUTSIDE, Lookup, inside, is_absolute
from drai_cli.data.reading import list_first
from drai_cli.errors import InputError
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table

TABLE_PART = "part of the split, by the table's name or folder"
"""Key of a row's cell that no column holds."""
_ENOUGH = 0.5
"""Share of rows whose value has to be there, where a column that two tables share is looked for."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Described:
    """What tables say of the files of a set.

    Attributes:
        table: The table, or all of them as one.
        rows: The rows of each file that has any, by its name.
        key_column: The column that names files.
        key: What it names them by: `file`, a DICOM keyword, `folder`, ….
        skipped: What rows name that cannot be used, with the reason.
        copies: Files that equal one that has a row, byte for byte.
    """

    table: Table
    rows: Mapping[str, Sequence[Row]]
    key_column: str
    key: str = FILE
    skipped: tuple[tuple[str, str], ...] = ()
    copies: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.table.columns

    @property
    def describes_several(self) -> bool:
        """Whether a row may be of several files."""
        return self.key not in (FILE, NUMBER, "SOPInstanceUID")


@dataclass
class Found:
    """What the cells of one column name.

    Attributes:
        files: The files of each row.
        outside: Rows whose path leads out of the set.
        ambiguous: Rows that fit several files, with these.
        missing: Rows that fit none.
    """

    files: list[list[str]] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    ambiguous: list[tuple[str, list[str]]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def describe(
    table: Table,
    column: str | None,
    lookup: Lookup,
    refused: Mapping[str, str],
    root: Path,
    reporter: Reporter,
) -> Described:
    """The files that a table's rows describe.

    Args:
        table: The table.
        column: The column that names files; None: looked for.
        lookup: The files.
        refused: Files of the set that may not be used, with the reason.
        root: The set's folder.
        reporter: Shown what is found and left out.

    Raises:
        InputError: No row names a file that is there, or one names several: counted and named.
        UsageError: No such column, or none or several that name files.
    """
    column, key = choose_key(table, column, lookup, root, reporter)
    found = _find(table, column, key, lookup, root)
    skipped = dict.fromkeys(found.outside, OUTSIDE)
    refused_lookup = Lookup([Item(name) for name in refused], root) if found.missing and refused else None
    missing = []
    for written in found.missing:
        unusable = refused_lookup.find(written) if refused_lookup is not None else []
        if unusable:
            skipped[unusable[0]] = refused[unusable[0]]
        elif is_absolute(written) and key == FILE:
            skipped[written] = OUTSIDE
        else:
            missing.append(written)
    if missing and key == FILE and not any(found.files) and any(missing):
        _refuse_missing(table, column, missing)
    if missing:
        absent = [written for written in missing if written]
        which = f" below the folder and are left out: {list_first(absent)}" if absent else ""
        reporter.warn(f"{len(missing)} of {len(table.rows)} rows of {table.path.name} name no image{which}")
    copies = _take_copies_once(found, root)
    if found.ambiguous:
        listed = [f"{written} ({', '.join(files[:3])})" for written, files in found.ambiguous]
        raise InputError(
            table.path,
            f"{len(listed)} of {len(table.rows)} rows name an image that exists several times: {list_first(listed)}",
            f"write paths relative to the set's folder into column {column}, or give a folder with one of each",
        )
    if copies:
        reporter.info(
            f"{len(copies)} images of {table.path.name} lie in several folders, equal byte for byte: each is taken once"
        )
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row, files in zip(table.rows, found.files, strict=True):
        for name in files:
            rows[name].append(row)
    return Described(table, dict(rows), column, key, tuple(skipped.items()), copies)


def _refuse_missing(table: Table, column: str, missing: Sequence[str]) -> None:
    hint = f"give the folder below which {missing[0]} lies, or name another column with --image-column"
    if any(".tar/" in written for written in missing):
        hint = "tar files are not read: drai sample --format png makes the same images as files"
    names = [written or "an empty cell" for written in missing]
    raise InputError(
        table.path,
        f"{len(missing)} of {len(table.rows)} rows name no image below the folder: {list_first(names)} "
        f"(column {column!r})",
        hint,
    )


def _find(table: Table, column: str, key: str, lookup: Lookup, root: Path) -> Found:
    """What each cell of a column names. A file that one cell names whole is no likely match of another."""
    found = Found()
    known: dict[str, tuple[list[str], bool]] = {}
    for row in table.rows:
        written = row[column]
        if written not in known:
            known[written] = lookup.find_end(written) if key == FILE else (lookup.find_by(key, written), True)
    certain = {name for files, is_whole in known.values() if is_whole for name in files}
    for row in table.rows:
        written = row[column]
        files, is_whole = known[written]
        if not is_whole and certain.intersection(files):
            files = []
        if key in (FILE, NUMBER) and len(files) > 1:
            files = _in_part(files, row.get(TABLE_PART) or part_in_name(table.path.name))
        if key in (FILE, NUMBER) and len(files) > 1:
            found.ambiguous.append((written, files))
        elif not files:
            if inside(written, root) is None:
                found.outside.append(written.replace("\\", "/"))
            else:
                found.missing.append(written)
        found.files.append(files)
    return found


def _in_part(files: list[str], part: str | None) -> list[str]:
    """Of several files the one in a folder of the table's part: `train.csv` means `train/1.png`, not `test/1.png`."""
    if part is None:
        return files
    inside = [name for name in files if any(part_named(folder) == part for folder in name.split("/")[:-1])]
    return inside if len(inside) == 1 else files


def _take_copies_once(found: Found, root: Path) -> frozenset[str]:
    """Drops files that equal the first that a row fits, byte for byte, and returns them."""
    taken: dict[tuple[str, ...], bool] = {}
    for _, files in found.ambiguous:
        if tuple(files) not in taken:
            taken[tuple(files)] = are_equal([root / name for name in files])
    copies = {name for files, is_copied in taken.items() if is_copied for name in files[1:]}
    found.files = [files[:1] if taken.get(tuple(files)) else files for files in found.files]
    found.ambiguous = [(written, files) for written, files in found.ambiguous if not taken[tuple(files)]]
    return frozenset(copies)


def are_equal(paths: Sequence[Path]) -> bool:
    """Whether files hold the same bytes; False where one cannot be read."""
    try:
        if len({path.stat().st_size for path in paths}) > 1:
            return False
        digests = set()
        for path in paths:
            with open(path, "rb") as file:
                digests.add(hashlib.file_digest(file, "sha256").digest())
        return len(digests) == 1
    except OSError:
        return False


def join(first: Described, second: Described, reporter: Reporter, *, adds_files: bool = True) -> Described:
    """What two tables say of the same files; where both have a column, the first's values count if it has any.

    Without `adds_files`, files of which only the second says something still have no row.
    """
    shared = [name for name in second.columns if name in first.columns]
    rows: dict[str, Sequence[Row]] = {}
    differing: Counter[str] = Counter()
    for name, own in first.rows.items():
        others = second.rows.get(name, ({},))
        for column in shared:
            values = {row[column] for row in (*own, *others) if row.get(column)}
            differing[column] += column != first.key_column and len(values) > 1
        rows[name] = [
            {**other, **{k: v for k, v in row.items() if v or k not in other}}
            for row in own
            for other in others
        ]
    for name in second.rows if adds_files else ():
        rows.setdefault(name, second.rows[name])
    for column, count in differing.items():
        if count:
            reporter.warn(
                f"column {column!r} of {second.table.path.name} differs from {first.table.path.name} for {count} "
                "images: the latter is taken"
            )
    columns = (*first.columns, *(name for name in second.columns if name not in first.columns))
    blank = dict.fromkeys(columns, "")
    rows = {name: [{**blank, **row} for row in several] for name, several in rows.items()}
    table = replace(
        first.table, columns=columns, rows=tuple(row for several in rows.values() for row in several)
    )
    return replace(
        first,
        table=table,
        rows=rows,
        skipped=(*first.skipped, *second.skipped),
        copies=first.copies | second.copies,
    )


def join_by_column(first: Table, second: Table) -> Table | None:
    """A table with the columns of a second one that has a row for each value of a column that both have, or None.

    Raises:
        InputError: Rows of the second contradict each other.
    """
    contradiction: InputError | None = None
    for column in second.columns:
        if column not in first.columns:
            continue
        by_value: dict[str, Row] = {}
        doubled = [row[column] for row in second.rows if by_value.setdefault(row[column], row) != row]
        there = sum(row[column] in by_value for row in first.rows)
        if there < _ENOUGH * len(first.rows):
            continue
        if doubled:
            contradiction = contradiction or InputError(
                second.path, f"has two rows that differ with {doubled[0]!r} in column {column!r}",
                "keep one, or let its rows name images",
            )  # fmt: skip
            continue
        added = [name for name in second.columns if name not in first.columns]
        blank = dict.fromkeys(added, "")
        rows = tuple(
            {**blank, **{k: v for k, v in by_value.get(row[column], {}).items() if k in blank}, **row}
            for row in first.rows
        )
        return replace(first, columns=(*first.columns, *added), rows=rows)
    if contradiction is not None:
        raise contradiction
    return None
