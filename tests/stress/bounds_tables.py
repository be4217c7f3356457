"""Tables of less than 1 MiB that are wide, long or full of repeated cells, for `fuzz_bounds.py`."""

from __future__ import annotations

import functools
import io
import json
import random
import re
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from tests.stress.bounds_packing import Command, amount, gzipped, log_uniform, zipped


def table(folder: Path, chance: random.Random) -> Command:
    """Tables that are wide, long, of huge cells, compressed, JSON of ragged rows, or workbooks with empty rows."""
    for index in range(6):
        PillowImage.new("L", (16, 16), 40 * index).save(folder / f"{index}.png")
    kind = chance.choice(("wide", "long", "cell", "gz", "jsonl", "json", "xlsx", "shared", "labels"))
    rows = [f"{index}.png,{'ab'[index % 2]}" for index in range(6)]
    name, raw = "metadata.csv", b""
    if kind == "wide":
        count = log_uniform(chance, 10, 90_000)
        columns = ["file_name", "label", *(f"c{index}" for index in range(count))]
        filler = "," + chance.choice(("", "1", "0")) if chance.random() < 0.5 else ","
        raw = "\n".join([",".join(columns), *(row + filler * count for row in rows)]).encode()
    elif kind == "long":
        rows += [
            chance.choice(("gone.png,a", "0.png,b", ",", "x,"))
            for _ in range(log_uniform(chance, 10, 90_000))
        ]
        raw = "\n".join(["file_name,label", *rows]).encode()
    elif kind == "labels":
        names = [chance.choice(("x", "é", "|", "\u202e")) * log_uniform(chance, 1, 100_000) for _ in range(2)]
        raw = "\n".join(
            ["file_name,label", *(f"{index}.png,{names[index % 2]}" for index in range(6))]
        ).encode()
    elif kind == "cell":
        filler = chance.choice(("a", '"', "é", "|a", ";a", "[", "1", " ")) * log_uniform(chance, 10, 500_000)
        rows[0] = f'0.png,"{filler}"' if chance.random() < 0.5 else f"0.png,{filler}"
        raw = "\n".join(["file_name,label", *rows]).encode()
    elif kind == "gz":
        name = "metadata.csv.gz"
        head = "\n".join(["file_name,label", *rows]).encode() + chance.choice((b"\n", b'\n"', b"\n\xff"))
        raw = gzipped(head, amount(chance)) if chance.random() < 0.5 else _gzipped_text(head, chance)
    elif kind in ("jsonl", "json"):
        name = f"metadata.{kind}"
        count, wide = log_uniform(chance, 10, 40_000), chance.choice((1, 1, 5))
        objects = [{f"{index}_{place}": 1 for place in range(wide)} for index in range(count)]
        objects[:0] = [{"file_name": f"{index}.png", "label": index % 2} for index in range(6)]
        if chance.random() < 0.2:
            deep: Any = functools.reduce(lambda inner, _: [inner], range(chance.choice((50, 900))), 1)
            objects[0]["label"] = deep
        raw = ("\n".join(map(json.dumps, objects)) if kind == "jsonl" else json.dumps(objects)).encode()
    else:
        name, raw = "metadata.xlsx", _workbook(chance, kind == "shared")
    (folder / name).write_bytes(raw)
    words = ["--metadata", str(folder / name)] if chance.random() < 0.5 else []
    figure = ["--figure", str(folder / "f.png")] if chance.random() < 0.3 else []
    label = ["--label", "label"] if chance.random() < 0.7 else []
    if chance.random() < 0.2:
        return [
            "train",
            "--data",
            str(folder),
            *words,
            *label,
            "--size",
            "16",
            "--out",
            str(folder / "r"),
            "--dry-run",
        ]
    return ["inspect", str(folder), *words, *label, *figure]


def _gzipped_text(head: bytes, chance: random.Random) -> bytes:
    import gzip

    piece = chance.choice((b"a,b\n", b"\n", b",", b"0.png,a\n", b'""', "é,😀\n".encode()))
    return gzip.compress(head + piece * (min(amount(chance), 3 << 28) // len(piece)), 9)


def _workbook(chance: random.Random, is_shared: bool) -> bytes:
    import openpyxl

    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in [("file_name", "label"), *((f"{index}.png", "ab"[index % 2]) for index in range(6))]:
        book.active.append(row)
    book.save(file)
    import zipfile

    with zipfile.ZipFile(io.BytesIO(file.getvalue())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    sheet = members[name]
    if is_shared:  # openpyxl writes each text where it stands
        members["xl/sharedStrings.xml"], sheet = _share_strings(sheet)
        kinds = members["[Content_Types].xml"]
        members["[Content_Types].xml"] = kinds.replace(b"</Types>", _SHARED_KIND + b"</Types>")
        related = members["xl/_rels/workbook.xml.rels"]
        members["xl/_rels/workbook.xml.rels"] = related.replace(
            b"</Relationships>", _SHARED_RELATION + b"</Relationships>"
        )
    column = chance.choice(("A", "C", "XFD", "ZZZ"))
    row = log_uniform(chance, 8, 2**31)
    far = f'<row r="{row}"><c r="{column}{row}" t="inlineStr"><is><t>x</t></is></c></row>'
    if chance.random() < 0.5:
        sheet = sheet.replace(b'<dimension ref="A1:B7" />', f'<dimension ref="A1:{column}{row}"/>'.encode())
        sheet = sheet.replace(b'<dimension ref="A1:B7"/>', f'<dimension ref="A1:{column}{row}"/>'.encode())
    if chance.random() < 0.5:
        sheet = sheet.replace(b"</sheetData>", far.encode() + b"</sheetData>")
    elif chance.random() < 0.7:
        many = b'<row><c t="s"><v>0</v></c></row>' * min(amount(chance) // 30, 3_000_000)
        sheet = sheet.replace(b"</sheetData>", many + b"</sheetData>")
    members[name] = sheet
    if is_shared:
        text = chance.choice((" ", "a", "&a;")) * log_uniform(chance, 10, 3e6)
        strings = members["xl/sharedStrings.xml"]
        members["xl/sharedStrings.xml"] = strings.replace(b"<t>file_name</t>", f"<t>{text}</t>".encode(), 1)
    return zipped((name, content, 0) for name, content in members.items())


_SHARED_KIND = (
    b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    b'spreadsheetml.sharedStrings+xml"/>'
)


_SHARED_RELATION = (
    b'<Relationship Id="rIdS" Target="sharedStrings.xml" Type="http://schemas.openxmlformats.org/'
    b'officeDocument/2006/relationships/sharedStrings"/>'
)


def _share_strings(sheet: bytes) -> tuple[bytes, bytes]:
    """The table of texts of a sheet, and the sheet that points into it."""
    texts: list[bytes] = []

    def point(found: re.Match[bytes]) -> bytes:
        texts.append(found[1])
        return b't="s"><v>%d</v>' % (len(texts) - 1)

    pointing = re.sub(rb't="inlineStr"><is><t>([^<]*)</t></is>', point, sheet)
    items = b"".join(b"<si><t>%s</t></si>" % text for text in texts)
    space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return b'<?xml version="1.0"?><sst xmlns="%s">%s</sst>' % (space, items), pointing
