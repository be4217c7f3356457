"""What `fuzz_guided.py` gives bytes to, and `test_corpus.py` what it found: readers, and what they promise.

A target returns for whatever bytes; anything but a `DraiError` that escapes, or a promise broken, is a find.
"""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from drai_cli.data.split import read_split
from drai_cli.errors import DraiError
from drai_cli.model_file.checkpoint import read_header
from drai_cli.model_file.header import HEADER_KEY, ModelHeader
from drai_cli.tables import table

CORPUS = Path(__file__).with_name("corpus")
Read = TypeVar("Read")


def model_file(raw: bytes, place: Path) -> None:
    """The head of a model file; one that is read says the same when it is written and read again."""
    path = place / "m.safetensors"
    path.write_bytes(raw)
    header = read_or_refuse(read_header, path)
    if header is None:
        return
    text = json.dumps(header.to_json(), allow_nan=False)
    assert ModelHeader.from_json(json.loads(text)) == header


def model_header(raw: bytes, place: Path) -> None:
    """The same where the file is sound and only what drai wrote into it is not."""
    metadata = {"__metadata__": {HEADER_KEY: raw.decode("utf-8", "replace")}}
    head = json.dumps(metadata).encode()
    model_file(struct.pack("<Q", len(head)) + head, place)


def metadata_table(raw: bytes, place: Path) -> None:
    """A table beside images; every row has every column, and what is read is read again when written."""
    path = place / "t.csv"
    path.write_bytes(raw)
    table.read_header(path)
    found = read_or_refuse(table.read_table, path)
    if found is None:
        return
    assert found.rows
    assert all(tuple(row) == found.columns for row in found.rows)
    text = io.StringIO()
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows.writerow(found.columns)
    rows.writerows(row.values() for row in found.rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert _plain(table.read_table(path)) == _plain(found)


def split_table(raw: bytes, place: Path) -> None:
    """A run's split.csv."""
    path = place / "split.csv"
    path.write_bytes(raw)
    parts = read_or_refuse(read_split, path)
    if parts is None:
        return
    assert set(parts.values()) <= {"train", "validation", "test"}


def read_or_refuse(read: Callable[[Path], Read], path: Path) -> Read | None:
    """What is read; None where an error in words refuses it."""
    try:
        return read(path)
    except DraiError as error:
        check_words(error)
        return None


def check_words(error: DraiError) -> None:
    """Whether an error can be shown on a line."""
    said = f"{error.subject} {error.message} {error.hint}"
    assert len(said) < 4000
    assert "\x1b" not in said
    assert "\n" not in said


def _plain(found: table.Table) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    return found.columns, [tuple(row.values()) for row in found.rows]


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "model_file": model_file,
    "model_header": model_header,
    "metadata_table": metadata_table,
    "split_table": split_table,
}
