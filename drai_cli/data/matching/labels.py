"""What is the label of a table: a column, or columns of 0 and 1 of which each row has one; and what no value is."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from drai_cli.conditions.attribute import MISSING_WORDS, is_missing
from drai_cli.data.image_set import LABEL
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table, list_columns

_ONE_HOT = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "0.": 0, "1.": 1, "false": 0, "true": 1}
_CROSSES = {"x": 1, "": 0}
_MOST_COLUMNS = 2000
_MOSTLY = 3
_SHORT = 2
_CODES = frozenset({"-1", "-1.0"})
"""Codes of a missing value where all other values are 0 or more (CheXpert: uncertain)."""


def find_one_hot(table: Table) -> tuple[str, ...]:
    """Neighbouring columns that hold only 0 and 1 (or `x` and nothing) and sum to one in every row; empty: none.

    The longest such run of columns counts, and only where at least two of them have a 1, and where few columns of 0 and
    1 around them do not belong to it: any two of many findings may complement each other by chance.
    """
    if not 2 <= len(table.columns) <= _MOST_COLUMNS:
        return ()
    numbers = [_zeros_and_ones(table, name) for name in table.columns]
    best: tuple[str, ...] = ()
    start = 0
    for place in range(len(numbers) + 1):
        if place < len(numbers) and numbers[place] is not None:
            continue
        run = [column for column in numbers[start:place] if column is not None]
        if len(run) > max(1, len(best)):
            first, last = _window_of_ones(np.array(run, np.int64))
            if last - first > len(best) and last - first >= _MOSTLY * (len(run) - (last - first)):
                best = table.columns[start + first : start + last]
        start = place + 1
    return best


def _zeros_and_ones(table: Table, name: str) -> list[int] | None:
    """A column's values; None at the first that is neither 0 nor 1, nor a cross or blank in a column of these."""
    first = next((cell for row in table.rows if (cell := row.get(name, "").lower())), "")
    known = _CROSSES if first in _CROSSES else _ONE_HOT
    column = []
    for row in table.rows:
        value = known.get(row.get(name, "").lower())
        if value is None:
            return None
        column.append(value)
    return column if first else None


def _window_of_ones(columns: np.ndarray) -> tuple[int, int]:
    """First and last (exclusive) of the longest run of columns `[K, N]` that sum to one in each row; (0, 0): none."""
    sums = np.concatenate([np.zeros((1, columns.shape[1]), np.int64), columns.cumsum(axis=0)])
    filled = columns.max(axis=1, initial=0)
    for length in range(len(columns), 1, -1):
        for first in range(len(columns) - length + 1):
            is_one = np.array_equal(sums[first + length] - sums[first], np.ones(columns.shape[1], np.int64))
            if is_one and filled[first : first + length].sum() > 1:
                return first, first + length
    return 0, 0


def with_one_hot_label(table: Table, reporter: Reporter) -> Table:
    """The table with a column `label` made of one-hot columns, where it has these and no such column."""
    columns = find_one_hot(table) if LABEL not in table.columns else ()
    if not columns:
        return table
    reporter.info(
        f"the label is which of the columns {list_columns(columns)} of {table.path.name} is 1; --label names another"
    )
    values = [
        next(name for name in columns if {**_ONE_HOT, **_CROSSES}[row[name].lower()]) for row in table.rows
    ]
    return table.with_column(LABEL, values)


def warn_of_one_hot_sibling(table: Table, label: str, reporter: Reporter) -> None:
    """Warns where the label is one of several one-hot columns."""
    columns = find_one_hot(table)
    if label in columns:
        reporter.warn(
            f"label {label!r} is one of {len(columns)} columns of which each row has one 1 ({list_columns(columns)}): "
            "its classes are only yes and no; without --label, the label is the column's name"
        )


def clean_values(values: Sequence[str], missing: Collection[str]) -> tuple[list[str], Counter[str]]:
    """A column's values, empty where they mean that nothing is known, and how often each such word is there.

    Of two values -1 may be one: `-1` and `1`.

    Args:
        values: The values.
        missing: Words that mean so instead of the usual ones, in any case; empty: the usual ones, and -1 where all
            other values are numbers of 0 or more.
    """
    words = frozenset(word.strip().lower() for word in missing) | {""} if missing else MISSING_WORDS
    known = {value.strip() for value in values}
    others = {value for value in known - _CODES if value.lower() not in words}
    if not missing and _CODES & known and len(others) > 1 and all(map(_is_natural, others)):
        words = words | _CODES
    counts: Counter[str] = Counter()
    cleaned = []
    for value in values:
        if value.strip().lower() in words:
            counts[value.strip()] += 1
            value = ""
        cleaned.append(value)
    return cleaned, counts


def merge_spellings(values: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Values in one spelling where they differ in nothing but case, blanks and underscores, or are the same number.

    The most frequent spelling of each is taken. Names of one or two letters keep their case: `T` and `t` may be two.

    Returns:
        The values, and the spellings that were changed, by the one that is taken.
    """
    counts = Counter(values)
    by_fold: defaultdict[str, list[str]] = defaultdict(list)
    for value in counts:
        by_fold[_folded(value)].append(value)
    others: dict[str, list[str]] = {}
    taken: dict[str, str] = {}
    for several in by_fold.values():
        if len(several) > 1:
            kept = max(several, key=lambda one: (counts[one], one == _clean(one), one))
            others[kept] = [one for one in several if one != kept]
            taken.update(dict.fromkeys(several, kept))
    return [taken.get(value, value) for value in values], others


def _folded(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        pass
    else:
        return repr(number) if math.isfinite(number) else value
    text = _clean(value)
    return text.casefold() if sum(map(str.isalpha, text)) > _SHORT else text


def _clean(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).replace("_", " ").split())


def _is_natural(value: str) -> bool:
    if is_missing(value):
        return True
    try:
        return float(value) >= 0
    except ValueError:
        return False


def list_missing(counts: Mapping[str, int]) -> str:
    """Words that mean missing, for a message: `48 'unknown', 2 blank`."""
    return ", ".join(
        f"{count} {repr(word) if word else 'blank'}" for word, count in Counter(dict(counts)).most_common(5)
    )
