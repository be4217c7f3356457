"""What is said where neither folders nor tables say the labels: what the folders are, and what may be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from drai_cli.data.folders import Folders
from drai_cli.data.image_set import FILE
from drai_cli.data.items import list_files
from drai_cli.data.matching.keys import find_keys
from drai_cli.data.matching.lookup import Lookup
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError
from drai_cli.tables.table import Table, read_table

_TEXT = re.compile(r"\.(?:txt|lst|list)$", re.IGNORECASE)
_MOST_FILES = 12
_MOST_CLASSES = 50
_SHOWN = 3


def refuse_unlabelled(
    tree: Tree, folders: Folders, names: Sequence[str], noun: str, label: str | None = None
) -> None:
    """Stops where files lie in no class folder and no table was found.

    Args:
        tree: What lies in the set's folder.
        folders: What its folders are.
        names: The set's files.
        noun: What they are called: `images`, `volumes`.
        label: The label that is asked for.

    Raises:
        InputError: Saying what the folders are taken for, with what to type for a text file or table that lies there.
    """
    levels = [level for level in folders.levels if level]
    taken = f" (folders that are no labels: {'; '.join(levels)})" if levels else ""
    hint = _name_text_tables(tree, names, label) or _name_other_tables(tree)
    if folders.numbers and noun != "DICOM files":
        hint += "; if the folders' numbers are the classes: --label folder"
    raise InputError(
        tree.root, f"expected class folders with {noun}, got {len(names)} {noun} in none{taken}", hint
    )  # fmt: skip


def _name_text_tables(tree: Tree, names: Sequence[str], asked: str | None) -> str:
    """The options for text files, such as `train.txt`, whose lines name files of the set and say more of them."""
    found = list(_text_tables(tree, names))
    if not found:
        return ""
    first, key = found[0]
    alike = [table for table, its_key in found if table.columns == first.columns and its_key == key]
    rows = [row for table in alike for row in table.rows]
    values = {name: sorted({row[name] for row in rows} - {""}) for name in first.columns if name != key}
    likely = [name for name, held in values.items() if 2 <= len(held) <= min(_MOST_CLASSES, len(rows) // 2)]
    label = asked if asked in values else min(likely, key=lambda name: len(values[name]), default="COLUMN")
    options = [f"--metadata {shlex.quote(table.path.relative_to(tree.root).as_posix())}" for table in alike]
    options += [] if first.has_header else ["--no-header"]
    listed = ", ".join(f"{name} ({', '.join(held[:_SHOWN])})" for name, held in values.items())
    return f"name the lists as tables: {' '.join(options)} --label {shlex.quote(label)}; columns: {listed}"


def _text_tables(tree: Tree, names: Sequence[str]) -> Iterator[tuple[Table, str]]:
    """Text files with a line for each image and several words in it, and the column that names images."""
    texts = sorted(
        (name for name in tree.lists if _TEXT.search(name)), key=lambda name: (name.count("/"), name)
    )
    if not texts:
        return
    lookup = Lookup(list_files(names), tree.root)
    for name in texts[:_MOST_FILES]:
        with suppress(DraiError):
            table = read_table(tree.root / name, has_header=False)
            first = table.rows[0].values()
            if not any(map(lookup.find, first)):
                table = read_table(tree.root / name)
            if len(table.columns) < 2:
                continue
            fits = {
                column: fit
                for (column, by), fit in find_keys(table, table.columns, lookup).items()
                if by == FILE
            }
            best = max(fits, key=lambda column: fits[column], default="")
            if best and fits[best][0]:
                yield table, best


def _name_other_tables(tree: Tree) -> str:
    """Advice that names tables which name none of the files, where there are any."""
    tables = [name for name in tree.tables if not name.lower().endswith(".json")]
    if not tables:
        return "sort them into one folder a class, or name a table with --metadata FILE --label COLUMN"
    tables.sort(key=lambda name: (name.count("/"), name))
    more = [PurePosixPath(name).name for name in tables[1:_SHOWN]]
    others = f" (there are also {', '.join(more)})" if more else ""
    return (
        f"sort them into one folder a class; or, if {tables[0]} describes them, write the files' names into it and add "
        f"--metadata {shlex.quote(tables[0])} --label COLUMN{others}"
    )
