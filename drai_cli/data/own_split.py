"""The split that a set brings along: in a column, its tables' names, its folders, or lists of files or patients."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

from drai_cli.data.folders import Folders
from drai_cli.data.groups import find_group_columns
from drai_cli.data.image_set import PARTS, Part, SetOptions, part_in_name, part_named
from drai_cli.data.items import Item
from drai_cli.data.matching.lookup import BEGINNING, IN_FOLDER, Lookup
from drai_cli.data.matching.match import TABLE_PART, Described
from drai_cli.data.matching.stacked import FOLD
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError
from drai_cli.io.files import MAX_RECORD_BYTES, open_regular
from drai_cli.progress import SILENT, Reporter

_LIST_FOLDERS = re.compile(r"(?:^|[-_ ])(?:splits?|lists?|imagesets|partitions?|folds?)$", re.IGNORECASE)
_FEW_DIGITS = 4
_PURE_LISTS = (".txt", ".lst", ".list")
_ENOUGH = 0.5
"""Share of a list's lines that have to name files of the set."""


def find_parts(
    names: Sequence[str],
    described: Described | None,
    column: Mapping[str, Part | None] | None,
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
        column: What the column with the split says of each file, where there is one.
        folders: What the folders are.
        tree: What lies in the set's folder.
        items: Its files.
        options: How the set is to be understood.
        reporter: Shown which split is kept.
    """
    if options.split == "new":
        return {}
    if column is not None:
        return {name: part for name in names if (part := column[name]) is not None}
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
    lists, parts = _by_lists(tree, items, described, wanted, reporter)
    if len(set(parts.values())) > 1:
        _say(f"by {', '.join(lists)}", parts, reporter)
        return parts
    parts = _by_names(wanted)
    if len(set(parts.values())) > 1:
        _say("by its files' names", parts, reporter)
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
    tree: Tree,
    items: Sequence[Item],
    described: Described | None,
    wanted: Collection[str],
    reporter: Reporter,
) -> tuple[list[str], dict[str, Part]]:
    """The lists of files (`train_val_list.txt`, `test.txt`) that are called after parts, and the parts they make.

    A list names files, their folders, how their names begin, or what a table's columns say of them, such as patients.
    It counts if at least half of its lines do so. A JSON file with lists called `train` and `test` is several.

    Raises:
        InputError: Two lists with different parts name the same file.
    """
    lists = [*_text_lists(tree), *_json_lists(tree)]
    folds = {fold[1] for name, _, _ in lists if (fold := FOLD.search(name))}
    if len(folds) > 1:
        reporter.warn(
            f"{lists[0][0]} and other lists look like those of a cross-validation and are not used: to use the "
            "split of one fold, keep only its lists in the folder"
        )
        return [], {}
    parts: dict[str, Part] = {}
    used: list[str] = []
    unused: list[tuple[str, Part]] = []
    source: dict[str, str] = {}
    finder = _Finder(items, described, tree)
    for name, part, lines in lists:
        found = finder.find(lines)
        if not found:
            if name.lower().endswith(_PURE_LISTS):
                unused.append((name, part))
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
    if not used and len({part for _, part in unused}) > 1:
        names = ", ".join(name for name, _ in unused[:3])
        reporter.warn(
            f"lists called after parts of a split ({names}) name none of the set's files: the split that they hold is "
            "not used"
        )
    return list(dict.fromkeys(used)), parts


def _by_names(wanted: Collection[str]) -> dict[str, Part]:
    """The parts that files' own names say, such as `train_001.png`; empty where not all do."""
    parts: dict[str, Part] = {}
    for name in wanted:
        part = part_in_name(name.rpartition("/")[2])
        if part is None:
            return {}
        parts[name] = part
    return parts if "train" in parts.values() else {}


def _text_lists(tree: Tree) -> Iterator[tuple[str, Part, list[str]]]:
    for name in tree.lists:
        part = part_in_name(name.rpartition("/")[2])
        if part is not None and _is_near(name) and (lines := _text(tree, name).splitlines()):
            yield name, part, [line.strip() for line in lines if line.strip()]


def _json_lists(tree: Tree) -> Iterator[tuple[str, Part, list[str]]]:
    """The lists of `{"train": [...], "test": [...]}`."""
    for name in tree.tables:
        if not name.lower().endswith(".json") or not _is_near(name):
            continue
        try:
            held = json.loads(_text(tree, name) or "0")
        except (ValueError, RecursionError):
            continue
        for key, lines in held.items() if isinstance(held, dict) else ():
            part = part_named(key)
            if part is not None and isinstance(lines, list) and all(isinstance(line, str) for line in lines):
                yield name, part, lines


def _is_near(name: str) -> bool:
    """Whether a file lies where lists do: at most one folder deep, or in a folder called so."""
    folders = name.split("/")[:-1]
    return len(folders) < 2 or any(map(_LIST_FOLDERS.search, folders))


def _text(tree: Tree, name: str) -> str:
    try:
        with open_regular(tree.root / name, max_bytes=MAX_RECORD_BYTES) as file:
            return file.read().decode("utf-8-sig")
    except (DraiError, UnicodeDecodeError):
        return ""


class _Finder:
    """Finds the files that lines of lists name."""

    def __init__(self, items: Sequence[Item], described: Described | None, tree: Tree) -> None:
        self._items, self._described, self._root = items, described, tree.root

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self._items, self._root)

    @cached_property
    def _by_value(self) -> Mapping[str, list[str]]:
        """Files by the values of the columns that group them."""
        found: defaultdict[str, dict[str, None]] = defaultdict(dict)
        if self._described is not None:
            columns = find_group_columns(self._described, (), SILENT)
            for name, rows in self._described.rows.items():
                for row in rows:
                    for column in columns:
                        found[row.get(column, "")][name] = None
        return {value: list(names) for value, names in found.items() if value}

    def find(self, lines: Sequence[str]) -> list[str]:
        """The files that lines name, by the first way in which half of the lines name some; empty where none does."""
        are_numbers = sum(line.isdecimal() and len(line) <= _FEW_DIGITS for line in lines) > _ENOUGH * len(
            lines
        )
        # Few digits may be places in some other list.
        ways: tuple[Callable[[str], Sequence[str]], ...] = (
            (self._find_file,)
            if are_numbers
            else (
                self._find_file,
                lambda line: self._by_value.get(line, ()),
                lambda line: self._lookup.find_by(IN_FOLDER, line),
                lambda line: self._lookup.find_by(BEGINNING, line),
            )
        )
        for way in ways:
            found = [files for line in lines if (files := way(line))]
            if len(found) >= max(1, _ENOUGH * len(lines)):
                return [name for files in found for name in files]
        return []

    def _find_file(self, line: str) -> Sequence[str]:
        """The file that a line names, alone or as one of several words."""
        for word in (line, *(re.split(r"[,;\t ]+", line) if re.search(r"[,;\t ]", line) else ())):
            if word and len(found := self._lookup.find(word.strip("\"'"))) == 1:
                return found
        return ()
