"""Rows as the bytes of a CSV file, safe to open in a spreadsheet. Knows nothing of what is in them.

A spreadsheet runs a cell that begins with =, +, - or @ as a formula. Such a cell, unless it is a number, gets an
apostrophe before it, which spreadsheets do not show; readers of drai remove it with `plain_cell`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MARKED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def encode_csv(rows: Iterable[Sequence[object]], delimiter: str = ",") -> bytes:
    """CSV in UTF-8 with LF line ends, the same on every system; other bytes of file names stay as they are."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows(map(safe_cell, row) for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def safe_cell(value: object) -> object:
    """A cell that no spreadsheet runs; other values are unchanged. `plain_cell` is the inverse."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def plain_cell(text: str) -> str:
    """A cell as it was before `safe_cell`."""
    return text[1:] if text.startswith("'") and _MARKED.match(text) else text
