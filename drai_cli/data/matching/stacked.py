"""Several tables of one kind as one: a table for each part of the split, or one in each folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from drai_cli.data.image_set import part_named
from drai_cli.data.matching.match import IMAGEFOLDER_COLUMN
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table, read_table

TABLE_PART = "part of the split, by the table's name or folder"
"""Key of a row's cell that no column holds."""
_IMAGEFOLDER = ("metadata.csv", "metadata.tsv", "metadata.jsonl")


def stack(tree: Tree, tables: Sequence[Table]) -> list[Table]:
    """Tables with the same columns as one, each row with the part that its table's name or folder says.

    Raises:
        InputError: Tables with the same columns, not all of which are called after a part.
    """
    by_columns: defaultdict[frozenset[str], list[Table]] = defaultdict(list)
    for table in tables:
        by_columns[frozenset(table.columns)].append(table)
    out = []
    for same in by_columns.values():
        if len(same) == 1:
            out.append(same[0])
            continue
        parts = [part_of_table(table.path) for table in same]
        if None in parts:
            refuse_several(tree, [table.path for table in same])
        rows = tuple(
            {**row, TABLE_PART: str(part)}
            for table, part in zip(same, parts, strict=True)
            for row in table.rows
        )
        out.append(replace(same[0], rows=rows))
    return out


def part_of_table(path: Path) -> str | None:
    """The part that a table's name says, as `train.csv` or `val_labels.csv` do, else its folder; None: neither."""
    return part_in_name(path.name) or part_named(path.parent.name)


def part_in_name(name: str) -> str | None:
    """The part that the name of a file says as one of its words, `train_val` meaning train; None where it does not."""
    stem = name.split(".", 1)[0].lower()
    words = [word for word in stem.replace("-", "_").replace(" ", "_").split("_") if word]
    named = {part for word in words if (part := part_named(word)) is not None}
    whole = part_named(stem)
    if whole is not None or len(named) == 1:
        return whole or named.pop()
    return "train" if named == {"train", "validation"} else None


def read_imagefolder(tree: Tree, reporter: Reporter) -> Table | None:
    """The `metadata.csv` or `.jsonl` with `file_name` of a Hugging Face imagefolder, one for all or one a folder."""
    root = tree.root
    rows: list[Mapping[str, str]] = []
    columns: dict[str, None] = {}
    first: Table | None = None
    for name in [name for name in tree.tables if name.rpartition("/")[2].lower() in _IMAGEFOLDER]:
        folder, slash, _ = name.rpartition("/")
        with suppress(DraiError):
            table = read_table(root / name)
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
