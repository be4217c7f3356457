"""Tables as columns and rows of text, whatever kind of file holds them. Knows no images."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drai_cli.errors import InputError, UsageError
from drai_cli.io.csv_rows import plain_cell
from drai_cli.io.files import open_regular
from drai_cli.tables.json_rows import read_json_rows
from drai_cli.tables.text import read_lines
from drai_cli.tables.weight import Weight
from drai_cli.tables.workbook import read_workbook

_HEADER_BYTES = 1 << 20
_LOOKED_AT = 20
"""Lines among which the column names are looked for."""
_TEXT_SUFFIXES = (".csv", ".tsv", ".tab")
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = (*_TEXT_SUFFIXES, *(f"{one}.gz" for one in _TEXT_SUFFIXES), *_JSON_SUFFIXES, ".xlsx")
OTHER_TABLES = (
    ".xls",
    ".xlsm",
    ".ods",
    ".xlsb",
    ".numbers",
    ".parquet",
    ".sav",
    ".dta",
    ".rds",
    ".feather",
    ".mdb",
)
"""Suffixes of tables that are not read."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Table:
    """A table's columns and rows, all cells as text without surrounding blanks.

    Attributes:
        path: Its file.
        columns: Column names.
        rows: The cells of each row by column name. A row may have more than `columns` name: what the reader of a set
            knows besides, such as the part of the split that the whole file belongs to.
        note: What was not as expected in the file, such as its encoding; empty if nothing.
        has_header: Whether the column names are the file's first line; else they are `column 1`, `column 2`, ….
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    note: str = ""
    has_header: bool = True

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

    def with_column(self, name: str, values: Sequence[str]) -> Table:
        """The table with a further column."""
        rows = tuple({**row, name: value} for row, value in zip(self.rows, values, strict=True))
        return replace(self, columns=(*self.columns, name), rows=rows)


def list_columns(columns: Sequence[str]) -> str:
    """Column names for a message."""
    return ", ".join(name for name in columns[:40]) + (", …" if len(columns) > 40 else "")


def is_table(name: str) -> bool:
    """Whether a file's name says that it is a table."""
    return name.lower().endswith(TABLE_SUFFIXES) or name == "HAM10000_metadata"


def hint_for_table(name: str) -> str:
    """What to do with a table of a kind that is not read."""
    if name.lower().endswith((".parquet", ".feather")):
        read = "parquet" if name.lower().endswith(".parquet") else "feather"
        return (
            f"write it as CSV (with pandas and pyarrow): python -c \"import pandas; pandas.read_{read}('{name}')"
            ".to_csv('table.csv', index=False)\""
        )
    return "save it as CSV UTF-8 or as .xlsx"


def read_header(path: Path) -> tuple[str, ...]:
    """A table's column names; empty if the file does not begin like a table. Text is not read to its end."""
    try:
        if path.name.lower().endswith((*_JSON_SUFFIXES, ".gz", ".xlsx")):
            return read_table(path).columns
        with open_regular(path) as file:
            first = file.read(_HEADER_BYTES)
        # The piece may end within a character or a quoted cell: only its first two lines count.
        if first[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            first = b"".join(first.splitlines(keepends=True)[:2])
        return _clean_names(next(read_lines(path, first).lines, []))
    except (InputError, UsageError):
        return ()


def read_table(path: Path, *, has_header: bool = True, holds_names: bool = False) -> Table:
    """Reads a table: CSV (also compressed, `.csv.gz`), JSON lines, a JSON list of objects, or an Excel workbook.

    CSV is UTF-8, UTF-16 or Windows-1252, separated by commas, semicolons or tabs, also with Excel's first line `sep=;`.
    Its first line are the column names. Numbers with a decimal comma, where the comma does not separate, get a point.

    Args:
        path: The file.
        has_header: Whether the first line holds the column names; else columns are called `column 1`, `column 2`, ….
        holds_names: It was written by drai and holds names of files, which may have bytes that are no UTF-8.

    Raises:
        InputError: It is no such table: the message names the line.
        UsageError: A workbook, and the extra that reads it is not installed.
    """
    name = path.name.lower()
    if name.endswith(OTHER_TABLES):
        raise InputError(path, "this kind of table is not read", hint_for_table(name))
    with open_regular(path) as file:
        weight = Weight(path, file.seek(0, 2))
    if name.endswith(_JSON_SUFFIXES):
        columns, rows = read_json_rows(path)
        weight.add(len(rows), len(rows) * len(columns))  # a row of each object, with every column
        return _checked(path, columns, [[row.get(column, "") for column in columns] for row in rows])
    may_have_commas = True
    if name.endswith(".xlsx") or _is_workbook(path):
        numbered, note = read_workbook(path, weight)
        may_have_commas = False
    else:
        with open_regular(path) as file:
            text = read_lines(path, file.read(), holds_names=holds_names)
        numbered, note = [], text.note
        for cells in text.lines:
            if cells:
                weight.add_row(cells)
                numbered.append((text.lines.line_num, cells))
        may_have_commas = text.delimiter != ","
        if text.delimiter == " " and not has_header and numbered:
            # Lists for people, as MIAS has one: what is not known is left out at the end of a line.
            widths = {len(cells) for _, cells in numbered}
            if len(widths) > 1:
                note = f"{note}, and " if note else ""
                note += (
                    f"has {min(widths)} to {max(widths)} words in a line: missing ones at the end are blank"
                )
                weight.add(0, sum(max(widths) - len(cells) for _, cells in numbered))
                numbered = [(line, [*cells, *[""] * (max(widths) - len(cells))]) for line, cells in numbered]
    if not numbered:
        raise InputError(path, "expected a table with column names in its first line, got none")
    skipped = _count_titles([cells for _, cells in numbered[:_LOOKED_AT]]) if has_header else 0
    if skipped:
        numbered = numbered[skipped:]
        above = f"begins with {skipped} lines above its column names, which are left out"
        note = f"{note}, and {above}" if note else above
    columns = _clean_names(numbered[0][1])
    if has_header:
        numbered = numbered[1:]
        if not any(columns):
            raise InputError(path, "expected a table with column names in its first line, got none")
    else:
        columns = tuple(f"column {place}" for place in range(1, len(columns) + 1))
    rows_of_cells = []
    for line, cells in numbered:
        if len(cells) < len(columns) and not any(columns[len(cells) :]):
            cells = [*cells, *[""] * (len(columns) - len(cells))]
        while len(cells) > len(columns) and not cells[-1].strip():
            cells = cells[:-1]
        if len(cells) != len(columns):
            raise InputError(
                path, f"expected {len(columns)} cells in line {line}, got {len(cells)}",
                "each row needs a cell for each of the column names; cells that hold the delimiter need quotes",
            )  # fmt: skip
        rows_of_cells.append([plain_cell(cell.strip()) for cell in cells])
    if may_have_commas:
        rows_of_cells = _with_points(rows_of_cells)
    return replace(_checked(path, columns, rows_of_cells), note=note, has_header=has_header)


def _is_workbook(path: Path) -> bool:
    """Whether a file called `.csv` begins as a workbook does."""
    with open_regular(path) as file:
        return file.read(4) == b"PK\3\4"


def _count_titles(lines: Sequence[Sequence[str]]) -> int:
    """Lines above the column names: a title, a remark, blank cells. They fill less than half of the columns below."""
    filled = [sum(bool(cell.strip()) for cell in cells) for cells in lines]
    widest = max(filled)
    for place, count in enumerate(filled):
        first = lines[place][0].strip()
        is_remark = count == 1 < widest and (first.startswith("#") or " " in first)
        if 2 * count >= widest and not is_remark:
            return place if place + 1 < len(lines) and len(set(filter(None, lines[place]))) == count else 0
    return 0


def _clean_names(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(plain_cell(name.strip()) for name in cells)


def _checked(path: Path, columns: Sequence[str], rows: list[list[str]]) -> Table:
    """The table without unnamed columns that are empty; unnamed ones with values get a number as name."""
    kept = [place for place, name in enumerate(columns) if name or any(row[place] for row in rows)]
    names = [columns[place] or f"column {place + 1}" for place in kept]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(
            path, f"column {min(doubled)!r} occurs more than once",
            "rename one; if the first line is data and not column names, add --no-header",
        )  # fmt: skip
    if not rows:
        raise InputError(path, "expected rows below the column names, got none")
    return Table(
        path,
        tuple(names),
        tuple(dict(zip(names, (row[place] for place in kept), strict=True)) for row in rows),
    )


def _with_points(rows: list[list[str]]) -> list[list[str]]:
    """Columns of numbers with a decimal comma get a point."""
    if not rows:
        return rows
    for place in range(len(rows[0])):
        values = [row[place] for row in rows]
        has_comma = [_DECIMAL_COMMA.fullmatch(value) is not None for value in values]
        if any(has_comma) and all(
            is_number or not re.search(r"\d,\d", value)
            for value, is_number in zip(values, has_comma, strict=True)
        ):
            for row, is_number in zip(rows, has_comma, strict=True):
                if is_number:
                    row[place] = row[place].replace(",", ".")
    return rows
