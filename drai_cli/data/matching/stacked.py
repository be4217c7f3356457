"""Several tables of one kind as one: a table for each part of the split, or one in each folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from drai_cli.data.image_set import part_in_name, part_named
from drai_cli.data.matching.keys import IMAGEFOLDER_COLUMN, find_keys
from drai_cli.data.matching.lookup import Lookup
from drai_cli.data.matching.match import TABLE_PART
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table, read_table

FOLD = re.compile(r"(?:^|[/_. -])(?:cv|fold|split)[-_ ]?(\d+)(?=[/_. -]|$)", re.IGNORECASE)
"""A name of a list or table that is one fold of a cross-validation."""
_IMAGEFOLDER = ("metadata.csv", "metadata.tsv", "metadata.jsonl")


def stack(tree: Tree, tables: Sequence[Table], lookup: Lookup, reporter: Reporter) -> list[Table]:
    """Tables with the same columns as one, each row with the part that its table's name or folder says.

    Tables that are called after no part are taken together where none names what another does, as a table for each
    class or each patient does. Equal copies are taken once.

    Raises:
        InputError: Tables with the same columns, not all of which are called after a part, name the same.
    """
    by_columns: defaultdict[frozenset[str], list[Table]] = defaultdict(list)
    for table in tables:
        same = by_columns[frozenset(table.columns)]
        copies = [one for one in same if one.path.parent == table.path.parent and one.rows == table.rows]
        if copies:
            reporter.info(f"{table.path.name} holds the same as {copies[0].path.name} and is not used")
        else:
            same.append(table)
    out = []
    for same in by_columns.values():
        if len(same) == 1:
            out.append(same[0])
            continue
        parts = [part_of_table(table.path) for table in same]
        if None in parts:
            same = [_in_own_folder(table, tree.root, lookup) for table in same]
        if None in parts and not _are_apart(same, lookup):
            refuse_several(tree, [table.path for table in same])
        folds = {fold[1] for table in same if (fold := FOLD.search(table.path.stem))}
        if None in parts and len(folds) == len(same):
            reporter.warn(
                f"{same[0].path.name} and {len(same) - 1} more tables look like folds of a cross-validation and are "
                "taken together: call one of them test.csv and the others train_1.csv, … to keep such a split"
            )
        rows = tuple(
            {**row, **({} if None in parts else {TABLE_PART: str(part)})}
            for table, part in zip(same, parts, strict=True)
            for row in table.rows
        )
        out.append(replace(same[0], rows=rows))
    return out


def _in_own_folder(table: Table, root: Path, lookup: Lookup) -> Table:
    """A table in a folder whose cells name what lies below that folder, with the folder before each of them."""
    if table.path.parent == root or not table.path.is_relative_to(root):
        return table
    folder = table.path.parent.relative_to(root).as_posix()
    fits = find_keys(table, table.columns, lookup)
    column, key = max(fits, key=lambda pair: fits[pair], default=("", ""))
    cells = {row[column] for row in table.rows if row[column]} if fits else set()
    found = [lookup.find_by(key, f"{folder}/{cell}") for cell in cells]
    is_below = [bool(names) and all(name.startswith(f"{folder}/") for name in names) for names in found]
    if not fits or 2 * sum(is_below) < max(1, len(cells)):
        return table
    rows = tuple({**row, column: f"{folder}/{row[column]}" if row[column] else ""} for row in table.rows)
    return replace(table, rows=rows)


def _are_apart(tables: Sequence[Table], lookup: Lookup) -> bool:
    """Whether no two of these tables have a row with the same name of a file."""
    seen: set[str] = set()
    for table in tables:
        fits = find_keys(table, table.columns, lookup)
        if not fits:
            return False
        column, _ = max(fits, key=lambda pair: fits[pair])
        values = {row[column] for row in table.rows if row[column]}
        if seen & values:
            return False
        seen |= values
    return True


def part_of_table(path: Path) -> str | None:
    """The part that a table's name says, as `train.csv` or `val_labels.csv` do, else its folder; None: neither."""
    return part_in_name(path.name) or part_named(path.parent.name)


def read_imagefolder(tree: Tree, reporter: Reporter) -> Table | None:
    """The `metadata.csv` or `.jsonl` with `file_name` of a Hugging Face imagefolder, one for all or one a folder."""
    root = tree.root
    rows: list[Mapping[str, str]] = []
    columns: dict[str, None] = {}
    first: Table | None = None
    for name in [name for name in tree.tables if name.rpartition("/")[2].lower() in _IMAGEFOLDER]:
        folder, slash, _ = name.rpartition("/")
        try:
            table = read_table(root / name)
        except DraiError as error:
            reporter.warn(f"{name} is not read: {error.message}")
            continue
        if IMAGEFOLDER_COLUMN not in table.columns:
            continue
        if table.note:
            reporter.info(f"{name} {table.note}")
        first = first or table
        columns.update(dict.fromkeys(table.columns))
        rows += [
            {**row, IMAGEFOLDER_COLUMN: f"{folder}{slash}{row[IMAGEFOLDER_COLUMN]}"} for row in table.rows
        ]
    if first is None:
        return None
    blank = dict.fromkeys(columns, "")
    return replace(first, columns=tuple(columns), rows=tuple({**blank, **row} for row in rows))


def refuse_several(tree: Tree, paths: Sequence[Path]) -> None:
    names = ", ".join(path.name for path in paths[:5])
    raise InputError(
        tree.root, f"{len(paths)} tables could be the set's: {names}", "name one with --metadata FILE"
    )
