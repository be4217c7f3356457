"""Model files, ONNX graphs, tables and archives of less than 1 MiB that claim or become much, for `fuzz_bounds.py`."""

from __future__ import annotations

import bz2
import functools
import io
import json
import random
import re
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from tests.stress.bounds_packing import Command, Make, amount, gzipped, log_uniform, zipped


def model_header(folder: Path, chance: random.Random) -> Command:
    """A header whose numbers claim more than its tensors hold, of a model that is sound otherwise."""
    from drai_cli.model_file.header import HEADER_KEY

    raw = _sound_model()
    (length,) = struct.unpack("<Q", raw[:8])
    head = json.loads(raw[8 : 8 + length])
    entry = json.loads(head["__metadata__"][HEADER_KEY])
    shape = entry["architecture"]
    for name in chance.sample(sorted(shape), chance.choice((1, 1, 2, 4))):
        if isinstance(shape[name], bool):
            shape[name] = not shape[name]
        elif isinstance(shape[name], int):  # mostly one that a setting may have
            wild = chance.choice((log_uniform(chance, 1, 2**31), 0, -1, 2**63))
            shape[name] = log_uniform(chance, 1, 4096) if chance.random() < 0.8 else wild
    if chance.random() < 0.3:
        attribute = chance.choice(entry["schema"])
        attribute["values"] = [f"v{index}" for index in range(log_uniform(chance, 1, 50_000))]
    if chance.random() < 0.2:
        entry["schema"] = [
            {**entry["schema"][0], "name": f"n{index}"} for index in range(log_uniform(chance, 1, 3000))
        ]
    if chance.random() < 0.1:
        entry["training"] = "deep"
    body = raw[8 + length :]
    if chance.random() < 0.3:
        tensors = [name for name in head if name != "__metadata__"]
        for name in chance.sample(tensors, min(len(tensors), chance.choice((1, 3)))):
            head[name]["shape"] = [log_uniform(chance, 1, 2**40) for _ in head[name]["shape"]]
    if chance.random() < 0.2:  # thousands of tensors of nothing
        for index in range(log_uniform(chance, 1, 10_000)):
            head[f"t{index}"] = {"dtype": "F32", "shape": [0, 1 << 20], "data_offsets": [0, 0]}
    depth = chance.choice((50, 5000))
    nested = '{"a": ' * depth + "0" + "}" * depth  # deeper than Python's own encoder goes
    head["__metadata__"][HEADER_KEY] = json.dumps(entry).replace('"deep"', nested)
    packed = json.dumps(head).encode()
    path = folder / "m.safetensors"
    path.write_bytes(struct.pack("<Q", chance.choice((len(packed),) * 9 + (2**62,))) + packed + body)
    if chance.random() < 0.3:
        return ["info", str(path)]
    return ["sample", "--weights", str(path), "-n", "1", "--out", str(folder / "o"), "--device", "cpu"]


@functools.cache
def _sound_model() -> bytes:
    import tempfile

    from tests.stress.fuzz_kinds import Place

    with tempfile.TemporaryDirectory() as name:
        return Place(Path(name), lambda command: None).model.read_bytes()


@functools.cache
def _sound_onnx() -> bytes:
    import tempfile

    from tests.stress.fuzz_kinds import Place, _make_onnx

    with tempfile.TemporaryDirectory() as name:
        _make_onnx(Place(Path(name), lambda command: None), Path(name))
        return (Path(name) / "m.onnx").read_bytes()


def onnx_graph(folder: Path, chance: random.Random) -> Command:
    """Operators that make much of little, at loading or at the first pass, once or in a loop or chain."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(_sound_onnx())
    graph = model.graph
    graph.node[-1].output[0] = "inner"
    count = amount(chance) // 4
    side = max(1, round(count**0.5))

    def constant(name: str, values: object) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        return name

    start = "z_one"
    graph.initializer.append(numpy_helper.from_array(np.ones((1, 1), np.float32), start))
    nodes: list[Any] = []
    if chance.random() < 0.5:  # depends on the input, so that it is not folded
        nodes.append(helper.make_node("ReduceSum", [graph.input[0].name], [start + "_in"], keepdims=0))
        nodes.append(helper.make_node("Add", [start, start + "_in"], [start + "_seen"]))
        start += "_seen"
    kind = chance.choice(
        ("fill", "expand", "tile", "resize", "pad", "range", "onehot", "outer", "external", "random")
    )
    if kind == "fill":
        nodes.append(helper.make_node("ConstantOfShape", [constant("z_shape", [side, side])], ["z_filled"]))
        nodes.append(helper.make_node("Add", ["z_filled", start], ["z0"]))
    elif kind in ("expand", "tile"):
        operator = {"expand": "Expand", "tile": "Tile"}[kind]
        nodes.append(helper.make_node(operator, [start, constant("z_shape", [side, side])], ["z0"]))
    elif kind == "resize":
        scales = np.array([side, side], np.float32)
        nodes.append(
            helper.make_node("Resize", [start, "", constant("z_scale", scales)], ["z0"], mode="nearest")
        )
    elif kind == "pad":
        nodes.append(helper.make_node("Pad", [start, constant("z_pads", [0, 0, side, side])], ["z0"]))
    elif kind == "range":
        ends = [constant(f"z_r{index}", np.int64(value)) for index, value in enumerate((0, count, 1))]
        nodes.append(helper.make_node("Range", ends, ["z_range"]))
        nodes.append(helper.make_node("Cast", ["z_range"], ["z_flat"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Add", ["z_flat", start], ["z0"]))
    elif kind == "onehot":
        indices = constant("z_indices", np.zeros(side, np.int64))
        ends = [constant("z_depth", np.int64(side)), constant("z_values", np.array([0, 1], np.float32))]
        nodes.append(helper.make_node("OneHot", [indices, *ends], ["z0"]))
    elif kind == "random":
        nodes.append(helper.make_node("RandomNormal", [], ["z0"], shape=[side, side]))
    else:
        nodes.append(helper.make_node("ConstantOfShape", [constant("z_shape", [side, 1])], ["z_column"]))
        nodes.append(helper.make_node("Add", ["z_column", start], ["z_tall"]))
        nodes.append(helper.make_node("Transpose", ["z_tall"], ["z_wide"]))
        nodes.append(helper.make_node("MatMul", ["z_tall", "z_wide"], ["z0"]))
    last = "z0"
    if kind == "external":
        tensor = graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        named = chance.choice(("m.onnx", "/dev/zero", "/etc/passwd", "../m.onnx", "gone", ".", "\0"))
        for key, value in (("location", named), ("offset", "0"), ("length", str(4 * count))):
            tensor.external_data.add(key=key, value=value)
    if chance.random() < 0.3 and kind in ("fill", "expand", "tile", "resize", "outer", "onehot", "random"):
        for index in range(chance.choice((3, 50, 1000))):  # a chain
            nodes.append(
                helper.make_node(chance.choice(("Add", "MatMul", "Mul")), [last, "z0"], [f"z_c{index}"])
            )
            last = f"z_c{index}"
    nodes.append(helper.make_node("ReduceSum", [last], ["z_sum"], keepdims=0))
    last = "z_sum"
    if chance.random() < 0.1:  # a loop that does not end soon
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go"], ["go_on"]),
                helper.make_node("Add", ["value", "value"], ["next"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("round", TensorProto.INT64, []),
                helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
            ],
            [
                helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
            ],
        )
        rounds = constant("z_rounds", np.int64(log_uniform(chance, 1, 2**62)))
        nodes.append(
            helper.make_node(
                "Loop", [rounds, constant("z_true", np.bool_(True)), last], ["z_looped"], body=body
            )
        )
        last = "z_looped"
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    graph.node.append(helper.make_node("Add", ["inner", last], [graph.output[1].name]))
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return ["sample", "--runtime", "onnx", "--weights", str(path), "-n", "1", "--out", str(folder / "o")]


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


def archive(folder: Path, chance: random.Random) -> Command:
    """Archives whose members, names or hidden parts become much."""
    image = io.BytesIO()
    PillowImage.new("L", (16, 16)).save(image, "PNG")
    sound = [(f"set/{label}/{index}.png", image.getvalue()) for label in "ab" for index in range(3)]
    size = amount(chance)
    if chance.random() < 0.3:
        path = folder / "set.zip"
        extra = [
            (
                chance.choice((".hidden", "set/a/x.png", "set/a/x.csv", "a" * 60_000)),
                b"",
                min(size, (1 << 32) - 2),
            )
        ]
        many = range(chance.choice((1, 1, 50)))
        extra = [(f"{name[:-4]}{index}{name[-4:]}", raw, more) for name, raw, more in extra for index in many]
        path.write_bytes(zipped([*((name, raw, 0) for name, raw in sound), *extra]))
    else:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, raw in sound:
                info = tarfile.TarInfo(name)
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))
        head = out.getvalue().rstrip(b"\0")
        head += bytes(-len(head) % 512)
        info = tarfile.TarInfo(chance.choice((".hidden", "set/a/x.png", "././@LongLink")))
        odd = chance.choice((b"L", b"K", b"x", b"g", b"S", b"2", b"3"))
        info.type = odd if chance.random() < 0.4 else b"0"
        info.size = size if chance.random() < 0.9 else 1 << 60
        header = info.tobuf(tarfile.GNU_FORMAT)
        end = chance.choice((".tgz", ".tar.gz", ".tar.bz2", ".tar"))
        path = folder / f"set{end}"
        if end == ".tar":
            path.write_bytes(head + header + bytes(min(size, 500_000)))
        elif end == ".tar.bz2":
            path.write_bytes(bz2.compress(head + header) + bz2_zeros(size))
        else:
            path.write_bytes(gzipped(head + header, size))
    return ["inspect", str(path)]


@functools.cache
def _bz2_block() -> bytes:
    return bz2.compress(bytes(45_899_236))


def bz2_zeros(size: int) -> bytes:
    """At least so many zeros as bzip2 streams one after another, each of some dozen bytes."""
    return _bz2_block() * (size // 45_899_236 + 1)


OTHERS: dict[str, Make] = {
    "header": model_header, "onnx": onnx_graph, "table": table, "archive": archive,
}  # fmt: skip
