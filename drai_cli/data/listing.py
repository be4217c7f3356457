"""From files, folders and tables to labelled, grouped files in parts of a split: one way for every kind of file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

from drai_cli.data.condition import is_missing
from drai_cli.data.folders import Folders
from drai_cli.data.groups import Groups, find_sources, group_files
from drai_cli.data.image_set import LABEL, Part, SetOptions
from drai_cli.data.items import Item
from drai_cli.data.matching.find import SetTables
from drai_cli.data.matching.labels import (
    clean_values,
    list_missing,
    warn_of_one_hot_sibling,
    warn_of_several_labels,
)
from drai_cli.data.matching.lookup import BEGINNING, IN_FOLDER
from drai_cli.data.matching.match import Described, Row
from drai_cli.data.own_split import choose_split_column, find_parts
from drai_cli.data.tree import Tree
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter
from drai_cli.tables.table import list_columns

FOLDER = "folder"
"""Names, among keywords and columns, the class folder in which a file lies."""
_AGE = re.compile(r"(\d{3})([DWMY])")
_YEARS = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}


@dataclass(frozen=True)
class ListedFile:
    """A file that is used.

    Attributes:
        item: The file.
        values: Label and conditions.
        group: Its group; its own name where nothing groups it.
        part: Its part in the set's own split.
    """

    item: Item
    values: Mapping[str, str]
    group: str
    part: Part | None


@dataclass(frozen=True)
class Listing:
    """The files of a set with all that is known of them before they are decoded.

    Attributes:
        label: Column or keyword of the label.
        conditions: Further columns.
        group: What groups files; None where nothing does.
        files: In order.
        skipped: What tables name that cannot be used, with the reason.
    """

    label: str
    conditions: tuple[str, ...]
    group: str | None
    files: tuple[ListedFile, ...]
    skipped: tuple[tuple[str, str], ...] = ()


def list_set(
    tree: Tree,
    items: Sequence[Item],
    folders: Folders,
    tables: SetTables | None,
    label: str,
    options: SetOptions,
    reporter: Reporter,
    *,
    noun: str,
    hides: bool = False,
) -> Listing:
    """The files of a set with label, conditions, group and part.

    Args:
        tree: What lies in the set's folder.
        items: Its files.
        folders: What their folders are.
        tables: What tables say of them; None: there are none.
        label: What the label is, from `choose_label`.
        options: How the set is to be understood.
        reporter: Shown what is kept, and what is left out.
        noun: What files are called in messages: `images`, `volumes`.
        hides: Whether names of groups must not show values of headers.

    Raises:
        InputError: Rows that contradict each other.
        UsageError: No such column or keyword.
    """
    described = None if tables is None else tables.described
    has_headers = any(item.values for item in items)
    if described is None:
        of_table = {"--image-column": options.image_column, "--split-column": options.split_column}
        for option, value in of_table.items():
            if value is not None:
                raise UsageError(f"{option} {value}", "there is no table", "name one with --metadata FILE")
    conditions = options.conditions_besides(label)
    for option, name in (
        *(("--condition", name) for name in conditions),
        *(() if options.group is None else (("--group", options.group),)),
    ):
        check_name(described, has_headers, name, option)
    split = None
    used = (label, *conditions)
    if described is not None:
        warn_of_one_hot_sibling(described.table, label, reporter)
        split = choose_split_column(described.table, options, (*used, *_key(described)), reporter)
    wanted = [name for name in (*used, split) if name is not None]
    rows = {} if described is None else _merge(described, wanted, options.rows)
    chosen = [item for item in items if described is None or item.name in rows]
    copies = frozenset() if described is None else described.copies.difference(rows)
    _say_rowless(len(items) - len(chosen) - len(copies), described, noun, reporter)

    values = {
        name: [_value(item, name, rows.get(item.name), described, folders) for item in chosen]
        for name in wanted
    }
    values = {name: _readable(name, column) for name, column in values.items()}
    for name in used:
        values[name], counts = clean_values(values[name], options.missing)
        if name == label:
            _say_unlabelled(label, counts, len(chosen), noun if described is None else "rows", reporter)
        elif counts:
            reporter.info(
                f"{name!r} is missing in {sum(counts.values())} of {len(chosen)} {noun}: {list_missing(counts)}"
            )
    kept = [place for place, value in enumerate(values[label]) if value]
    files = [chosen[place] for place in kept]
    warn_of_several_labels(label, [values[label][place] for place in kept], reporter)
    groups = _groups(files, described, options, (*used, split or "", *_key(described)), hides, reporter)
    if groups.names and groups.alone:
        reporter.warn(
            f"{groups.alone} {noun if described is None else 'rows'} have no {groups.names[0]!r}: each of their images "
            "is a group of its own"
        )
    column = None if split is None else {
        item.name: value for item, value in zip(chosen, values[split], strict=True)
    }  # fmt: skip
    names = [item.name for item in files]
    parts = find_parts(names, described, column, folders, tree, items, options, reporter)
    if parts and len(parts) < len(names):
        reporter.warn(
            f"{len(names) - len(parts)} {noun} are in no part of the set's own split and are left out"
        )
    listed = [
        ListedFile(
            item,
            {name: values[name][place] for name in used},
            groups.keys[item.name],
            parts.get(item.name),
        )
        for place, item in zip(kept, files, strict=True)
        if not parts or item.name in parts
    ]
    group = options.group or groups.name
    return Listing(label, conditions, group, tuple(listed), () if described is None else described.skipped)


def choose_label(
    tables: SetTables | None,
    label: str | None,
    folders: Folders,
    reporter: Reporter,
    *,
    has_headers: bool = False,
) -> str:
    """What the label is: the column or keyword asked for, else what a table of this kind has, else class folders.

    Raises:
        UsageError: None was named where one has to be, or it is not there.
    """
    described = None if tables is None else tables.described
    if label is not None:
        check_name(described, has_headers, label, "--label")
        return label
    if described is not None:
        if tables is not None and tables.is_ham10000:
            return "dx"
        if LABEL in described.columns:
            return LABEL
    if has_headers:
        offered = "" if described is None else f" (it has: {list_columns(described.columns)})"
        raise UsageError(
            "--label",
            "expected what the label of these DICOM files is, got none",
            "their folder: --label folder; a DICOM keyword: --label BodyPartExamined; "
            f"or a column of a table: --metadata FILE --label COLUMN{offered}",
        )
    if described is None:
        return LABEL
    if len(folders.class_names) > 1:
        reporter.info(
            f"{described.table.path.name} has no column 'label': the folders are the label; --label names a column"
        )
        return FOLDER
    raise UsageError(
        "--label",
        f"expected the column of {described.table.path.name} that is the label, got none",
        f"name one with --label: {list_columns(described.columns)}",
    )


def check_name(described: Described | None, has_headers: bool, name: str, option: str) -> None:
    """Checks that a name is a column, a DICOM keyword where there are headers, or `folder`.

    Raises:
        UsageError: It is none of these.
    """
    if (described is not None and name in described.columns) or name == FOLDER:
        return
    if has_headers and tag_for_keyword(name) is not None:
        return
    if described is not None:
        described.table.check_column(name, option)
    if has_headers:
        raise UsageError(f"{option} {name}", "no such DICOM keyword", "for example BodyPartExamined")
    if name != LABEL:
        by_name = "; --group-pattern REGEX groups images by their names" if option == "--group" else ""
        raise UsageError(f"{option} {name}", "there is no table", f"name one with --metadata FILE{by_name}")


def wanted_keywords(options: SetOptions) -> tuple[str, ...]:
    """The DICOM keywords that options may mean."""
    names = (options.label, options.group, *options.conditions)
    return tuple(name for name in names if name is not None and tag_for_keyword(name) is not None)


def _key(described: Described | None) -> tuple[str, ...]:
    """The column that names files, unless it names what they lie in, which groups them."""
    return () if described is None or described.key in (IN_FOLDER, BEGINNING) else (described.key_column,)


def _groups(
    files: Sequence[Item],
    described: Described | None,
    options: SetOptions,
    used: Sequence[str],
    hides: bool,
    reporter: Reporter,
) -> Groups:
    sources = (
        []
        if options.group_pattern is not None
        else find_sources(files, described, options.group, used, reporter)
    )
    groups = group_files([item.name for item in files], sources, hides=hides, reporter=reporter)
    if groups.names and options.group is None:
        count = len(set(groups.keys.values()))
        names = " and ".join(repr(name) for name in groups.names)
        reporter.info(
            f"images are grouped by {names}: {count} groups; --group or --group-pattern groups otherwise"
        )
    return groups


def _value(item: Item, name: str, row: Row | None, described: Described | None, folders: Folders) -> str:
    """A column's value for a file, or a keyword's, or its class folder."""
    if row is not None and described is not None and name in described.columns:
        return row[name]
    if name in item.values:
        return item.values[name]
    return folders.classes.get(item.name, "") if name in (FOLDER, LABEL) else ""


def _readable(name: str, column: list[str]) -> list[str]:
    """Values as numbers where DICOM writes them otherwise: an age string `045Y` is 45 (PS3.5 6.2)."""
    ages = [_AGE.fullmatch(value) for value in column]
    is_age = "age" in name.lower() or all(
        age is not None or is_missing(value) for age, value in zip(ages, column, strict=True)
    )
    if not is_age:
        return column
    return [
        value if age is None else f"{int(age[1]) / _YEARS[age[2]]:.4g}"
        for age, value in zip(ages, column, strict=True)
    ]


def _merge(described: Described, columns: Sequence[str], how: str | None) -> dict[str, Row]:
    """One row for each file: its only one, one that fills what others leave empty, or what `--rows` makes of them.

    Raises:
        InputError: Rows differ in what is asked for, and it is not said what then counts.
    """
    asked = [name for name in columns if name in described.columns]
    merged: dict[str, Row] = {}
    differing: list[tuple[str, str, list[str]]] = []
    for name, rows in described.rows.items():
        if len(rows) == 1:
            merged[name] = rows[0]
            continue
        row = dict(rows[0])
        for column in asked:
            counts = Counter(one[column] for one in rows if not is_missing(one[column]))
            if how == "majority" and counts:
                row[column] = counts.most_common(1)[0][0]
            elif len(counts) > 1 and how is None:
                differing.append((name, column, list(counts)))
                break
            elif counts and (how is None or is_missing(row[column])):
                row[column] = next(iter(counts))
        merged[name] = row
    if differing:
        name, column, found = differing[0]
        raise InputError(
            described.table.path,
            f"{len(differing)} images have two rows that differ, such as {name} ({column}: {', '.join(found[:3])})",
            "keep one row per image, or add --rows first or --rows majority",
        )
    return merged


def _say_rowless(count: int, described: Described | None, noun: str, reporter: Reporter) -> None:
    if count and described is not None:
        reporter.warn(f"{count} {noun} have no row in {described.table.path.name} and are left out")


def _say_unlabelled(label: str, counts: Counter[str], total: int, noun: str, reporter: Reporter) -> None:
    if not counts:
        return
    words = [word for word in counts if word]
    keep = ""
    if words:
        keep = (
            f"; these count as missing ({list_missing(counts)}): --missing VALUE names others instead, and "
            "--missing '' keeps all of them as classes"
        )
    reporter.warn(f"{sum(counts.values())} of {total} {noun} have no {label!r} and are left out{keep}")
