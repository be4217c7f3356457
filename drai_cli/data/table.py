"""Tables that describe images: CSV files, read strictly."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drai_cli.errors import InputError, UsageError
from drai_cli.io.csv_rows import plain_cell
from drai_cli.io.files import open_regular

_HEADER_BYTES = 1 << 20
_DELIMITERS = ",;\t"
_QUOTED = re.compile(r'"[^"]*("|$)')


@dataclass(frozen=True)
class Table:
    """A table's columns and rows, all cells as text without surrounding blanks."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    def check_column(self, name: str, option: str) -> str:
        """The column's name again.

        Raises:
            UsageError: There is no such column; the hint lists them and names the nearest.
        """
        if name in self.columns:
            return name
        near = difflib.get_close_matches(name, self.columns, n=1)
        nearest = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"{option} {name}",
            f"no such column in {self.path.name}",
            f"{nearest}it has: {list_columns(self.columns)}",
        )


def list_columns(columns: Sequence[str]) -> str:
    """Column names for a message."""
    return ", ".join(name for name in columns[:40]) + (", …" if len(columns) > 40 else "")


def read_header(path: Path) -> tuple[str, ...]:
    """A table's column names; empty if the file does not begin like a table."""
    with open_regular(path) as file:
        first = file.readline(_HEADER_BYTES)
    try:
        text = first.decode("utf-8-sig")
        return tuple(
            plain_cell(name.strip()) for name in next(csv.reader([text], delimiter=_delimiter(text)), [])
        )
    except (UnicodeDecodeError, csv.Error):
        return ()


def read_table(path: Path, *, holds_names: bool = False) -> Table:
    """Reads a CSV file: UTF-8, separated by commas, semicolons or tabs, its first line the column names.

    Args:
        path: The file.
        holds_names: It was written by drai and holds names of files, which may have bytes that are no UTF-8.

    Raises:
        InputError: It is no such table: the message names the line.
    """
    subject = path
    with open_regular(path) as file:
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig", "surrogateescape" if holds_names else "strict")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(subject, f"expected UTF-8 text, got other bytes in line {line}") from error
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(text.split("\n", 1)[0]), strict=True
    )
    rows: list[dict[str, str]] = []
    try:
        columns = tuple(plain_cell(name.strip()) for name in next(reader, []))
        doubled = sorted(name for name, count in Counter(columns).items() if count > 1)
        if not any(columns):
            raise InputError(subject, "expected a table with column names in its first line, got none")
        if doubled:
            raise InputError(subject, f"column {doubled[0]!r} occurs more than once")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(columns):
                raise InputError(
                    subject, f"expected {len(columns)} cells in line {reader.line_num}, got {len(cells)}"
                )
            rows.append(dict(zip(columns, (plain_cell(cell.strip()) for cell in cells), strict=True)))
    except csv.Error as error:
        raise InputError(subject, f"line {reader.line_num} is no CSV ({error})") from error
    if not rows:
        raise InputError(subject, "expected rows below the column names, got none")
    return Table(path, columns, tuple(rows))


def _delimiter(header: str) -> str:
    """The separator that the first line uses most outside quotes; a comma where it uses none."""
    return max(_DELIMITERS, key=_QUOTED.sub("", header).count)
