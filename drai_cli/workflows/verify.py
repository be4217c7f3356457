"""`drai verify`: is an output of `sample` what its manifest says, and do the weights make it again? Changes nothing.

Both tables are read as streams, which go side by side: memory grows with what is wrong, not with the output.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import InputError, OverwriteError, UsageError, WeightsError
from drai_cli.inference.sampler import Sampler, open_sampler
from drai_cli.io.files import file_sha256, open_regular
from drai_cli.progress import SILENT, Reporter, Task
from drai_cli.sampling.audit import (
    differs,
    digests_on_disk,
    files_in,
    files_told,
    inside,
    joined,
    mismarks,
    names_of,
)
from drai_cli.sampling.draw import draw_images, style_of
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.manifest import MANIFEST, METADATA, Manifest
from drai_cli.sampling.plan import Item
from drai_cli.sampling.rendering import SampleEncoder
from drai_cli.settings.image_options import SAMPLE_SUFFIXES, Compression, VerifyOptions
from drai_cli.settings.typed import check_ranges, check_types


@dataclass(frozen=True)
class _Head:
    """What has to stand in a manifest's head."""

    weights_sha256: str
    version: str
    metadata_sha256: str


@dataclass(frozen=True)
class _Files:
    """The options in it that files are made again by, beside those that decide pixels."""

    format: str
    compression: Compression | None = None


Found = Callable[[str, str], None]
"""Told of a file and what is wrong with it."""

_MAX_PIECE = 1 << 18  # letters; the reader takes fields of half as many


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


def check_verify(options: VerifyOptions, reporter: Reporter = SILENT) -> Manifest:
    """Checks the options and opens the manifest of the output; raises UsageError and InputError as `verify`."""
    check_ranges(options)
    return _open_manifest(options.out)


def verify(options: VerifyOptions, reporter: Reporter = SILENT) -> VerifyResult:
    """Compares every file with the manifest and with its own marks, and makes some again.

    Findings do not stop it: they are collected, told as warnings and returned.

    Raises:
        InputError: There is no finished output of `sample`, or its tables are damaged.
        WeightsError: `regenerate` with other weights than those that made it.
        UsageError: `regenerate` without the image that gave the style.
    """
    manifest = check_verify(options)
    findings: list[tuple[str, str]] = []

    def found(name: str, reason: str) -> None:
        findings.append((name, reason))
        reporter.warn(f"{name}: {reason}")

    head = manifest.head
    try:
        check_types(_Head, {name: head[name] for name in ("weights_sha256", "version", "metadata_sha256")})
        PixelOptions.from_json(head["options"])
        written = {
            name: head["options"][name] for name in ("format", "compression") if name in head["options"]
        }
        check_types(_Files, written)
        suffixes = SAMPLE_SUFFIXES[written["format"]]
        count = sum(1 for _ in manifest.files())
        weights_sha256, version = head["weights_sha256"], head["version"]
    except (KeyError, TypeError, AttributeError, OverwriteError) as error:
        raise InputError(manifest.path, "it is damaged", "make the output again") from error
    if not (options.out / METADATA).is_file():
        found(METADATA, "is gone")
    elif file_sha256(options.out / METADATA) != head["metadata_sha256"]:
        found(METADATA, "was changed")
    with reporter.task("verifying", count, "files") as task:
        images, files = _compare(options.out, manifest, suffixes, found, task)
    regenerated = 0
    if options.regenerate and images:
        regenerated = _regenerate(options, head, images, suffixes, found, reporter)
    return VerifyResult(
        out=options.out,
        images=images,
        files=files,
        regenerated=regenerated,
        findings=tuple(findings),
        weights_sha256=weights_sha256,
        version=version,
    )


def _open_manifest(out: Path) -> Manifest:
    if not out.is_dir():
        expected = "expected a folder that drai sample wrote"
        if out.exists():
            raise InputError(out, f"{expected}, got a file", "name the folder that it stands in")
        raise InputError(out, f"no such folder: {expected}", "look at the path: it is sample's --out")
    try:
        manifest = Manifest.open(out / MANIFEST)
    except OverwriteError as error:
        raise InputError(error.subject, error.message, "make the output again") from error
    if manifest is None:
        raise InputError(out, *_unfinished(out))
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


def _compare(
    out: Path, manifest: Manifest, suffixes: tuple[str, ...], found: Found, task: Task
) -> tuple[int, int]:
    """Holds the manifest, metadata.csv and the files against one another; returns images and files by metadata.csv."""
    images = files = there = 0

    def listed() -> Iterator[tuple[str, str]]:
        """What should be there, with how it differs, or nothing."""
        nonlocal there
        for name, digest in manifest.files():
            path = inside(out, name)
            there += path is not None and path.is_file()
            reason = differs(path, digest)
            if reason:
                found(name, reason)
            if digest is not None:
                yield name, reason
            task.advance()

    for name, reason, rows in joined(listed(), files_told(_read_rows(out), suffixes)):
        if rows is None:
            found(name, "is not in metadata.csv")
            continue
        images, files = images + len(rows), files + 1
        if reason is None:
            found(name, "is not in manifest.json")
        elif not reason:
            for inner, mark in mismarks(out, name, rows, suffixes, manifest.head["weights_sha256"]):
                found(inner, mark)
    if there != sum(1 for _ in files_in(out)):
        names = {name for name, _ in manifest.files()}
        for name in files_in(out):
            if name not in names:
                found(name, "is in no table")
    return images, files


def _read_rows(out: Path) -> Iterator[dict[str, str]]:
    """The rows of metadata.csv, of any length; none where it is gone."""
    path = out / METADATA
    if not path.is_file():
        return
    needed = ("file_name", "label", "seed", "index")
    try:
        with io.TextIOWrapper(open_regular(path, max_bytes=None), "utf-8", newline="") as file:
            # Pieces of bounded length: what is no table may be one endless line, at which the reader stops.
            for row in csv.DictReader(iter(partial(file.readline, _MAX_PIECE), ""), strict=True):
                if any(row.get(name) is None for name in needed):
                    raise InputError(
                        path, f"expected the columns {', '.join(needed)}", "make the output again"
                    )
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "it is damaged", "make the output again") from error


def _regenerate(
    options: VerifyOptions,
    head: Any,
    images: int,
    suffixes: tuple[str, ...],
    found: Found,
    reporter: Reporter,
) -> int:
    """Makes images spread evenly over the output again and compares their files; returns how many."""
    pixels = PixelOptions.from_json(head["options"])
    sampler = open_sampler(options.weights, options.device, pixels.precision, pixels.runtime, reporter)
    if sampler.sha256 != head["weights_sha256"]:
        raise WeightsError(
            "weights",
            f"expected those with sha256 {head['weights_sha256'][:16]}…, got {sampler.sha256[:16]}…",
            "name with --weights the model that made the output",
        )
    if head["version"] != __version__:
        reporter.warn(f"made by drai {head['version']}, this is {__version__}: bytes may differ")
    style = _style(options, pixels, sampler, reporter)
    encoder = SampleEncoder(sampler.header, sampler.sha256, head["options"])
    count = min(options.regenerate, images)
    chosen = {number * images // count for number in range(count)}
    size = sampler.micro_batch
    rows = _read_rows(options.out)
    with reporter.task("regenerating", len(chosen), "images") as task:
        for start in range(0, images, size):
            batch = list(islice(rows, size))
            wanted = [row for row in range(len(batch)) if start + row in chosen]
            if not wanted:
                continue
            # The whole micro-batch, as `sample` made it.
            items = [_item(row, sampler) for row in batch]
            drawn = draw_images(sampler, items, pixels.seed, pixels.truncation, style)
            made: dict[str, str] = {}
            for row in wanted:
                files = encoder.encode(items[row], *(array[row] for array in drawn))
                names = names_of(batch[row]["file_name"], suffixes)
                made |= {
                    name: hashlib.sha256(data).hexdigest() for name, data in zip(names, files, strict=True)
                }
                task.advance()
            for name, digest in digests_on_disk(options.out, made):
                if digest != made[name]:
                    found(name, "is not what the weights make")
    return len(chosen)


def _style(
    options: VerifyOptions, pixels: PixelOptions, sampler: Sampler, reporter: Reporter
) -> np.ndarray | None:
    if not pixels.style_from_sha256:
        return None
    if options.style_from is None:
        raise UsageError("--regenerate", "the output's style is an image's", "name it with --style-from IMG")
    if file_sha256(options.style_from) != pixels.style_from_sha256:
        raise UsageError(
            f"--style-from {options.style_from}", "it is another image than that which gave the style"
        )
    return style_of(sampler, options.style_from, pixels.style_from_frame, pixels.style_from_window, reporter)


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
        label, index = row["label"], row["index"]
        raise InputError(
            METADATA, f"expected the model's labels, got {label!r} with index {index}"
        ) from error
