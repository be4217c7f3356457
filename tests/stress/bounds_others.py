"""Model files, ONNX graphs, tables and archives of less than 1 MiB that claim or become much, for `fuzz_bounds.py`."""

from __future__ import annotations

import bz2
import functools
import io
import json
import random
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from tests.stress.bounds_packing import Command, Make, amount, gzipped, log_uniform, zipped
from tests.stress.bounds_tables import table


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

    from tests.stress.fuzz_places import Place

    with tempfile.TemporaryDirectory() as name:
        return Place(Path(name), lambda command: None).model.read_bytes()


@functools.cache
def _sound_onnx() -> bytes:
    import tempfile

    from tests.stress.fuzz_kinds import _make_onnx
    from tests.stress.fuzz_places import Place

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
