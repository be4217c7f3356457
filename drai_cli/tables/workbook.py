"""Excel workbooks (`.xlsx`) as rows of text, by openpyxl, with bounds against archives that unpack without end."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError, UsageError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.tables.weight import Weight, most_unpacked

_MAX_BYTES = 512 << 20
"""Of all parts of a workbook together, decompressed."""
_MAX_ROWS, _MAX_COLUMNS = 1 << 20, 1 << 14  # Excel's own
_ENTITY = b"<!ENTITY"
_CHUNK = 1 << 20


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
                _check_parts(path, archive)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                sheets = {
                    sheet.title: rows for sheet in book.worksheets if (rows := _rows(path, sheet, weight))
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


def _check_parts(path: Path, archive: zipfile.ZipFile) -> None:
    """Checks that no part defines entities: a few bytes of them may stand for gigabytes."""
    for part in archive.infolist():
        with archive.open(part) as stream:
            end = b""
            while chunk := stream.read(_CHUNK):
                plain = end + chunk.replace(b"\0", b"")  # of UTF-16 too
                if _ENTITY in plain:
                    raise InputError(path, "defines XML entities, which are not read", "save it as CSV UTF-8")
                end = plain[-len(_ENTITY) :]


def _rows(path: Path, sheet: Any, weight: Weight) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, all as long as the longest; empty cells at the end of all rows are left out."""
    rows: list[tuple[int, list[str]]] = []
    sheet.reset_dimensions()  # a sheet's own statement of its size makes empty cells of whatever it claims
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > _MAX_ROWS:
            raise InputError(path, f"expected at most {_MAX_ROWS} rows, got more")
        row = [_text(value) for value in values[:_MAX_COLUMNS]]
        while row and not row[-1]:
            row.pop()
        if row:
            weight.add_row(row)
            rows.append((number, row))
    width = max((len(row) for _, row in rows), default=0)
    weight.add(0, sum(width - len(row) for _, row in rows))
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
