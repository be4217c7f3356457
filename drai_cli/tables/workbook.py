"""Excel workbooks (`.xlsx`) as rows of text, by openpyxl, with bounds against archives that unpack without end."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError, UsageError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.tables.weight import Weight, most_unpacked

_MAX_BYTES = 512 << 20
"""Of all parts of a workbook together, decompressed."""
_MAX_ROWS, _MAX_COLUMNS = 1 << 20, 1 << 14  # Excel's own
_ENTITY = b"<!ENTITY"
_MERGED = re.compile(
    rb"<(?:\w{1,9}:)?mergeCell\s[^<>]{0,40}?ref=[\"']([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"
)
_MOST_MERGED = 1 << 18
_CHUNK, _OVERLAP = 1 << 20, 128

Merged = frozenset[tuple[int, int, int]]
"""Cells that are one over several rows: first row and last, from 1, and the first column, from 0."""


def read_workbook(path: Path, weight: Weight) -> tuple[list[tuple[int, list[str]]], str]:
    """The rows of the sheet with most of them, each with its number, and a note where there are several sheets.

    Sheets that begin with the same column names are taken together, with the name of each row's sheet in a column
    `sheet`.

    Args:
        path: The workbook.
        weight: Counts what its rows take.

    Raises:
        InputError: It is no workbook, is damaged, or too large.
        UsageError: openpyxl is not installed.
    """
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(
            path, "needs openpyxl, which is not installed",
            "pip install 'drai-cli[xlsx]', or save it as CSV UTF-8",
        ) from error  # fmt: skip
    with open_regular(path) as file:
        file_bytes = file.seek(0, 2)
        try:
            with zipfile.ZipFile(file) as archive:
                size, most = (
                    sum(part.file_size for part in archive.infolist()),
                    most_unpacked(file_bytes, _MAX_BYTES),
                )
                if size > most:
                    raise InputError(path, f"expected at most {most} bytes when decompressed, got {size}")
                merged = _check_parts(path, archive)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                sheets = {
                    sheet.title: rows
                    for sheet in book.worksheets
                    if (rows := _rows(path, sheet, weight, merged.get(_part_of(sheet), frozenset())))
                }
            finally:
                book.close()
        # openpyxl raises what its XML parser and zipfile do, beside its own.
        except (*BROKEN, zipfile.BadZipFile, SyntaxError, RecursionError, KeyError) as error:
            raise InputError(
                path, f"is no Excel workbook, or damaged ({str(error)[:80]})", "save it as CSV UTF-8"
            ) from error
    return _choose(sheets)


def _choose(sheets: Mapping[str, list[tuple[int, list[str]]]]) -> tuple[list[tuple[int, list[str]]], str]:
    if not sheets:
        return [], ""
    main = max(sheets, key=lambda title: len(sheets[title]))
    header = sheets[main][0][1]
    alike = [title for title, rows in sheets.items() if rows[0][1] == header]
    others = [title for title in sheets if title not in alike]
    left_out = f" (left out: {', '.join(others[:5])})" if others else ""
    if len(alike) == 1:
        return sheets[main], f"is read from its sheet {main!r} alone{left_out}" if others else ""
    rows = [(1, [*header, "sheet"])]
    for title in alike:
        rows += [(number, [*cells, title]) for number, cells in sheets[title][1:]]
    return rows, f"is read from its sheets {', '.join(alike)}, which have the same columns{left_out}"


def _check_parts(path: Path, archive: zipfile.ZipFile) -> dict[str, Merged]:
    """The merged cells of each part; checks that none defines entities: few bytes of them may stand for gigabytes."""
    merged: defaultdict[str, set[tuple[int, int, int]]] = defaultdict(set)
    for part in archive.infolist():
        with archive.open(part) as stream:
            end = b""
            while chunk := stream.read(_CHUNK):
                plain = end + chunk.replace(b"\0", b"")  # of UTF-16 too
                if _ENTITY in plain:
                    raise InputError(path, "defines XML entities, which are not read", "save it as CSV UTF-8")
                for column, first, last in _MERGED.findall(plain):
                    if int(first) < int(last):
                        merged[part.filename].add((int(first), int(last), _place_of(column)))
                if sum(map(len, merged.values())) > _MOST_MERGED:
                    raise InputError(
                        path,
                        f"expected at most {_MOST_MERGED} merged cells, got more",
                        "save it as CSV UTF-8",
                    )
                end = plain[-_OVERLAP:]
    return {name: frozenset(cells) for name, cells in merged.items()}


def _place_of(column: bytes) -> int:
    """The number of a column from 0: A is 0, AA is 26."""
    number = 0
    for letter in column:
        number = 26 * number + letter - ord("A") + 1
    return number - 1


def _part_of(sheet: Any) -> str:
    """The part of the archive that holds a sheet; openpyxl has no public name for it where it reads row by row."""
    return str(getattr(sheet, "_worksheet_path", "")).lstrip("/")


def _rows(path: Path, sheet: Any, weight: Weight, merged: Merged) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, all as long as the longest; empty cells at the end of all rows are left out.

    A cell that is merged over several rows has its value in each of them.
    """
    rows: list[tuple[int, list[str]]] = []
    fill = _Fill(merged)
    sheet.reset_dimensions()  # a sheet's own statement of its size makes empty cells of whatever it claims
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > _MAX_ROWS:
            raise InputError(path, f"expected at most {_MAX_ROWS} rows, got more")
        row = [_text(value) for value in values[:_MAX_COLUMNS]]
        while row and not row[-1]:
            row.pop()
        if row:
            row = fill.filled(number, row)
            weight.add_row(row)
            rows.append((number, row))
    width = max((len(row) for _, row in rows), default=0)
    weight.add(0, sum(width - len(row) for _, row in rows))
    return [(number, row + [""] * (width - len(row))) for number, row in rows]


class _Fill:
    """Fills the lower cells of merged ones, row by row from the top."""

    def __init__(self, merged: Iterable[tuple[int, int, int]]) -> None:
        self._coming = sorted(merged, reverse=True)
        self._open: dict[int, tuple[int, str]] = {}
        """Last row and value of what is merged in a column."""

    def filled(self, number: int, row: list[str]) -> list[str]:
        """A row, longer where a merged cell lies beyond its end."""
        while self._coming and self._coming[-1][0] <= number:
            first, last, column = self._coming.pop()
            if first == number and column < len(row):
                self._open[column] = last, row[column]
        for column, (last, value) in list(self._open.items()):
            if number > last:
                del self._open[column]
            elif value:
                row = row + [""] * (column + 1 - len(row))
                row[column] = row[column] or value
        return row


def _text(value: Any) -> str:
    """A cell as CSV would hold it: a whole number without a point, a day without a time."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        value = int(value)
    return str(value).strip()
