"""Reads sets of findings from the cells of a table: one column of joined names, or a column of 0 and 1 for each.

Cells in, the findings and the text of each row's set out (`findings.py`). Knows nothing of images or files.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from drai_cli.conditions.findings import (
    ABSENT,
    MAX_FINDINGS,
    NONE,
    PRESENT,
    SEPARATOR,
    UNKNOWN,
    UNKNOWN_MARK,
    Findings,
)
from drai_cli.errors import InputError

Uncertain = Literal["unknown", "present", "absent"]

_NONE_WORDS = frozenset(
    {
        "no finding",
        "no findings",
        "none",
        "normal",
        "negative",
        "healthy",
        "no abnormality",
        "no disease",
        "nothing",
    }
)
_STATE_OF = {
    "1": PRESENT,
    "0": ABSENT,
    "true": PRESENT,
    "false": ABSENT,
    "yes": PRESENT,
    "no": ABSENT,
    "": UNKNOWN,
}
_UNCERTAIN = {"unknown": UNKNOWN, "present": PRESENT, "absent": ABSENT}
_FEW = 2


@dataclass(frozen=True)
class ReadFindings:
    """The findings of a table.

    Attributes:
        findings: Their names, and the word for none of them.
        texts: The set of each row; empty where nothing is known of it.
        how: How they were read, for a message.
        despite_none: How many rows show a finding although they say that there is none, by finding. CheXpert has many:
            its `No Finding` means no pathology, and support devices are none.
    """

    findings: Findings
    texts: tuple[str, ...]
    how: str
    despite_none: Mapping[str, int] = field(default_factory=dict)


def split_names(cells: Sequence[str], *, is_forced: bool = False) -> tuple[list[list[str]], str] | None:
    """The names in each cell, and how cells join them; None where each cell is one name.

    `|` always joins names. A list in Python's or JSON's notation is one. `;` and `,` may belong to a name: they join
    names if at least half of the joined names stand alone in other cells, or if the user says so.

    Args:
        cells: Of the label column, missing ones left out.
        is_forced: The user says that labels are sets.
    """
    distinct = list(dict.fromkeys(cells))
    lists = {cell: _as_list(cell) for cell in distinct}
    if distinct and all(names is not None for names in lists.values()):
        return [lists[cell] or [] for cell in cells], "lists"
    for separator in (SEPARATOR, ";", ","):
        joined = [cell for cell in distinct if separator in cell]
        if not joined:
            continue
        parts = {part.strip() for cell in joined for part in cell.split(separator)}
        alone = len(parts & set(distinct))
        if separator == SEPARATOR or is_forced or (len(joined) >= _FEW and 2 * alone >= len(parts)):
            names = {cell: [part.strip() for part in cell.split(separator)] for cell in distinct}
            several = sum(separator in cell for cell in cells)
            return (
                [names[cell] for cell in cells],
                f"names joined by {separator!r} in {several:,} of {len(cells):,} rows",
            )
    return ([[cell] for cell in cells], "one name each") if is_forced else None


def find_joined_once(cells: Sequence[str]) -> tuple[str, str] | None:
    """A cell that is taken as one name though it may be several, and what joins them; None where there is none.

    It is alone in its kind (of two such cells `split_names` makes sets), and each of its parts is a name elsewhere.
    """
    distinct = dict.fromkeys(cell for cell in cells if cell)
    for separator in (";", ","):
        for cell in distinct:
            if separator in cell and all(part.strip() in distinct for part in cell.split(separator)):
                return cell, separator
    return None


def read_joined(
    subject: str, column: str, cells: Sequence[str], *, is_forced: bool = False
) -> ReadFindings | None:
    """The findings of a column of joined names; None where each cell is one name and nothing is forced.

    Args:
        subject: The table, for messages.
        column: The column's name.
        cells: Its cells; an empty one is missing.
        is_forced: The user says that labels are sets.

    Raises:
        InputError: A cell names both a finding and the word for none, or names cannot be told apart.
    """
    split = split_names([cell for cell in cells if cell], is_forced=is_forced)
    if split is None:
        return None
    lists, how = split
    counts = Counter(name for names in lists for name in names)
    none = next((name for name in counts if name.casefold().replace("_", " ") in _NONE_WORDS), None)
    names = tuple(sorted(name for name in counts if name and name != none))
    findings = _make(subject, column, names, none)
    remaining = iter(lists)
    texts = []
    for cell in cells:
        if not cell:
            texts.append("")
            continue
        found = {name for name in next(remaining) if name}
        if none in found and len(found) > 1:
            raise InputError(
                subject,
                f"column {column!r} names {none!r} together with findings: {cell!r}",
                f"correct the row: {none!r} means that there are none",
            )
        texts.append(SEPARATOR.join(sorted(found - {none})) or findings.none)
    return ReadFindings(findings, tuple(texts), how)


def read_columns(
    subject: str, columns: Sequence[str], rows: Sequence[Sequence[str]], uncertain: Uncertain = "unknown"
) -> ReadFindings:
    """The findings of columns of 0 and 1, one each.

    A blank cell is unknown, and so is -1 (CheXpert's and MIMIC-CXR's word for uncertain) unless `uncertain` says
    otherwise. A column for none of them (`No Finding`) is recognised: where it is 1, all that are not 1 are absent.

    Args:
        subject: The table, for messages.
        columns: Their names.
        rows: The cells of these columns, row by row.
        uncertain: What -1 means.

    Raises:
        InputError: A cell that is neither, or names that cannot be told apart.
    """
    none_column = next(
        (place for place, name in enumerate(columns) if name.casefold().replace("_", " ") in _NONE_WORDS),
        None,
    )
    kept = [place for place in range(len(columns)) if place != none_column]
    names = tuple(columns[place] for place in kept)
    findings = _make(
        subject, ", ".join(columns[:3]), names, None if none_column is None else columns[none_column]
    )
    texts: list[str] = []
    both = Counter[str]()
    for row in rows:
        states = np.array(
            [_state(subject, name, cell, uncertain) for name, cell in zip(columns, row, strict=True)]
        )
        of_none = ABSENT if none_column is None else states[none_column]
        states = states[kept].astype(np.int8)
        if of_none == PRESENT:
            both.update(name for name, state in zip(names, states.tolist(), strict=True) if state == PRESENT)
            states[states == UNKNOWN] = ABSENT
        texts.append("" if (states == UNKNOWN).all() else findings.text(states))
    return ReadFindings(findings, tuple(texts), f"{len(names)} columns of 0 and 1", dict(both.most_common()))


def leave_out_rare(read: ReadFindings, least: int) -> tuple[ReadFindings, dict[str, int]]:
    """Without the findings that fewer than `least` rows show, and how often each of those was shown.

    A row that shows no other finding has no set any more: it is not one of an image without findings.
    """
    findings = read.findings
    rows = Counter(text for text in read.texts if text and text != findings.none)
    counts = dict.fromkeys(findings.names, 0)
    for text, number in rows.items():
        for name in text.split(SEPARATOR):
            if name in counts:  # unknown ones have a mark
                counts[name] += number
    dropped = {name: number for name, number in counts.items() if number < least}
    if not dropped:
        return read, {}
    names = tuple(name for name in findings.names if name not in dropped)
    if not names:
        raise InputError("--least-count", f"no finding is shown by {least} images", "give a smaller number")
    shorter = {"": "", findings.none: findings.none}
    for text in rows:
        parts = text.split(SEPARATOR)
        kept = [part for part in parts if part.removesuffix(UNKNOWN_MARK) not in dropped]
        has_shown, shows = (any(not part.endswith(UNKNOWN_MARK) for part in some) for some in (parts, kept))
        shorter[text] = "" if has_shown and not shows else SEPARATOR.join(kept) or findings.none
    fewer = Findings(names, findings.none)
    return replace(read, findings=fewer, texts=tuple(shorter[text] for text in read.texts)), dropped


def check_number(subject: str, column: str, findings: Findings) -> None:
    """Checks that a model can have so many findings.

    Raises:
        InputError: There are more than 200.
    """
    if len(findings.names) > MAX_FINDINGS:
        raise InputError(
            subject,
            f"expected at most {MAX_FINDINGS} findings in {column!r}, got {len(findings.names)}, such as "
            f"{findings.names[0]!r}",
            "leave rare ones out with --least-count N, or take each cell as one name with --label-kind categorical",
        )


def _make(subject: str, column: str, names: tuple[str, ...], none: str | None) -> Findings:
    try:
        return Findings(names, none or NONE)
    except ValueError as error:
        raise InputError(
            subject,
            f"column {column!r} has names that cannot be told apart, or that hold {SEPARATOR!r} or end with "
            f"{UNKNOWN_MARK!r}: {', '.join(map(repr, names[:5]))}",
            "rename them in the table",
        ) from error


def _state(subject: str, column: str, cell: str, uncertain: Uncertain) -> int:
    text = cell.strip().casefold()
    try:
        number = float(text) if text else None
    except ValueError:
        number = None
    if number == -1:
        return _UNCERTAIN[uncertain]
    if number in (0.0, 1.0):
        return int(number)
    if text not in _STATE_OF:
        raise InputError(
            subject,
            f"expected 0, 1, -1 (uncertain) or nothing in column {column!r}, got {cell!r}",
            "several --label name columns of 0 and 1",
        )
    return _STATE_OF[text]


def _as_list(cell: str) -> list[str] | None:
    """The names of a list such as `['Mass', 'Edema']` or `["Mass"]`; None for any other cell."""
    if not (cell.startswith("[") and cell.endswith("]")) or len(cell) > 10_000:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            names = read(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return [name.strip() for name in names]
    return None
