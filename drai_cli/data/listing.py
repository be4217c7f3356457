"""From files, folders and tables to labelled, grouped files in parts of a split: one way for every kind of file."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drai_cli.conditions.attribute import is_missing
from drai_cli.conditions.findings import SEPARATOR, Findings
from drai_cli.data.folders import Folders
from drai_cli.data.groups import Groups, find_sources, group_files, link_sources
from drai_cli.data.image_set import LABEL, Part, SetOptions
from drai_cli.data.items import Item
from drai_cli.data.label import FOLDER, SUBFOLDER, check_name, read_findings
from drai_cli.data.matching.find import SetTables
from drai_cli.data.matching.labels import (
    clean_values,
    list_missing,
    merge_spellings,
    warn_of_one_hot_sibling,
)
from drai_cli.data.matching.lookup import BEGINNING, IN_FOLDER
from drai_cli.data.matching.match import Described, Row
from drai_cli.data.own_split import find_parts
from drai_cli.data.split_column import choose_split_column
from drai_cli.data.tree import Tree
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter

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
        findings: The findings, where labels are sets of them.
    """

    label: str
    conditions: tuple[str, ...]
    group: str | None
    files: tuple[ListedFile, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    findings: Findings | None = None


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
    columns = options.label if len(options.label) > 1 else (label,)
    used = (*columns, *conditions)
    if described is not None:
        if len(columns) == 1 and options.label_kind != "findings":
            warn_of_one_hot_sibling(described.table, label, reporter)
        split = choose_split_column(described, options, (*used, *_key(described)), reporter)
    wanted = [*used, *([] if split is None else [split.name])]
    rows = {} if described is None else _merge(described, wanted, options.rows, label)
    chosen = [item for item in items if described is None or item.name in rows]
    copies = frozenset() if described is None else described.copies.difference(rows)
    _say_rowless(len(items) - len(chosen) - len(copies), described, noun, reporter)

    values = {
        name: [_value(item, name, rows.get(item.name), described, folders) for item in chosen]
        for name in wanted
    }
    values = {name: _readable(name, _composed(column)) for name, column in values.items()}
    of_rows = noun if described is None else "rows"
    if len(columns) == 1:
        values[label], counts = clean_values(values[label], options.missing)
        _say_unlabelled(label, counts, len(chosen), of_rows, reporter)
        values[label] = _in_one_spelling(label, values[label], reporter)
    subject = str(tree.root) if described is None else described.table.path.name
    read = read_findings(subject, columns, values, options, reporter)
    if read is not None:
        values[label] = list(read.texts)
        if len(columns) > 1 and (unknown := values[label].count("")):
            reporter.warn(f"{unknown} of {len(chosen)} {of_rows} have no known finding and are left out")
    for name in conditions:
        values[name], counts = clean_values(values[name], options.missing)
        if counts:
            reporter.info(
                f"{name!r} is missing in {sum(counts.values())} of {len(chosen)} {noun}: {list_missing(counts)}"
            )
        values[name] = _in_one_spelling(name, values[name], reporter)
    kept = [place for place, value in enumerate(values[label]) if value]
    files = [chosen[place] for place in kept]
    linked = {} if tables is None else tables.linked
    groups = _groups(files, described, linked, options, (*wanted, *_key(described)), hides, reporter)
    if groups.names and groups.alone:
        reporter.warn(
            f"{groups.alone} {of_rows} have no {groups.names[0]!r}: each of their images "
            "is a group of its own"
        )
    column = None if split is None else {
        item.name: split.parts.get(value) for item, value in zip(chosen, values[split.name], strict=True)
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
            {name: values[name][place] for name in (label, *conditions)},
            groups.keys[item.name],
            parts.get(item.name),
        )
        for place, item in zip(kept, files, strict=True)
        if not parts or item.name in parts
    ]
    group = options.group or groups.name
    skipped = () if described is None else described.skipped
    findings = None if read is None else read.findings
    return Listing(label, conditions, group, tuple(listed), skipped, findings)


def _key(described: Described | None) -> tuple[str, ...]:
    """The column that names files, unless it names what they lie in, which groups them."""
    return () if described is None or described.key in (IN_FOLDER, BEGINNING) else (described.key_column,)


def _groups(
    files: Sequence[Item],
    described: Described | None,
    linked: Mapping[str, Sequence[Sequence[str]]],
    options: SetOptions,
    used: Sequence[str],
    hides: bool,
    reporter: Reporter,
) -> Groups:
    sources = (
        []
        if options.group_pattern is not None
        else [*find_sources(files, described, options.group, used, reporter), *link_sources(linked)]
    )
    groups = group_files([item.name for item in files], sources, hides=hides, reporter=reporter)
    if groups.names and options.group is None:
        count = len(set(groups.keys.values()))
        names = " and ".join(repr(name) for name in groups.names)
        reporter.info(
            f"images are grouped by {names}: {count} groups; --group or --group-pattern changes this"
        )
    return groups


def _value(item: Item, name: str, row: Row | None, described: Described | None, folders: Folders) -> str:
    """A column's value for a file, or a keyword's, or its class folder."""
    if row is not None and described is not None and name in described.columns:
        return row[name]
    if name in item.values:
        return item.values[name]
    if name == SUBFOLDER:
        return folders.subclasses.get(item.name, "")
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


def _composed(column: list[str]) -> list[str]:
    """Values in one spelling (NFC): what looks alike is not two classes because of how its accents are stored."""
    return [unicodedata.normalize("NFC", value) for value in column]


def _merge(described: Described, columns: Sequence[str], how: str | None, label: str) -> dict[str, Row]:
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
            if how == "all" and column == label:
                row[column] = SEPARATOR.join(counts) or row[column]
            elif how == "majority" and counts:
                row[column] = counts.most_common(1)[0][0]
            elif len(counts) > 1 and how in (None, "all"):
                differing.append((name, column, list(counts)))
                break
            elif counts and (how in (None, "all") or is_missing(row[column])):
                row[column] = next(iter(counts))
        merged[name] = row
    if differing:
        name, column, found = differing[0]
        raise InputError(
            described.table.path,
            f"{len(differing)} images have two rows that differ, such as {name} ({column}: {', '.join(found[:3])})",
            "keep one row per image, or add --rows first, --rows majority or --rows all",
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


def _in_one_spelling(name: str, values: list[str], reporter: Reporter) -> list[str]:
    merged, others = merge_spellings(values)
    if others:
        listed = "; ".join(
            f"{', '.join(map(repr, several))} as {kept!r}" for kept, several in list(others.items())[:5]
        )
        reporter.warn(f"values of {name!r} that differ in spelling alone are taken as one: {listed}")
    return merged
