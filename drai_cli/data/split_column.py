"""The column of a table that holds the set's own split: by its name, by what it holds, or as the user says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from drai_cli.conditions.attribute import is_missing
from drai_cli.data.image_set import Part, SetOptions, part_named
from drai_cli.data.matching.match import Described
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table

_SPLIT_WORDS = re.compile(
    r"(?:data|cv|k|train|val|test|tvt)*(?:split|set|subset|partition|part|phase|usage|folds?|cv|dataset|traintest|tvt)"
    r"(?:id|no|nr|number|index|name)?|(?:train|val|valid|validation|test){2,}"
)
_FLAG = re.compile(r"^(?:is|in|for|use[ds]?|used for)?[-_ ]*(.+?)$", re.IGNORECASE)
_YES, _NO = frozenset({"1", "1.0", "true", "yes", "y", "t"}), frozenset({"0", "0.0", "false", "no", "n", "f"})
_MOST_CODES = 30


@dataclass(frozen=True)
class SplitColumn:
    """A column with the set's own split.

    Attributes:
        name: The column.
        parts: The part that each of its values means; rows with any other value belong to none.
    """

    name: str
    parts: Mapping[str, Part]


def choose_split_column(
    described: Described, options: SetOptions, used: Collection[str], reporter: Reporter
) -> SplitColumn | None:
    """The column with the set's own split: the one asked for, else the first that says nothing but parts.

    Such a column is called `split` or the like, or its values are train and test, or it is a flag (`is_train`). A
    column of numbered folds is only pointed out: which of them to test on is for the user to say.

    Raises:
        UsageError: There is no column of the name asked for, or its values are assigned to no part.
        InputError: The column asked for has a value that is no part.
    """
    table = described.table
    if options.split == "new":
        return None
    if options.split_column is not None:
        return _asked(table, options.split_column)
    free = [name for name in table.columns if name not in used]
    flags = [column for name in free if (column := _flag(table, name)) is not None]
    found = [column for name in free if (column := _named_parts(table, name)) is not None]
    candidates: list[SplitColumn] = [*found, *(flags if len(flags) == 1 else [])]
    for column in candidates:
        if torn := _count_torn(described, column):
            reporter.warn(
                f"column {column.name!r} is not used as the set's own split: its rows put {torn} images into several "
                "parts, as a cross-validation does"
            )
            continue
        reporter.info(
            f"the set's own split in column {column.name!r} is kept{_meaning(column)}; --split new draws another"
        )
        return column
    if len(flags) > 1:
        names = ", ".join(repr(column.name) for column in flags)
        reporter.warn(
            f"columns {names} look like flags of the set's own split and are not used: write it into one column, with "
            "train, validation and test"
        )
    _say_unused(table, [name for name in free if name not in [column.name for column in found]], reporter)
    return None


def _asked(table: Table, written: str) -> SplitColumn:
    """The column that the user names: alone, or with what its values mean: `fold:0=test,1=validation`."""
    name, _, meanings = written.partition(":")
    if written in table.columns or not meanings:
        name = table.check_column(written, "--split-column")
        column = _flag(table, name)
        parts = dict(column.parts) if column is not None else _parts(table, name)
        others = _other_values(table, name, parts)
        if others:
            raise InputError(
                table.path,
                f"expected train, validation or test in column {name!r}, got {min(others)!r} "
                f"in {sum(others.values())} of {len(table.rows)} rows",
                f"say what they mean (all others: train): --split-column {_example(name, list(_values(table, name)))}; "
                "or draw a new split with --split new",
            )
        return SplitColumn(name, parts)
    name = table.check_column(name, "--split-column")
    values = _values(table, name)
    parts = dict.fromkeys(values, _TRAIN)
    for meaning in meanings.split(","):
        value, sign, part_name = meaning.rpartition("=")
        part = part_named(part_name)
        if not sign or part is None or value.strip() not in values:
            raise UsageError(
                f"--split-column {written}",
                f"expected VALUE=PART with a value of column {name!r}, got {meaning!r}",
                f"for example --split-column {_example(name, list(values))}; it has: {', '.join(list(values)[:20])}",
            )
        parts[value.strip()] = part
    return SplitColumn(name, parts)


_TRAIN: Part = "train"


def _values(table: Table, name: str) -> Counter[str]:
    """The known values of a column, with how often each occurs."""
    counts = Counter(row[name] for row in table.rows)
    return Counter({value: count for value, count in counts.items() if not is_missing(value)})


def _parts(table: Table, name: str) -> dict[str, Part]:
    return {value: part for value in _values(table, name) if (part := part_named(value)) is not None}


def _other_values(table: Table, name: str, parts: Mapping[str, Part]) -> Counter[str]:
    return Counter(row[name] for row in table.rows if row[name] not in parts)


def _named_parts(table: Table, name: str) -> SplitColumn | None:
    """A column whose known values are all parts, and known in at least half of the rows."""
    values = _values(table, name)
    parts = {value: part for value in values if (part := part_named(value)) is not None}
    if not values or set(parts) != set(values) or 2 * values.total() < len(table.rows):
        return None
    is_called = table.has_header and _is_called_split(name)
    is_told_apart = len(set(parts.values())) > 1
    return SplitColumn(name, parts) if is_called or is_told_apart else None


def _flag(table: Table, name: str) -> SplitColumn | None:
    """A column such as `is_train` or `test` with nothing but yes and no."""
    match = _FLAG.match(name)
    part = part_named(match[1]) if match else None
    if part is None:
        return None
    values = {value: value.lower() for value in _values(table, name)}
    if not values or not set(values.values()) <= _YES | _NO or len(set(values.values())) < 2:
        return None
    other: Part = "test" if part == _TRAIN else _TRAIN
    return SplitColumn(name, {value: part if lower in _YES else other for value, lower in values.items()})


def _count_torn(described: Described, column: SplitColumn) -> int:
    """Images that rows put into several parts."""
    return sum(
        len({part for row in rows if (part := column.parts.get(row.get(column.name, ""))) is not None}) > 1
        for rows in described.rows.values()
    )


def _is_called_split(name: str) -> bool:
    return _SPLIT_WORDS.fullmatch(re.sub(r"[^a-z]", "", name.lower())) is not None


def _meaning(column: SplitColumn) -> str:
    """What values mean, where they do not say it themselves."""
    odd = {value: part for value, part in column.parts.items() if part_named(value) is None}
    return f" ({', '.join(f'{value}: {part}' for value, part in sorted(odd.items()))})" if odd else ""


def _say_unused(table: Table, names: Sequence[str], reporter: Reporter) -> None:
    """Warns of columns that are called after splits and hold something else, with the option that uses them."""
    for name in names:
        if not table.has_header or not _is_called_split(name):
            continue
        values = _values(table, name)
        others = Counter({value: count for value, count in values.items() if part_named(value) is None})
        are_codes = 1 < len(values) <= _MOST_CODES and all(
            re.fullmatch(r"\D{0,6}\d{1,3}(\.0)?", one) for one in values
        )
        if are_codes and 2 * len(values) <= len(table.rows):
            reporter.warn(
                f"column {name!r} is not used as the set's own split, as its values ({', '.join(sorted(values)[:6])}) "
                f"do not say what to test on: --split-column {_example(name, list(values))} does; all others are then "
                "train"
            )
        elif others and others.total() < len(table.rows) and set(others) != set(values):
            reporter.warn(
                f"column {name!r} is not used as the set's own split: {others.total()} of {len(table.rows)} rows "
                f"have another value than train, validation or test, such as {next(iter(others))!r}; "
                f"--split-column {_example(name, list(others))} says what it means"
            )


def _example(name: str, values: Sequence[str]) -> str:
    """How values are given a meaning, for a message."""
    given = sorted(values)[-2:]
    text = ",".join(
        f"{value}={part}" for value, part in zip(given[::-1], ("test", "validation"), strict=False)
    )
    return f"'{name}:{text}'" if " " in name else f"{name}:{text}"
