"""Tables of every encoding, separator and kind of file."""

from __future__ import annotations

import gzip
import json
import re
import zipfile

import pytest

from drai_cli.errors import InputError, UsageError
from drai_cli.tables.table import is_table, read_header, read_table

TEXT = "bild;diagnose;dicke\na.png;nävus;3,5\nb.png;melanom;2\n"
ROWS = (
    {"bild": "a.png", "diagnose": "nävus", "dicke": "3.5"},
    {"bild": "b.png", "diagnose": "melanom", "dicke": "2"},
)


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (TEXT.encode(), ""),
        (TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("cp1252"), "Windows-1252"),
        (b"\xef\xbb\xbfsep=;\r\n" + TEXT.replace("\n", "\r\n").encode(), ""),
        (("SEP=;\n" + TEXT).encode("cp1252"), "Windows-1252"),
        (TEXT.replace(";", "\t").encode(), ""),
        (gzip.compress(TEXT.encode(), mtime=0), ""),
        (gzip.compress(TEXT.encode("cp1252"), mtime=0), "Windows-1252"),
    ],
)
def test_text_tables(tmp_path, raw, note):
    path = tmp_path / ("t.csv.gz" if raw[:2] == b"\x1f\x8b" else "t.csv")
    path.write_bytes(raw)
    table = read_table(path)
    assert table.rows == ROWS
    assert note in table.note
    assert bool(table.note) == bool(note)
    assert read_header(path) == table.columns == ("bild", "diagnose", "dicke")


def test_a_comma_that_is_no_decimal_comma_stays(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"1,5",x\n"2,5",y\n')
    assert [row["a"] for row in read_table(path).rows] == ["1,5", "2,5"]  # the comma separates here
    path.write_text("a;b\n1,5;x, y\n2;3,4 cm\n")
    assert [tuple(row.values()) for row in read_table(path).rows] == [("1.5", "x, y"), ("2", "3,4 cm")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.jsonl", '{"bild": "a.png", "alter": 3, "ok": true}\n\n{"bild": "b.png", "alter": null}\n'),
        ("t.json", '[{"bild": "a.png", "alter": 3, "ok": true}, {"bild": "b.png", "alter": null}]'),
    ],
)
def test_json(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    table = read_table(tmp_path / name)
    assert table.columns == ("bild", "alter", "ok")
    assert table.rows == (
        {"bild": "a.png", "alter": "3", "ok": "True"},
        {"bild": "b.png", "alter": "", "ok": ""},
    )


@pytest.mark.parametrize(
    "labels",
    [
        [["0/a.png", 1], ["0/b.png", 0]],
        {"0/a.png": 1, "0/b.png": 0},
        [["0/a.png", [0, 1]], ["0/b.png", [1, 0]]],
    ],
)
def test_stylegans_json(tmp_path, labels):
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert [tuple(row.values()) for row in read_table(tmp_path / "dataset.json").rows] == [
        ("0/a.png", "1"),
        ("0/b.png", "0"),
    ]


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"a": 1}', "[" * 5000, '{"labels": [["a"]]}', "\xff", ""])
def test_json_that_is_no_table(tmp_path, text):
    (tmp_path / "t.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError):
        read_table(tmp_path / "t.json")


def test_workbooks(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["bild", "dicke", "n"])
    book.active.append(["a.png", 3.5, 2.0])
    book.active.append([None, None, None])
    book.active.append(["b.png", None, 7])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.rows == (
        {"bild": "a.png", "dicke": "3.5", "n": "2"},
        {"bild": "b.png", "dicke": "", "n": "7"},
    )
    assert table.note == ""
    book.create_sheet("more").append(["x"])
    book.save(tmp_path / "t.xlsx")
    assert "from its sheet 'Sheet' alone" in read_table(tmp_path / "t.xlsx").note


def test_a_workbook_that_is_none_or_unpacks_without_end(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"a;b\n1;2\n")
    with pytest.raises(InputError, match="is no Excel workbook, or damaged") as caught:
        read_table(path)
    assert caught.value.hint == "save it as CSV UTF-8"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", " " * 2000)
    monkeypatch.setattr("drai_cli.tables.workbook._MAX_BYTES", 1000)
    with pytest.raises(InputError, match="expected at most 1000 bytes when decompressed, got 2008"):
        read_table(path)


def rewrite(path, part, change):
    """Changes a part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_workbook_is_read_for_its_cells_whatever_size_it_claims(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book, path = openpyxl.Workbook(), tmp_path / "t.xlsx"
    book.active.append(["a", "b"])
    book.active.append(["1", "2"])
    book.save(path)
    sheet = "xl/worksheets/sheet1.xml"
    rewrite(
        path, sheet, lambda xml: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:XFD1048576"', xml)
    )
    assert read_table(path).rows == ({"a": "1", "b": "2"},)
    far = b'<row r="1048577"><c r="A1048577"><v>1</v></c></row></sheetData>'
    rewrite(path, sheet, lambda xml: xml.replace(b"</sheetData>", far))
    with pytest.raises(InputError, match="at most 1048576 rows"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_workbook_that_defines_entities_is_not_read(tmp_path, encoding):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    openpyxl.Workbook().save(path)
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY a "aaaa">]><sst>&a;</sst>'
    rewrite(path, "xl/workbook.xml", lambda _: text.encode(encoding))
    with pytest.raises(InputError, match="defines XML entities"):
        read_table(path)


def test_cells_merged_over_several_rows_have_their_value_in_each(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book, path = openpyxl.Workbook(), tmp_path / "t.xlsx"
    book.active.append(["patient", "file", "label"])
    for number in range(6):
        book.active.append(["pq"[number // 3], f"{number}.png", "ab"[number // 3]])
    for column in "AC":
        book.active.merge_cells(f"{column}2:{column}4")
        book.active.merge_cells(f"{column}5:{column}7")
    book.save(path)
    assert [tuple(row.values()) for row in read_table(path).rows] == [
        ("pq"[number // 3], f"{number}.png", "ab"[number // 3]) for number in range(6)
    ]


def test_lines_of_several_lengths_in_a_list_for_people(tmp_path):
    (tmp_path / "Info.txt").write_text("mdb001 G CIRC B 535\nmdb002 G NORM\n")
    table = read_table(tmp_path / "Info.txt", has_header=False)
    assert [row["column 4"] for row in table.rows] == ["B", ""]
    assert "3 to 5 words in a line" in table.note
    (tmp_path / "t.csv").write_text("mdb001,G,CIRC,B,535\nmdb002,G,NORM\n")
    with pytest.raises(InputError, match="expected 5 cells in line 2, got 3"):
        read_table(tmp_path / "t.csv", has_header=False)


def test_a_small_file_may_not_become_a_large_table(tmp_path, monkeypatch):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * (5 << 20)))
    with pytest.raises(InputError, match=r"at most \d+ bytes when decompressed"):
        read_table(tmp_path / "t.csv.gz")
    monkeypatch.setattr("drai_cli.tables.weight._FREE_BYTES", 1 << 20)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 5000))
    with pytest.raises(InputError, match="takes at most 1 MiB in memory") as caught:
        read_table(tmp_path / "t.csv.gz")
    assert "columns that are needed" in caught.value.hint
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({f"c{index}": 1}) for index in range(2000)))
    with pytest.raises(InputError, match="in memory"):
        read_table(tmp_path / "t.jsonl")


def test_without_openpyxl_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(UsageError, match="needs openpyxl") as caught:
        read_table(tmp_path / "t.xlsx")
    assert "pip install 'drai-cli[xlsx]'" in caught.value.hint


def test_other_workbooks_are_named(tmp_path):
    (tmp_path / "t.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InputError, match="this kind of table is not read") as caught:
        read_table(tmp_path / "t.xls")
    assert "CSV UTF-8" in caught.value.hint


def test_without_a_header_no_row_is_lost(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("TRAIN,a.png,0\nTEST,b.png,0\n")
    table = read_table(path, has_header=False)
    assert table.columns == ("column 1", "column 2", "column 3")
    assert len(table.rows) == 2
    path.write_text("0,0\n1,1\n")
    with pytest.raises(InputError, match="occurs more than once") as caught:
        read_table(path)
    assert "--no-header" in caught.value.hint


def test_columns_without_a_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",file,label,\n0,a.png,x,\n1,b.png,y,\n")  # an index, and a comma at each line's end
    assert read_table(path).columns == ("column 1", "file", "label")


def test_a_compressed_table_that_is_broken(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TEXT.encode())[:20])
    with pytest.raises(InputError, match="cannot be decompressed"):
        read_table(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.CSV", True),
        ("a.csv.gz", True),
        ("a.jsonl", True),
        ("HAM10000_metadata", True),
        ("a.txt", False),
        ("a.nii.gz", False),
    ],
)
def test_names_of_tables(name, expected):
    assert is_table(name) == expected
