"""`drai verify`: is an output of `sample` what its manifest says, and do the weights make it again? Changes nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import InputError, OverwriteError, UsageError, WeightsError
from drai_cli.io.files import file_sha256, open_regular, shown
from drai_cli.progress import SILENT, Reporter
from drai_cli.typed import check_types
from drai_cli.workflows.manifest import MANIFEST, METADATA, Manifest
from drai_cli.workflows.options import SAMPLE_SUFFIXES, Compression, Precision, Runtime, VerifyOptions
from drai_cli.workflows.sample import draw_images, style_of
from drai_cli.workflows.sample_files import SampleEncoder
from drai_cli.workflows.sample_plan import Item
from drai_cli.workflows.sampler import Sampler, open_sampler
from drai_cli.workflows.verify_files import (
    differs,
    digests_on_disk,
    files_of,
    mismarks,
    names_of,
    unlisted,
)


@dataclass(frozen=True)
class _Head:
    """What has to stand in a manifest's head."""

    weights_sha256: str
    version: str
    metadata_sha256: str


@dataclass(frozen=True)
class _Job:
    """The options in it that images are made again by."""

    seed: int
    truncation: float
    format: str
    compression: Compression | None = None
    precision: Precision = "fp32"
    runtime: Runtime = "torch"
    style_from_sha256: str | None = None
    style_from_frame: int | None = None
    style_from_window: str | None = None


_MAX_PIECE = 1 << 18  # letters; the reader takes fields of half as many
_JOB = {field.name for field in fields(_Job)}


@dataclass(frozen=True)
class VerifyResult:
    """What was found.

    Attributes:
        out: The folder.
        images: Images listed.
        files: Files listed, sidecars included.
        regenerated: Images made again.
        findings: What is wrong, a file and a reason each; empty where all is well.
        weights_sha256: Of the model file, as the manifest has it.
        version: Of the drai that made it, as the manifest has it.
    """

    out: Path
    images: int
    files: int
    regenerated: int
    findings: tuple[tuple[str, str], ...]
    weights_sha256: str
    version: str

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out), "is_sound": not self.findings}


def verify(options: VerifyOptions, reporter: Reporter = SILENT) -> VerifyResult:
    """Compares every file with the manifest and with its own marks, and makes some again.

    Findings do not stop it: they are collected, told as warnings and returned.

    Raises:
        InputError: There is no finished output of `sample`, or its tables are damaged.
        WeightsError: `regenerate` with other weights than those that made it.
        UsageError: `regenerate` without the image that gave the style.
    """
    manifest = _open_manifest(options.out)
    if options.regenerate < 0:
        raise UsageError(f"--regenerate {options.regenerate}", "expected at least 0", "--regenerate 8")
    findings: list[tuple[str, str]] = []

    def found(name: str, reason: str) -> None:
        findings.append((name, reason))
        reporter.warn(f"{shown(name)}: {reason}")

    head = manifest.head
    try:
        check_types(_Head, {name: head[name] for name in ("weights_sha256", "version", "metadata_sha256")})
        job = {name: value for name, value in head["options"].items() if name in _JOB}
        check_types(_Job, job)
        _Job(**job)  # all that it needs is there
        suffixes = SAMPLE_SUFFIXES[job["format"]]
        digests = dict(manifest.files())
        weights_sha256, version = head["weights_sha256"], head["version"]
    except (KeyError, TypeError, AttributeError, OverwriteError) as error:
        raise InputError(shown(manifest.path), "it is damaged", "make the output again") from error
    rows = _read_rows(options.out, head["metadata_sha256"], found)
    listed = {name for row in rows for name in files_of(row["file_name"], suffixes)}
    for name in sorted({name for name, digest in digests.items() if digest is not None} ^ listed):
        found(name, "is not in metadata.csv" if name in digests else "is not in manifest.json")
    for name in unlisted(options.out, digests):
        found(name, "is in no table")
    with reporter.task("verifying", len(digests), "files") as task:
        rows_of: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for row in rows:
            rows_of[files_of(row["file_name"], suffixes)[0]].append(row)
        for name, digest in digests.items():
            reason = differs(options.out, name, digest)
            if reason:
                found(name, reason)
            else:
                for inner, reason in mismarks(
                    options.out, name, rows_of.get(name, ()), suffixes, weights_sha256
                ):
                    found(inner, reason)
            task.advance()
    regenerated = 0
    if options.regenerate and rows:
        regenerated = _regenerate(options, head, rows, suffixes, found, reporter)
    return VerifyResult(
        out=options.out,
        images=len(rows),
        files=len(listed),
        regenerated=regenerated,
        findings=tuple(findings),
        weights_sha256=weights_sha256,
        version=version,
    )


def _open_manifest(out: Path) -> Manifest:
    if not out.is_dir():
        raise InputError(shown(out), "expected a folder that drai sample wrote", "drai verify aug/")
    try:
        manifest = Manifest.open(out / MANIFEST)
    except OverwriteError as error:
        raise InputError(error.subject, error.message, "make the output again") from error
    if manifest is None:
        raise InputError(shown(out), *_unfinished(out))
    return manifest


def _unfinished(out: Path) -> tuple[str, str]:
    """Why a folder has no manifest, and the way out."""
    parts = sorted(path.name for path in out.glob("manifest-*-of-*.json"))
    numbers = (re.search(r"-of-(\d{1,9})\.json$", name, re.ASCII) for name in parts)
    counts = {int(found[1]) for found in numbers if found}
    if counts == {len(parts)}:
        again = f"the same drai sample command with --shard 1/{len(parts)} joins them, and makes no image"
        return f"all {len(parts)} parts are here, but not yet one", again
    if parts or any(out.glob(".drai-sample*")):
        return "the job is not finished", "the same drai sample command goes on"
    return "expected manifest.json, got none", "name a folder that drai sample wrote"


def _read_rows(out: Path, digest: str, found: Any) -> list[dict[str, str]]:
    """The rows of metadata.csv, of any length."""
    path = out / METADATA
    if not path.is_file():
        found(METADATA, "is gone")
        return []
    if file_sha256(path) != digest:
        found(METADATA, "was changed")
    try:
        with io.TextIOWrapper(open_regular(path, max_bytes=None), "utf-8", newline="") as file:
            # Pieces of bounded length: what is no table may be one endless line, at which the reader stops.
            pieces = iter(partial(file.readline, _MAX_PIECE), "")
            rows = list(csv.DictReader(pieces, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(shown(path), "it is damaged", "make the output again") from error
    needed = ("file_name", "label", "seed", "index")
    if any(row.get(name) is None for row in rows for name in needed):
        raise InputError(shown(path), f"expected the columns {', '.join(needed)}", "make the output again")
    return rows


def _regenerate(
    options: VerifyOptions,
    head: Any,
    rows: Sequence[dict[str, str]],
    suffixes: tuple[str, ...],
    found: Any,
    reporter: Reporter,
) -> int:
    """Makes images spread evenly over the output again and compares their files; returns how many."""
    job = head["options"]
    runtime = job.get("runtime", "torch")
    sampler = open_sampler(options.weights, options.device, job.get("precision", "fp32"), runtime, reporter)
    if sampler.sha256 != head["weights_sha256"]:
        raise WeightsError(
            "weights",
            f"expected those with sha256 {head['weights_sha256'][:16]}…, got {sampler.sha256[:16]}…",
            "name with --weights the model that made the output",
        )
    if head["version"] != __version__:
        reporter.warn(f"made by drai {head['version']}, this is {__version__}: bytes may differ")
    style = _style(options, job, sampler, reporter)
    encoder = SampleEncoder(sampler.header, sampler.sha256, job)
    items = [_item(row, sampler) for row in rows]
    count = min(options.regenerate, len(items))
    chosen = sorted({number * len(items) // count for number in range(count)})
    size = sampler.micro_batch
    with reporter.task("regenerating", len(chosen), "images") as task:
        for start in sorted({position // size * size for position in chosen}):
            # The whole micro-batch, as `sample` made it.
            batch = items[start : start + size]
            drawn = draw_images(sampler, batch, int(job["seed"]), float(job["truncation"]), style)
            made: dict[str, str] = {}
            for position in (position for position in chosen if start <= position < start + size):
                row = position - start
                files = encoder.encode(batch[row], *(array[row] for array in drawn))
                names = names_of(rows[position]["file_name"], suffixes)
                made |= {
                    name: hashlib.sha256(data).hexdigest() for name, data in zip(names, files, strict=True)
                }
                task.advance()
            for name, digest in digests_on_disk(options.out, made):
                if digest != made[name]:
                    found(name, "is not what the weights make")
    return len(chosen)


def _style(options: VerifyOptions, job: Any, sampler: Sampler, reporter: Reporter) -> np.ndarray | None:
    wanted = job.get("style_from_sha256")
    if not wanted:
        return None
    if options.style_from is None:
        raise UsageError("--regenerate", "the output's style is an image's", "name it with --style-from IMG")
    if file_sha256(options.style_from) != wanted:
        raise UsageError(
            f"--style-from {options.style_from}", "it is another image than that which gave the style"
        )
    return style_of(
        sampler, options.style_from, job.get("style_from_frame"), job.get("style_from_window"), reporter
    )


def _item(row: dict[str, str], sampler: Sampler) -> Item:
    """The image that a row of metadata.csv stands for."""
    schema = sampler.header.schema
    reserved = {"file_name", "label", "seed", "index"}
    condition = {schema.label.name: row["label"]}
    for name in schema.names[1:]:
        value = row.get(f"condition_{name}" if name in reserved else name, "")
        if value:
            condition[name] = value
    try:
        return Item(schema.label.resolve(row["label"]), condition, int(row["index"]))
    except (ValueError, UsageError) as error:
        label, index = shown(row["label"]), shown(row["index"])
        raise InputError(
            METADATA, f"expected the model's labels, got {label!r} with index {index}"
        ) from error
