"""Formats values as text: tables, durations, rates, JSON. Writes nothing."""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO

from drai_cli.errors import printable

_CONTROL = ("Cc", "Cf", "Zl", "Zp")


def show_rate(speed: float, unit: str) -> str:
    """Units per second in three figures; below one, seconds per unit, the unit's plural s dropped."""
    if speed >= 1:
        return f"{speed:.3g} {unit}/s" if speed < 1000 else f"{speed:.0f} {unit}/s"
    return f"{1 / speed:.3g} s/{unit.removesuffix('s')}"


def show_table(rows: Sequence[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Formats rows as aligned columns, numbers to the right, without a frame, so that `cut` and `sort` can be used."""
    shown = [[printable(str(cell)) for cell in row] for row in rows]
    if header:
        shown.insert(0, [printable(name) for name in header])
    if not shown:
        return ""
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    numeric = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        for column in range(len(widths))
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in shown
    )


def show_fields(
    settings: Any, skip: Sequence[str] = (), names: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """The fields of a dataclass as rows, by name in words (or by another name); unset values are `-`."""
    rows = []
    for name, value in to_plain(settings).items():
        if name in skip:
            continue
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        rows.append(
            ((names or {}).get(name, name.replace("_", " ")), "-" if value in (None, "", {}) else str(value))
        )
    return rows


def to_plain(value: Any) -> Any:
    """Converts a result for JSON: dataclasses to objects, paths to strings, non-finite numbers to null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, PurePath):
        return encodable(str(value), None)
    if isinstance(value, str):
        return encodable(value, None)
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def printable_json(text: str) -> str:
    """Escapes the control characters that JSON leaves in strings (text direction, DEL)."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        f"\\u{ord(c):04x}" if c != "\n" and unicodedata.category(c) in _CONTROL and ord(c) < 0x10000 else c
        for c in text
    )


def encodable(text: str, stream: TextIO | None) -> str:
    """Escapes the characters that the stream's encoding (UTF-8 without a stream) lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
