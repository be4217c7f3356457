"""The split that a set brings along: in a column, in its tables' names, in its folders, or in lists of files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from drai_cli.data.folders import Folders
from drai_cli.data.image_set import PARTS, Part, SetOptions, part_in_name, part_named
from drai_cli.data.items import Item
from drai_cli.data.matching.lookup import Lookup
from drai_cli.data.matching.match import TABLE_PART, Described
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError
from drai_cli.io.files import MAX_RECORD_BYTES, open_regular
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table

_SPLIT_WORDS = (
    "split",
    "set",
    "subset",
    "partition",
    "part",
    "phase",
    "usage",
    "fold",
    "datasplit",
    "traintest",
)
_LIST_FOLDERS = re.compile(r"^(splits?|lists?|imagesets|partitions?|folds?)$", re.IGNORECASE)
_ENOUGH = 0.5
"""Share of a list's lines that have to name files of the set."""


def choose_split_column(
    table: Table, options: SetOptions, used: Collection[str], reporter: Reporter
) -> str | None:
    """The column with the set's own split: the one asked for, else one that is called so and holds nothing but parts.

    In a table without column names, a column that holds nothing but parts, and several of them, counts as called so.

    Raises:
        UsageError: There is no column of the name asked for.
        InputError: The column asked for has a value that is no part.
    """
    if options.split == "new":
        return None
    if options.split_column is not None:
        name = table.check_column(options.split_column, "--split-column")
        others = _other_values(table, name)
        if others:
            raise InputError(
                table.path,
                f"expected train, validation or test in column {name!r}, got {next(iter(others))!r} "
                f"in {sum(others.values())} of {len(table.rows)} rows",
                "correct these rows, or draw a new split with --split new",
            )
        return name
    for name in table.columns:
        if name in used or (table.has_header and not _is_called_split(name)):
            continue
        others = _other_values(table, name)
        is_told_apart = len({part_named(row[name]) for row in table.rows}) > 1
        if not others and (table.has_header or is_told_apart):
            reporter.info(f"the set's own split in column {name!r} is kept; --split new draws another")
            return name
        if table.has_header and sum(others.values()) < len(table.rows):
            reporter.warn(
                f"column {name!r} is not used as the set's own split: {sum(others.values())} of {len(table.rows)} rows "
                f"have another value than train, validation or test, such as {next(iter(others))!r}"
            )
    return None


def _is_called_split(name: str) -> bool:
    return re.sub(r"[^a-z]", "", name.lower()) in _SPLIT_WORDS


def _other_values(table: Table, name: str) -> Counter[str]:
    return Counter(row[name] for row in table.rows if part_named(row[name]) is None)


def find_parts(
    names: Sequence[str],
    described: Described | None,
    column: Mapping[str, str] | None,
    folders: Folders,
    tree: Tree,
    items: Sequence[Item],
    options: SetOptions,
    reporter: Reporter,
) -> dict[str, Part]:
    """The part of each file by the first source that the set has; empty where it has none, or none is wanted.

    Files of which that source says nothing are absent: they belong to no part and the set has to be split anew, or
    left out.

    Args:
        names: The files that will be images of the set.
        described: What tables say of them.
        column: Values of the column with the split, where there is one, by file.
        folders: What the folders are.
        tree: What lies in the set's folder.
        items: Its files.
        options: How the set is to be understood.
        reporter: Shown which split is kept.
    """
    if options.split == "new":
        return {}
    if column is not None:
        return {name: part for name in names if (part := part_named(column[name]))}
    wanted = frozenset(names)
    by_table = {} if described is None else _by_tables(described)
    parts = {name: part for name, part in by_table.items() if name in wanted}
    if len(set(parts.values())) > 1:
        _say("by its tables", parts, reporter)
        return parts
    parts = {name: part for name, part in folders.parts.items() if name in wanted}
    if len(set(parts.values())) > 1:
        _say("by its folders", parts, reporter)
        return parts
    lists, parts = _by_lists(tree, items, wanted)
    if len(set(parts.values())) > 1:
        _say(f"by {', '.join(lists)}", parts, reporter)
        return parts
    return {}


def _say(where: str, parts: Mapping[str, Part], reporter: Reporter) -> None:
    counts = Counter(parts.values())
    listed = ", ".join(f"{counts[part]} {part}" for part in PARTS if counts[part])
    reporter.info(f"the set's own split is kept, {where}: {listed}; --split new draws another")


def _by_tables(described: Described) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for name, rows in described.rows.items():
        for row in rows:
            if part := part_named(row.get(TABLE_PART, "")):
                parts[name] = part
    return parts


def _by_lists(
    tree: Tree, items: Sequence[Item], wanted: Collection[str]
) -> tuple[list[str], dict[str, Part]]:
    """The lists of files (`train_val_list.txt`, `test.txt`) that are called after parts, and the parts they make.

    A list counts if at least half of its lines name files of the set.

    Raises:
        InputError: Two lists with different parts name the same file.
    """
    parts: dict[str, Part] = {}
    used: list[str] = []
    source: dict[str, str] = {}
    lookup: Lookup | None = None
    for name in tree.lists:
        folder, _, file = name.rpartition("/")
        part = part_in_name(file)
        is_near = not folder or _LIST_FOLDERS.match(folder.rpartition("/")[2]) or "/" not in folder
        if part is None or not is_near:
            continue
        lookup = lookup or Lookup(items, tree.root)
        lines = _lines(tree, name)
        found = [files[0] for line in lines if len(files := _find_line(line, lookup)) == 1]
        if len(found) < max(1, _ENOUGH * len(lines)):
            continue
        used.append(name)
        for one in found:
            if parts.get(one, part) != part:
                raise InputError(
                    tree.root, f"{source[one]} and {name} both name {one}, in different parts of the split",
                    "correct the lists, or draw a new split with --split new",
                )  # fmt: skip
            if one in wanted:
                parts[one] = part
                source[one] = name
    return used, parts


def _lines(tree: Tree, name: str) -> list[str]:
    try:
        with open_regular(tree.root / name, max_bytes=MAX_RECORD_BYTES) as file:
            text = file.read().decode("utf-8-sig")
    except (DraiError, UnicodeDecodeError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def _find_line(line: str, lookup: Lookup) -> list[str]:
    """The file that a line names, alone or followed by more after a comma, a tab or a blank."""
    found = lookup.find(line)
    if found:
        return found
    first = re.split(r"[,;\t ]", line, maxsplit=1)[0].strip("\"'")
    return lookup.find(first) if first and first != line else []
