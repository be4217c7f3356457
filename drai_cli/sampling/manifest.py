"""Writes and reads the two tables of a `sample` output, metadata.csv and manifest.json. Makes no images.

Both are streams with a line per image, so memory does not limit the size of a job.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import OverwriteError
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.files import atomic_writer, open_regular
from drai_cli.output.mask_file import MASK_COLUMN, mask_columns
from drai_cli.sampling.job import Job
from drai_cli.sampling.journal import Reason, digest_of, reason_of
from drai_cli.sampling.plan import Item, Plan

METADATA = "metadata.csv"
MANIFEST = "manifest.json"
COLUMNS = ("file_name", "label", "seed", "index")
"""The columns that every metadata.csv has."""

_CHUNK = 4096
_FILES = b'\n "files": {'  # follows the head
_MAX_HEAD_BYTES = 16 << 20
_PIECE_BYTES = 1 << 16
_MAX_LINE_BYTES = 1 << 16  # a name and a sha256
_LEFT_OUT: dict[Reason, object] = {"copy": None, "wrong": ["wrong"], "trivial": ["trivial"]}


def shard_name(name: str, part: tuple[int, int]) -> str:
    """The name of `metadata.csv` or `manifest.json` of part i of n; the plain name if n is 1."""
    if part[1] == 1:
        return name
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{part[0]}-of-{part[1]}{dot}{suffix}"


def attribute_columns(schema: ConditionSchema) -> dict[str, str]:
    """The column of each attribute but the label in metadata.csv; `condition_<name>` if `<name>` is another column."""
    taken = {name for name in schema.names[1:] if name in COLUMNS or name.endswith(MASK_COLUMN)}
    return {name: f"condition_{name}" if name in taken else name for name in schema.names[1:]}


def finding_columns(schema: ConditionSchema) -> dict[str, str]:
    """The column of 0 and 1 of each finding in metadata.csv; `finding_<name>` if `<name>` is another column."""
    if schema.label.findings is None:
        return {}
    taken = {*COLUMNS, *attribute_columns(schema).values()}
    return {name: f"finding_{name}" if name in taken else name for name in schema.labels}


def write_metadata(
    path: Path, plan: Plan, seed: int, start: int, stop: int, rejected: Collection[str] = ()
) -> str:
    """Writes `file_name,<masks>,label,<findings>,<attributes>,seed,index` for a range of the plan; returns the sha256.

    Images with `rejected` file names were left out, and have no row.
    """
    columns, findings = attribute_columns(plan.schema), plan.findings
    digest = hashlib.sha256()
    with atomic_writer(path) as file:

        def write(rows: Iterable[Sequence[object]]) -> None:
            data = encode_csv(rows)
            digest.update(data)
            file.write(data)

        def describe(item: Item) -> list[object]:
            values = (item.condition.get(name, "") for name in columns)
            states = [] if findings is None else findings.states(item.label).tolist()
            masks = plan.file_names(item)[len(plan.suffixes) :] if plan.mask_names else ()
            return [plan.file_name(item), *masks, item.label, *states, *values, seed, item.index]

        of_findings = finding_columns(plan.schema).values()
        write(
            [
                [
                    "file_name",
                    *mask_columns(plan.mask_names),
                    "label",
                    *of_findings,
                    *columns.values(),
                    "seed",
                    "index",
                ]
            ]
        )
        items = plan.items(start, stop)
        while chunk := list(islice(items, _CHUNK)):
            write(describe(item) for item in chunk if plan.file_name(item) not in rejected)
    return digest.hexdigest()


def write_manifest(
    path: Path,
    job: Job,
    metadata_sha256: str,
    files: Iterable[tuple[str, str]],
    tables: Mapping[str, str] | None = None,
) -> None:
    """Writes the manifest.

    Args:
        path: Where to.
        job: What the head records.
        metadata_sha256: Of metadata.csv.
        files: Names and sha256 in the plan's order, a stream; of images that were left out, `journal.digest_of`.
        tables: Names and sha256 of the layout's own tables.
    """
    content = {**job.to_json(), "metadata_sha256": metadata_sha256, **({"tables": tables} if tables else {})}
    head = json.dumps(content, indent=1, sort_keys=True)
    with atomic_writer(path) as file:
        file.write(head[:-2].encode() + b"," + _FILES)
        separator = b"\n"
        for name, digest in files:
            file.write(separator + f"  {json.dumps(name)}: {json.dumps(_as_json(digest))}".encode())
            separator = b",\n"
        file.write(b"\n }\n}\n")


@dataclass(frozen=True)
class Manifest:
    """A manifest on disk: its head is in memory, its files are read on demand."""

    path: Path
    head: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> Manifest | None:
        """The manifest of that name; None if it does not exist.

        Raises:
            OverwriteError: The file is no manifest of this tool.
        """
        if not path.exists():
            return None
        start = b""
        with open_regular(path, max_bytes=None) as file:
            while _FILES not in start and len(start) < _MAX_HEAD_BYTES and (more := file.read(_PIECE_BYTES)):
                start += more
        head, _, _ = start.partition(_FILES)
        try:
            values = json.loads(head.decode("utf-8", "replace").rstrip().removesuffix(",") + "}")
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise OverwriteError(path, "it is no manifest of drai", "choose another --out")
        return cls(path, values)

    def files(self) -> Iterator[tuple[str, str | None]]:
        """Names and sha256, in order; None for a file that was left out. Raises as `entries`."""
        for name, digest in self.entries():
            yield name, None if reason_of((digest,)) else digest

    def entries(self) -> Iterator[tuple[str, str]]:
        """Names and sha256, in order; for a file that was left out `journal.digest_of` its reason.

        Raises:
            OverwriteError: A line is not what this tool writes.
        """
        with open_regular(self.path, max_bytes=None) as file:
            lines = iter(partial(file.readline, _MAX_LINE_BYTES), b"")
            for raw in lines:
                if raw.startswith(_FILES[1:]):
                    break
            for raw in lines:
                if raw.startswith(b" }"):
                    return
                try:
                    ((name, digest),) = json.loads(b"{" + raw.strip().removesuffix(b",") + b"}").items()
                except (ValueError, RecursionError) as error:
                    raise OverwriteError(self.path, "it is damaged", "choose another --out") from error
                if not isinstance(digest, str) and digest not in _LEFT_OUT.values():
                    raise OverwriteError(self.path, "it is damaged", "choose another --out")
                yield name, digest if isinstance(digest, str) else _digest(digest)
        raise OverwriteError(self.path, "it ends too early", "choose another --out")

    def tables(self) -> dict[str, str]:
        """Names and sha256 of the layout's own tables.

        Raises:
            OverwriteError: They are not what this tool writes.
        """
        tables = self.head.get("tables", {})
        if not isinstance(tables, dict) or not all(isinstance(digest, str) for digest in tables.values()):
            raise OverwriteError(self.path, "it is damaged", "choose another --out")
        return tables

    def rejected(self) -> dict[str, Reason]:
        """Names of the images that were left out, and why."""
        found = ((name, reason_of((digest,))) for name, digest in self.entries())
        return {name: reason for name, reason in found if reason is not None}


def _as_json(digest: str) -> object:
    """What stands beside a file's name: its sha256; null for a copy that was left out, `["wrong"]` for others."""
    reason = reason_of((digest,))
    return digest if reason is None else _LEFT_OUT[reason]


def _digest(value: object) -> str:
    return next(digest_of(reason) for reason, written in _LEFT_OUT.items() if written == value)
