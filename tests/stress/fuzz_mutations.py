"""What goes wrong with files, by their kind: bytes, JSON, tables, TOML, safetensors, ONNX, and things that are no file.

Every mutation takes what it makes from one `random.Random`, so that a case is the same whenever it is made.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.stress.fuzz_bytes import mutated as mutated_bytes

SECRET = "outside-secret"
"""Begins the name of what no file may make drai open."""
_TEXTS = (
    "", " ", "\0", "../../outside-secret", "/etc/passwd", "\x1b[2J\x1b[31mred", "a\nb", "𝒜" * 50, "x" * 5000, "é", "😀",
    "NaN", "-1", "1e999", "9" * 400, "__import__('os').system('touch outside-secret-ran')", "${HOME}", "%s%s%n", "=1+1",
    "a/b", "..", ".", "CON", "nan", "mel", "Mel", "\u202etxt", "\ud800",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 16, 17, 4096, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e308, float("nan"),
    float("inf"), [], {}, [[]], {"": None}, [None] * 3, [0] * 1000, *_TEXTS,
)  # fmt: skip
_LARGE_BYTES = 3 << 30


def mutate(path: Path, chance: random.Random) -> None:
    """Spoils a file in a way that suits its kind, or puts something else in its place."""
    if chance.random() < 0.04:
        replace_by_odd(path, chance)
        return
    raw = path.read_bytes()
    own = BY_SUFFIX.get(path.suffix, mutated_bytes)
    path.write_bytes(own(raw, chance) if chance.random() < 0.75 else mutated_bytes(raw, chance))


def replace_by_odd(path: Path, chance: random.Random) -> None:
    """Puts a pipe, a device, a folder, a link or a huge hollow file where a file was, or nothing at all."""
    path.unlink(missing_ok=True)
    kind = chance.randrange(8)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to("/dev/zero")
    elif kind == 2:
        path.symlink_to(path.name)
    elif kind == 3:
        path.symlink_to("gone")
    elif kind == 4:
        path.mkdir()
    elif kind == 5:
        path.write_bytes(b"")
    elif kind == 6:
        with open(path, "wb") as file:
            file.truncate(_LARGE_BYTES)


def text(chance: random.Random) -> str:
    """A text that programs trip over."""
    return chance.choice(_TEXTS)


def _sound_text(chance: random.Random) -> str:
    """The same where it has to be UTF-8."""
    return text(chance).encode("utf-8", "replace").decode()


def json_value(value: Any, chance: random.Random) -> Any:
    """The value with one place in it, at any depth, changed, removed, doubled or renamed."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(sorted(value))
        changed = dict(value)
        kind = chance.random()
        if kind < 0.1:
            del changed[name]
        elif kind < 0.15:
            changed[text(chance)] = changed.pop(name)
        else:
            changed[name] = json_value(value[name], chance)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.7:
        changed_list = list(value)
        place = chance.randrange(len(value))
        kind = chance.random()
        if kind < 0.1:
            del changed_list[place]
        elif kind < 0.2:
            changed_list.insert(place, value[place])
        else:
            changed_list[place] = json_value(value[place], chance)
        return changed_list
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and abs(value) < 1e300 and chance.random() < 0.5:
        return value * chance.choice((-1, 0, 2, 1000, 10**9, 0.5))
    return chance.choice(_VALUES)


def _json(raw: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.05:
        return b"[" * 100_000
    value = json.loads(raw)
    for _ in range(chance.choice((1, 1, 2, 4))):
        value = json_value(value, chance)
    # Laid out as it was: a manifest is read line by line.
    return json.dumps(value, indent=1 if b"\n " in raw else None).encode()


def _json_lines(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.splitlines()
    place = chance.randrange(len(lines))
    lines[place] = _json(lines[place], chance)
    return b"\n".join(lines) + b"\n"


def _table(raw: bytes, chance: random.Random) -> bytes:
    rows = list(csv.reader(io.StringIO(raw.decode())))
    for _ in range(chance.choice((1, 1, 2, 8))):
        row = rows[0 if chance.random() < 0.2 else chance.randrange(len(rows))]
        kind = chance.randrange(6)
        if kind == 0 and row:
            row.pop()
        elif kind == 1:
            row.append(text(chance))
        elif kind == 2:
            rows.append(list(row))
        elif kind == 3:
            rows.sort(key=lambda _: chance.random())
        elif row:
            row[chance.randrange(len(row))] = text(chance)
    out = io.StringIO()
    csv.writer(
        out, delimiter=chance.choice(",,,;\t"), lineterminator=chance.choice(("\n", "\r\n"))
    ).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def _toml(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.decode().splitlines()
    for _ in range(chance.choice((1, 1, 3))):
        place = chance.randrange(len(lines))
        name = re.split(r"[\s=]", lines[place])[0]
        kind = chance.randrange(6)
        if kind == 0:
            lines.insert(place, lines[place])
        elif kind == 1:
            lines[place] = f"[{text(chance)}]"
        elif kind == 2:
            lines[place] = f"{text(chance)} = 1"
        elif kind == 3:
            lines[place] = f"{name} = {'[' * chance.choice((1, 3000))}"
        else:
            value = json.dumps(chance.choice([value for value in _VALUES if value is not None]))
            lines[place] = (
                f"{name} = {value.replace('NaN', 'nan').replace('Infinity', 'inf').replace(': null', ' = 1')}"
            )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _safetensors(raw: bytes, chance: random.Random) -> bytes:
    """What the header says, of the tensors or of the model, else what is in the body."""
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    kind = chance.random()
    if kind < 0.6:
        entry = json.loads(header["__metadata__"]["drai"])
        for _ in range(chance.choice((1, 1, 2, 4))):
            entry = json_value(entry, chance)
        header["__metadata__"]["drai"] = json.dumps(entry)
    elif kind < 0.85:
        header = json_value(header, chance)
    else:
        body = bytearray(body)
        place = chance.randrange(0, len(body) - 4, 4)
        special = chance.choice((float("nan"), float("inf"), -float("inf"), 3e38, 1e-40))
        body[place : place + 4] = struct.pack("<f", special)
    packed = json.dumps(header).encode("utf-8", "replace")
    if chance.random() < 0.1:
        length = chance.choice((0, 2**63, 2**64 - 1, len(packed) + 1, 16 << 20))
    else:
        length = len(packed)
    return struct.pack("<Q", length) + packed + bytes(body)


def _onnx(raw: bytes, chance: random.Random) -> bytes:
    """Graphs that parse and are not what they were: other operators, shapes, data elsewhere, other headers."""
    import onnx

    model = onnx.load_from_string(raw)
    graph = model.graph
    kind = chance.randrange(7)
    if kind == 0:
        chance.choice(graph.node).op_type = chance.choice(
            ("NoSuchOp", "If", "Loop", "Tile", "Expand", _sound_text(chance))
        )
    elif kind == 1:
        chance.choice(graph.node).domain = chance.choice(
            ("com.microsoft", "evil.example", _sound_text(chance))
        )
    elif kind == 2:
        tensor = chance.choice(graph.initializer)
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice((0, -1, 1 << 20, 1 << 40, 1 << 62))
    elif kind == 3:
        tensor = chance.choice([one for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT])
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (
            (
                "location",
                chance.choice(
                    (SECRET, f"../{SECRET}", "/etc/passwd", "/dev/zero", "gone", _sound_text(chance))
                ),
            ),
            ("offset", str(chance.choice((0, 1, -1, 1 << 62)))),
            ("length", str(chance.choice((size, 0, 1 << 40)))),
        ):
            tensor.external_data.add(key=key, value=value)
    elif kind == 4:
        value = chance.choice((*graph.input, *graph.output))
        dims = value.type.tensor_type.shape.dim
        if dims:
            chance.choice(dims).dim_value = chance.choice((0, -1, 3, 1 << 40))
    elif kind == 5:
        value = chance.choice((*graph.input, *graph.output))
        value.name = _sound_text(chance)
    else:
        entry = json.loads(model.metadata_props[0].value)
        model.metadata_props[0].value = json.dumps(json_value(entry, chance))
    return bytes(model.SerializeToString())


BY_SUFFIX: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _json, ".jsonl": _json_lines, ".csv": _table, ".toml": _toml, ".safetensors": _safetensors,
    ".onnx": _onnx,
}  # fmt: skip
