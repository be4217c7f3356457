"""Cells that a spreadsheet would run are written so that it does not, and read back as they were."""

from __future__ import annotations

import pytest

from drai_cli.io.csv_rows import encode_csv, plain_cell, safe_cell
from drai_cli.tables.table import read_table

CELLS = [
    "=1+1",
    "+cmd",
    "-x",
    "@SUM(A1)",
    "'=1",
    "''@a",
    "'",
    "'abc",
    "-5",
    "-5.25e-3",
    "+7",
    "mel",
    "",
    "=",
    "--1",
    "\tx",
]


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_written_is_read_back(cell):
    written = str(safe_cell(cell))
    assert plain_cell(written) == cell
    is_number = (
        cell.lstrip("+-").replace(".", "").replace("e", "").replace("-", "").isdigit() and cell[1:2] != "-"
    )
    assert is_number or written[:1] not in tuple("=+-@\t\r")


def test_numbers_stay_numbers():
    assert encode_csv([["age", "n"], ["-5", -7], ["1e3", 2.5]]) == b"age,n\n-5,-7\n1e3,2.5\n"


def test_tables_of_drai_read_the_same_values(tmp_path):
    rows = [["=name", "label"], *([cell.strip() or "x", f"{number}"] for number, cell in enumerate(CELLS))]
    (tmp_path / "t.csv").write_bytes(encode_csv(rows))
    found = read_table(tmp_path / "t.csv")
    assert found.columns == ("=name", "label")
    assert [row["=name"] for row in found.rows] == [row[0] for row in rows[1:]]
