"""Which rows of tables describe which files of a set, and what they say together."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from drai_cli.data.image_set import FILE, part_in_name, part_named
from drai_cli.data.items import Item
from drai_cli.data.matching.lookup import BEGINNING, IN_FOLDER, OUTSIDE, Lookup, inside, is_absolute
from drai_cli.data.reading import list_first
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table, list_columns

IMAGEFOLDER_COLUMN = "file_name"
"""The column by which a `metadata.csv` names images, as Hugging Face's imagefolder has it."""
TABLE_PART = "part of the split, by the table's name or folder"
"""Key of a row's cell that no column holds."""
_PROBED_ROWS = 50
_ENOUGH = 0.5
"""Share of a column's values that have to name files, where a column is looked for."""

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
        return self.key not in (FILE, "SOPInstanceUID")


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
        InputError: Rows name files that are not there, or several: counted and named.
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
    if missing and key == FILE and missing != [""] * len(missing):
        _refuse_missing(table, column, missing, found)
    if missing:
        reporter.warn(f"{len(missing)} of {len(table.rows)} rows of {table.path.name} name no image")
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


def _refuse_missing(table: Table, column: str, missing: Sequence[str], found: Found) -> None:
    total = len(table.rows)
    hint = f"check --image-column {column} and the folder, or remove these rows"
    if any(".tar/" in written for written in missing):
        hint = "tar files are not read: drai sample --format png makes the same images as files"
    elif not any(found.files):
        hint = f"give the folder below which {missing[0]} lies, or name another column with --image-column"
    names = [written or "an empty cell" for written in missing]
    raise InputError(
        table.path,
        f"{len(missing)} of {total} rows name no image below the folder: {list_first(names)}",
        hint,
    )


def choose_key(
    table: Table, column: str | None, lookup: Lookup, root: Path, reporter: Reporter
) -> tuple[str, str]:
    """The column that names files, and what by: the one whose values fit most, by the finest of what they fit.

    Raises:
        UsageError: No column names files, or several do so equally well.
    """
    if column is not None:
        table.check_column(column, "--image-column")
    elif IMAGEFOLDER_COLUMN in table.columns:
        return IMAGEFOLDER_COLUMN, FILE
    fits = find_keys(table, [column] if column is not None else table.columns, lookup)
    if not fits and column is not None and lookup.keys[1] == IN_FOLDER:
        return column, FILE  # its rows will be named as missing
    best = max(fits.values(), default=None)
    chosen = [pair for pair, fit in fits.items() if fit == best]
    if len(chosen) != 1:
        got = (
            f"{len(chosen)} columns do ({list_columns([name for name, _ in chosen])})"
            if chosen
            else "no column does"
        )
        what = "images" if lookup.keys[1] == IN_FOLDER else f"files or {', '.join(lookup.keys[1:-2])}"
        raise UsageError(
            "--image-column" if column is None else f"--image-column {column}",
            f"expected one column of {table.path.name} to name {what} below {root}, but {got}",
            f"name it with --image-column: {list_columns(table.columns)}",
        )
    ((name, key),) = chosen
    if column is None or key != FILE:
        by = "" if key == FILE else f", as {key}"
        reporter.info(
            f"images are named by column {name!r} of {table.path.name}{by}; --image-column names another"
        )
    return name, key


def find_keys(
    table: Table, columns: Sequence[str], lookup: Lookup
) -> dict[tuple[str, str], tuple[bool, float, bool, int, int]]:
    """The columns that name files and what by, each with how well.

    That is whether it names single files, the share of its values that do, whether they are more than numbers, how fine
    the key is, and how many files it finds. A sample of rows is looked at.
    """
    probed = table.rows[:: max(1, len(table.rows) // _PROBED_ROWS)]
    fits: dict[tuple[str, str], tuple[bool, float, bool, int, int]] = {}
    for place, key in enumerate(lookup.keys):
        if any(fit[0] for fit in fits.values()):
            break  # nothing is finer than single files
        for column in columns:
            written = {row[column] for row in probed if row[column]}
            found = [files for one in written if (files := lookup.find_by(key, one))]
            share = len(found) / len(written) if written else 0.0
            # A number may be a file's name by chance, but hardly every number of a column another file's.
            is_meant = share >= _ENOUGH and (key not in (IN_FOLDER, BEGINNING) or len(written) > 1)
            if found and (key == FILE or is_meant):
                named = {name for files in found for name in files}
                is_text = not all(one.replace(".", "").isdecimal() for one in written)
                is_file = key == FILE and share >= _ENOUGH
                fits[column, key] = (is_file, round(share, 1), is_text, -place, len(named))
    return fits


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
        if key == FILE and len(files) > 1:
            files = _in_part(files, row.get(TABLE_PART) or part_in_name(table.path.name))
        if key == FILE and len(files) > 1:
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
    for column in second.columns:
        if column not in first.columns:
            continue
        by_value: dict[str, Row] = {}
        for row in second.rows:
            if by_value.setdefault(row[column], row) != row:
                raise InputError(
                    second.path, f"has two rows that differ with {row[column]!r} in column {column!r}",
                    "keep one, or let its rows name images",
                )  # fmt: skip
        there = sum(row[column] in by_value for row in first.rows)
        if there < _ENOUGH * len(first.rows):
            continue
        added = [name for name in second.columns if name not in first.columns]
        blank = dict.fromkeys(added, "")
        rows = tuple(
            {**blank, **{k: v for k, v in by_value.get(row[column], {}).items() if k in blank}, **row}
            for row in first.rows
        )
        return replace(first, columns=(*first.columns, *added), rows=rows)
    return None
