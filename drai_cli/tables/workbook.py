"""Excel workbooks (`.xlsx`) as rows of text, by openpyxl, with bounds against archives that unpack without end."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError, UsageError
from drai_cli.io.files import BROKEN, open_regular

_MAX_BYTES = 512 << 20
"""Of all parts of a workbook together, decompressed."""
_MAX_CELLS = 50_000_000
_MAX_COLUMNS = 16_384


def read_workbook(path: Path) -> tuple[list[tuple[int, list[str]]], str]:
    """The rows of the first sheet that is not empty, each with its number, and a note where there are several sheets.

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
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(part.file_size for part in archive.infolist())
            if size > _MAX_BYTES:
                raise InputError(path, f"expected at most {_MAX_BYTES} bytes when decompressed, got {size}")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                for sheet in book.worksheets:
                    rows = _rows(path, sheet)
                    if rows:
                        others = len(book.worksheets) - 1
                        return rows, f"is read from its sheet {sheet.title!r} alone" if others else ""
            finally:
                book.close()
        # openpyxl raises what its XML parser and zipfile do, beside its own.
        except (*BROKEN, zipfile.BadZipFile, SyntaxError, RecursionError, KeyError) as error:
            raise InputError(
                path, f"is no Excel workbook, or damaged ({str(error)[:80]})", "save it as CSV UTF-8"
            ) from error
    return [], ""


def _rows(path: Path, sheet: Any) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, all as long as the longest; empty cells at the end of all rows are left out."""
    rows: list[tuple[int, list[str]]] = []
    cells = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        row = [_text(value) for value in values[:_MAX_COLUMNS]]
        while row and not row[-1]:
            row.pop()
        cells += len(row) + 1
        if cells > _MAX_CELLS or number > _MAX_CELLS:
            raise InputError(path, f"expected at most {_MAX_CELLS} cells, got more")
        if row:
            rows.append((number, row))
    width = max((len(row) for _, row in rows), default=0)
    return [(number, row + [""] * (width - len(row))) for number, row in rows]


def _text(value: Any) -> str:
    """A cell as CSV would hold it: a whole number without a point, a day without a time."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        value = int(value)
    return str(value).strip()
