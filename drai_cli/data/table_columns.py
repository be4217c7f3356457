"""What the columns of a table say of a set besides its label: which images belong together, and its own split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from drai_cli.data.image_set import SetOptions, part_named
from drai_cli.data.table import Table
from drai_cli.errors import InputError
from drai_cli.progress import Reporter

_GROUP_WORDS = ("patient", "subject", "participant", "lesion", "case", "study")
"""What columns are called that group images, the widest first: a patient may have several lesions."""
_CERTAIN = ("patient_id", "subject_id", "lesion_id")
"""Columns that group images whatever their values."""
_ANY_GROUP = re.compile(r"patient|subject|participant|lesion|case|person|nodule|study|exam", re.IGNORECASE)
_SPLIT_WORDS = ("split", "set", "subset", "partition", "part", "phase", "usage")
_FEW_VALUES = 10


def choose_group_column(
    table: Table, asked: str | None, used: Collection[str], reporter: Reporter
) -> str | None:
    """The column whose values keep images together in one part of a split: the one asked for, else a known one.

    Known are `patient_id`, `subject_id` and `lesion_id`, and other spellings (`Patient ID`, `participant`, `case_no`)
    where values repeat and are more than the few of a class. A column that only may group images is pointed out.

    Raises:
        UsageError: There is no column of the name asked for.
    """
    if asked is not None:
        return table.check_column(asked, "--group")
    free = [name for name in table.columns if name not in used]
    spelled = {name: re.sub(r"[^a-z]", "", name.lower()) for name in free}
    for word in _GROUP_WORDS:
        names = (word, f"{word}id", f"{word}no", f"{word}number")
        for name in free:
            is_certain = name in _CERTAIN and any(row[name] for row in table.rows)
            if spelled[name] in names and (is_certain or _groups_rows(table, name)):
                reporter.info(f"images are grouped by {name!r}; --group names another column")
                return name
    for name in free:
        if _ANY_GROUP.search(name) and _groups_rows(table, name):
            reporter.info(
                f"column {name!r} looks like a patient or lesion with several images: --group {name} "
                "keeps them in one part of a split"
            )
            break
    return None


def choose_split_column(
    table: Table, options: SetOptions, used: Collection[str], reporter: Reporter
) -> str | None:
    """The column with the set's own split: the one asked for, else one that is called so and holds nothing but parts.

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
        if name in used or re.sub(r"[^a-z]", "", name.lower()) not in _SPLIT_WORDS:
            continue
        others = _other_values(table, name)
        if not others:
            reporter.info(f"the set's own split in column {name!r} is kept; --split new draws another")
            return name
        if sum(others.values()) < len(table.rows):
            reporter.warn(
                f"column {name!r} is not used as the set's own split: {sum(others.values())} of {len(table.rows)} rows "
                f"have another value than train, validation or test, such as {next(iter(others))!r}"
            )
    return None


def _other_values(table: Table, name: str) -> Counter[str]:
    return Counter(row[name] for row in table.rows if part_named(row[name]) is None)


def _groups_rows(table: Table, name: str) -> bool:
    """Whether values repeat, and are more than the few of a class."""
    values = [row[name] for row in table.rows if row[name]]
    return _FEW_VALUES < len(set(values)) < len(values)
