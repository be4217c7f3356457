"""`drai verify`: compares an output of `sample` with its manifest, and makes images again. Changes nothing.

Both tables are read as streams, side by side: memory grows with the number of findings, not with the output.
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
from drai_cli.inference.masks import split_masks
from drai_cli.inference.sampler import Sampler, open_sampler
from drai_cli.io.csv_rows import plain_cell
from drai_cli.io.files import file_sha256, open_regular
from drai_cli.progress import SILENT, Reporter, Task
from drai_cli.sampling.audit import (
    compare_file,
    compare_marks,
    group_rows,
    hash_files,
    join_by_name,
    list_files,
    names_of,
    resolve_inside,
)
from drai_cli.sampling.draw import draw_images, encode_style
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.layout import NPZ
from drai_cli.sampling.manifest import COLUMNS, MANIFEST, METADATA, Manifest, attribute_columns
from drai_cli.sampling.move import Move
from drai_cli.sampling.plan import Item
from drai_cli.sampling.rendering import SampleEncoder
from drai_cli.settings.image_options import SAMPLE_SUFFIXES, Compression, VerifyOptions
from drai_cli.settings.typed import check_ranges, check_types


@dataclass(frozen=True)
class _Head:
    """What a manifest's head has to hold."""

    weights_sha256: str
    version: str
    metadata_sha256: str


@dataclass(frozen=True)
class _Files:
    """Its options that files are encoded by, besides those that decide pixels."""

    format: str
    compression: Compression | None = None
    masks: tuple[str, ...] = ()


Report = Callable[[str, str], None]
"""Takes a file's name and what is wrong with it."""

_MAX_PIECE = 1 << 18  # characters; the CSV reader takes fields of half as many


@dataclass(frozen=True)
class VerifyResult:
    """What `verify` found.

    Attributes:
        out: The folder.
        images: Images listed.
        files: Files listed, sidecars included.
        regenerated: Images made again.
        findings: File and reason of each problem; empty if there is none.
        weights_sha256: Of the model file, from the manifest.
        version: Of the drai that made the output, from the manifest.
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
    """Compares every file with the manifest and with its own marks, and makes some images again.

    Findings do not stop it: each is a warning, and all are returned.

    Raises:
        InputError: The folder holds no finished output of `sample`, or its tables are damaged.
        WeightsError: `regenerate` with other weights than those that made the output.
        UsageError: `regenerate` without the image that gave the style.
    """
    manifest = check_verify(options)
    findings: list[tuple[str, str]] = []

    def report(name: str, reason: str) -> None:
        findings.append((name, reason))
        reporter.warn(f"{name}: {reason}")

    head = manifest.head
    try:
        check_types(_Head, {name: head[name] for name in ("weights_sha256", "version", "metadata_sha256")})
        PixelOptions.from_json(head["options"])
        encoding = {
            name: head["options"][name]
            for name in ("format", "compression", "masks")
            if name in head["options"]
        }
        check_types(_Files, encoding)
        suffixes, masks = SAMPLE_SUFFIXES[encoding["format"]], tuple(encoding.get("masks", ()))
        count = sum(1 for _ in manifest.files())
        tables = manifest.tables()
        weights_sha256, version = head["weights_sha256"], head["version"]
    except (KeyError, TypeError, AttributeError, OverwriteError) as error:
        raise InputError(manifest.path, "it is damaged", "make the output again") from error
    if not (options.out / METADATA).is_file():
        report(METADATA, "is missing")
    elif file_sha256(options.out / METADATA) != head["metadata_sha256"]:
        report(METADATA, "was changed")
    for name, digest in tables.items():
        if reason := compare_file(resolve_inside(options.out, name), digest):
            report(name, reason)
    with reporter.task("verifying", count, "files") as task:
        images, files = _compare(options.out, manifest, suffixes, masks, report, task)
    regenerated = 0
    if options.regenerate and images:
        regenerated = _regenerate(options, head, images, suffixes, masks, report, reporter)
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
            raise InputError(
                out,
                f"{expected}, got a file",
                "name the folder that it is in; drai inspect shows the marks of one file",
            )
        raise InputError(out, f"no such folder: {expected}", "check the path: it is the --out of drai sample")
    try:
        manifest = Manifest.open(out / MANIFEST)
    except OverwriteError as error:
        raise InputError(error.subject, error.message, "make the output again") from error
    if manifest is None:
        raise InputError(out, *_unfinished(out))
    return manifest


def _unfinished(out: Path) -> tuple[str, str]:
    """Why a folder has no manifest, and a hint."""
    parts = sorted(path.name for path in out.glob("manifest-*-of-*.json"))
    numbers = (re.search(r"-of-(\d{1,9})\.json$", name, re.ASCII) for name in parts)
    counts = {int(number[1]) for number in numbers if number}
    if counts == {len(parts)}:
        hint = f"the same drai sample command with --shard 1/{len(parts)} merges them, and makes no image"
        return f"all {len(parts)} parts are here, but not merged yet", hint
    if parts or any(out.glob(".drai-sample*")):
        return "the job is not finished", "the same drai sample command resumes it"
    return "expected manifest.json, got none", "name a folder that drai sample wrote"


def _compare(
    out: Path,
    manifest: Manifest,
    suffixes: tuple[str, ...],
    masks: tuple[str, ...],
    report: Report,
    task: Task,
) -> tuple[int, int]:
    """Compares the manifest, metadata.csv and the files; returns numbers of images and files in metadata.csv."""
    images = files = existing = 0

    def compare_files() -> Iterator[tuple[str, str]]:
        """Names of the files that should exist, and how each differs; empty if it does not."""
        nonlocal existing
        for name, digest in manifest.files():
            path = resolve_inside(out, name)
            existing += path is not None and path.is_file()
            reason = compare_file(path, digest)
            if reason:
                report(name, reason)
            if digest is not None:
                yield name, reason
            task.advance()

    for name, reason, rows in join_by_name(compare_files(), group_rows(_read_rows(out), suffixes, masks)):
        if rows is None and name == NPZ:
            rows = []  # all of its images were left out
        if rows is None:
            report(name, "is not in metadata.csv")
            continue
        images, files = images + len(rows), files + 1
        if reason is None:
            report(name, "is not in manifest.json")
        elif not reason:
            for image, mark in compare_marks(out, name, rows, suffixes, manifest.head["weights_sha256"]):
                report(image, mark)
    if existing != sum(1 for _ in list_files(out, manifest.tables())):
        names = {name for name, _ in manifest.files()}
        for name in list_files(out, manifest.tables()):
            if name not in names:
                report(name, "is in no table")
    return images, files


def _read_rows(out: Path) -> Iterator[dict[str, str]]:
    """The rows of metadata.csv, a stream; none if there is no such file."""
    path = out / METADATA
    if not path.is_file():
        return
    try:
        with io.TextIOWrapper(open_regular(path, max_bytes=None), "utf-8", newline="") as file:
            # Pieces of bounded length: a damaged file may be one endless line, which the reader then refuses.
            for row in csv.DictReader(iter(partial(file.readline, _MAX_PIECE), ""), strict=True):
                if any(row.get(name) is None for name in COLUMNS):
                    raise InputError(
                        path, f"expected the columns {', '.join(COLUMNS)}", "make the output again"
                    )
                yield {
                    plain_cell(name): plain_cell(cell) if isinstance(cell, str) else cell
                    for name, cell in row.items()
                    if isinstance(name, str)
                }
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "it is damaged", "make the output again") from error


def _regenerate(
    options: VerifyOptions,
    head: Any,
    images: int,
    suffixes: tuple[str, ...],
    mask_names: tuple[str, ...],
    report: Report,
    reporter: Reporter,
) -> int:
    """Makes images, spread evenly over the output, again and compares their files; returns how many."""
    pixels = PixelOptions.from_json(head["options"])
    sampler = open_sampler(options.weights, options.device, pixels.precision, pixels.runtime, reporter)
    if sampler.sha256 != head["weights_sha256"]:
        raise WeightsError(
            "weights",
            f"expected those with sha256 {head['weights_sha256'][:16]}…, got {sampler.sha256[:16]}…",
            "give --weights the model that made the output",
        )
    if head["version"] != __version__:
        reporter.warn(f"made by drai {head['version']}, this is {__version__}: bytes may differ")
    style = _encode_style(options, pixels, sampler, reporter)
    move = Move.parse(pixels.move_content, pixels.move_style, sampler.header)
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
            # The whole micro-batch, as `sample` computed it.
            items = [_parse_item(row, sampler) for row in batch]
            drawn, _, _ = draw_images(
                sampler, items, pixels.seed, pixels.truncation, style, move, with_masks=bool(mask_names)
            )
            drawn, masks = split_masks(drawn, sampler.header)
            made: dict[str, str] = {}
            for row in wanted:
                files = encoder.encode(items[row], drawn[row], masks[row])
                names = names_of(batch[row]["file_name"], suffixes, mask_names)
                made |= {
                    name: hashlib.sha256(data).hexdigest() for name, data in zip(names, files, strict=True)
                }
                task.advance()
            for name, digest in hash_files(options.out, made):
                if digest != made[name]:
                    report(name, "is not what the weights make")
    return len(chosen)


def _encode_style(
    options: VerifyOptions, pixels: PixelOptions, sampler: Sampler, reporter: Reporter
) -> np.ndarray | None:
    if not pixels.style_from_sha256:
        return None
    if options.style_from is None:
        raise UsageError(
            "--regenerate", "the output has the style of an image", "name it with --style-from IMG"
        )
    if file_sha256(options.style_from) != pixels.style_from_sha256:
        raise UsageError(
            f"--style-from {options.style_from}", "is not the image that gave the output its style"
        )
    return encode_style(sampler, options.style_from, pixels, reporter)


def _parse_item(row: dict[str, str], sampler: Sampler) -> Item:
    """The item of a plan that a row of metadata.csv describes."""
    schema = sampler.header.schema
    values = {name: row.get(column, "") for name, column in attribute_columns(schema).items()}
    condition = {schema.label.name: row["label"], **{name: value for name, value in values.items() if value}}
    try:
        return Item(schema.label.resolve(row["label"]), condition, int(row["index"]))
    except (ValueError, UsageError) as error:
        label, index = row["label"], row["index"]
        raise InputError(
            METADATA, f"expected the model's labels, got {label!r} with index {index}"
        ) from error
