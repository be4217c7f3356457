"""Lists the images of a `sample` job in order: conditions, indices and file names. Makes no image.

A plan is a list of runs, each of consecutive images of one condition, so its size does not depend on their number.
Tar files are read in sequence, so a job that writes them takes the images in another order, which mixes the runs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from drai_cli.data.condition import Attribute, ConditionSchema, is_missing
from drai_cli.data.table import list_columns, read_table
from drai_cli.errors import InputError, UsageError
from drai_cli.inference.noise import draw_label_counts
from drai_cli.io.files import file_sha256
from drai_cli.model_file.header import ModelHeader
from drai_cli.output.names import folder_names
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.layout import Folders, Tars
from drai_cli.settings.image_options import SAMPLE_SUFFIXES, TAR_IMAGES, SampleOptions

Condition = Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """One image of a plan.

    Attributes:
        label: Its label.
        condition: All attributes that are set, with the label, as the data has them.
        index: Its number among its label's images, from 0; with seed and condition it decides the image.
        stem: Its path in the output folder, with `/` and without suffix.
    """

    label: str
    condition: Condition
    index: int
    stem: str = ""


@dataclass(frozen=True)
class Run:
    """Consecutive images of one condition: indices `first` to `first + count - 1`."""

    condition: Condition
    first: int
    count: int


@dataclass(frozen=True)
class Plan:
    """All images of a job, of all shards.

    Attributes:
        schema: The model's conditions.
        runs: In the order in which images are made and listed, unless they go into tar files.
        suffixes: Of each image's files, with their dots; the image comes first.
        tar_images: Images per tar file; None: no tar files.
        source_sha256: Of the CSV of `--like`, else empty.
        attributes: Attributes beside the label that the options set for every image.
    """

    schema: ConditionSchema
    runs: tuple[Run, ...]
    suffixes: tuple[str, ...]
    tar_images: int | None = None
    source_sha256: str = ""
    attributes: Condition = field(default_factory=dict)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images of each label that has at least one."""
        counts = dict.fromkeys(self.schema.labels, 0)
        for run in self.runs:
            counts[run.condition[self.schema.label.name]] += run.count
        return {label: count for label, count in counts.items() if count}

    @cached_property
    def layout(self) -> Folders | Tars:
        """Names the images' files."""
        names = folder_names(self.schema.labels)
        if self.tar_images is None:
            return Folders(names, self.counts, self.suffixes)
        keys = {label: name.replace(".", "%2E") for label, name in names.items()}
        return Tars(keys, self.total, self.tar_images)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(run.count for run in self.runs))

    @cached_property
    def _stride(self) -> int:
        return 1 if self.tar_images is None else mixing_stride(self.total)

    @property
    def total(self) -> int:
        """Images in all."""
        return self._ends[-1] if self._ends else 0

    def part(self, number: int, parts: int) -> tuple[int, int]:
        """First position, and one after the last, of part `number` (from 1) of `parts`."""
        units = -(-self.total // self.layout.unit)
        first, last = (units * end // parts * self.layout.unit for end in (number - 1, number))
        return min(first, self.total), min(last, self.total)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """The images at positions `start` to `stop - 1`."""
        for position in range(start, stop):
            place = position * self._stride % self.total
            number = bisect_right(self._ends, place)
            run = self.runs[number]
            label = run.condition[self.schema.label.name]
            index = run.first + place - (self._ends[number] - run.count)
            yield Item(label, run.condition, index, self.layout.stem(position, label, index))

    def file_name(self, item: Item) -> str:
        """The path of an image in the output folder, with `/`."""
        return self.file_names(item)[0]

    def file_names(self, item: Item) -> tuple[str, ...]:
        """The paths of an image and its sidecars."""
        return tuple(item.stem + suffix for suffix in self.suffixes)


def mixing_stride(total: int) -> int:
    """A step with which multiples modulo `total` visit each of 0 to `total - 1` once, evenly at any time.

    The golden section of `total`, or the next number above it that has no common divisor with `total`.
    """
    stride = total * 618_033_988_749 // 10**12
    while math.gcd(stride, total) > 1:
        stride += 1
    return stride


def plan_samples(options: SampleOptions, header: ModelHeader, reporter: Reporter = SILENT) -> Plan:
    """The plan of a command.

    Raises:
        UsageError: Options that contradict each other, or a label or attribute that the model does not have.
        InputError: A table that cannot be followed.
    """
    schema = header.schema
    settings = parse_attributes(options.attributes, schema)
    label = settings.pop(schema.label.name, None)
    if label and options.label is not None:
        raise UsageError("--label", f"contradicts --set {schema.label.name}=...", "give one of them")
    if options.label is not None:
        label = schema.label.resolve(options.label)
    _check_counts(options, label)
    suffixes, tar_images = SAMPLE_SUFFIXES[options.format], _tar_images(options)
    if options.like is not None:
        rows, digest = _read_runs(options.like, options.count, settings, schema, reporter)
        return Plan(schema, rows, suffixes, tar_images, digest, settings)
    if options.per_class is not None:
        counts = dict.fromkeys(schema.labels, options.per_class)
    elif label:
        counts = {label: options.count or 0}
    else:
        counts = _draw_counts(options.seed, options.count or 0, header, reporter)
    runs = [Run({schema.label.name: name, **settings}, 0, count) for name, count in counts.items() if count]
    return Plan(schema, tuple(runs), suffixes, tar_images, attributes=settings)


def parse_attributes(settings: Sequence[str], schema: ConditionSchema) -> dict[str, str]:
    """Parses `NAME=VALUE` texts to attribute values in the spelling of the data; missing values are left out.

    Raises:
        UsageError: Not of that form, given twice, or not an attribute or value of the model.
    """
    values: dict[str, str] = {}
    seen = set()
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise UsageError(f"--set {setting}", "expected NAME=VALUE", f"one of: {', '.join(schema.names)}")
        attribute = schema.attribute(name.strip())
        if attribute.name in seen:
            raise UsageError(f"--set {setting}", f"{attribute.name} is set twice", "give one value")
        seen.add(attribute.name)
        if not is_missing(value):
            values[attribute.name] = canonical(attribute, value.strip())
    return values


def canonical(attribute: Attribute, value: str) -> str:
    """A value as the data has it: an alias is resolved, a number has its shortest form.

    Raises:
        UsageError: Not a value of the attribute.
    """
    resolved = attribute.resolve(value)
    if attribute.kind == "categorical":
        return resolved
    number = float(resolved)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _tar_images(options: SampleOptions) -> int | None:
    """Images per tar file; None for a format without tar files."""
    if options.format != "webdataset":
        if options.shard_size is not None:
            raise UsageError(
                f"--shard-size {options.shard_size}", f"is for tar files, got {options.format}",
                "--format webdataset; a part of a job is --shard I/N",
            )  # fmt: skip
        return None
    return TAR_IMAGES if options.shard_size is None else options.shard_size


def _check_counts(options: SampleOptions, label: str | None) -> None:
    """Checks that the options say exactly once how many images to make of what."""
    clashes = [
        (options.per_class, options.count, "--per-class", "-n"),
        (options.per_class, label, "--per-class", "a label"),
        (options.per_class, options.like, "--per-class", "--like"),
        (options.like, label, "--like", "a label"),
    ]
    for one, other, one_name, other_name in clashes:
        if one is not None and other is not None:
            raise UsageError(one_name, f"contradicts {other_name}", "give one of them")
    if options.count is None and options.per_class is None and options.like is None:
        raise UsageError(
            "-n", "expected a number of images, got none", "-n 16, --per-class 16 or --like real.csv"
        )


def _draw_counts(seed: int, n: int, header: ModelHeader, reporter: Reporter) -> dict[str, int]:
    """Draws how many of `n` images each label gets, in the training proportions."""
    recorded = header.training.get("label_counts")
    label_counts = recorded if isinstance(recorded, Mapping) else {}
    weights = {label: _parse_weight(label_counts.get(label)) for label in header.schema.labels}
    if not sum(weights.values()) > 0:
        reporter.warn("the model file has no label counts: all labels are equally likely")
        weights = dict.fromkeys(header.schema.labels, 1.0)
    counts = draw_label_counts(seed, weights, n)
    drawn = ", ".join(f"{label} {count}" for label, count in counts.items() if count)
    reporter.info(f"labels drawn in the training proportions: {drawn}")
    return counts


def _parse_weight(count: Any) -> float:
    is_count = isinstance(count, int | float) and not isinstance(count, bool)
    return float(count) if is_count and math.isfinite(count) and count > 0 else 0.0


def _read_runs(
    path: Path, count: int | None, settings: dict[str, str], schema: ConditionSchema, reporter: Reporter
) -> tuple[tuple[Run, ...], str]:
    """Runs of one image per row of a table, or of `count` images spread evenly over its rows, and its sha256."""
    table = read_table(path)
    label_column = next((name for name in (schema.label.name, "label") if name in table.columns), None)
    if label_column is None:
        raise InputError(
            path,
            f"expected a column {schema.label.name!r} or 'label', got none",
            f"its columns: {list_columns(table.columns)}",
        )
    attributes = [a for a in schema.attributes[1:] if a.name in table.columns and a.name not in settings]
    absent = [a.name for a in schema.attributes[1:] if a.name not in table.columns and a.name not in settings]
    if absent:
        reporter.info(f"no column in {path.name}, so values are missing: {', '.join(absent)}")
    conditions: list[dict[str, str]] = []
    unlabelled = 0
    unknown: Counter[str] = Counter()
    for number, row in enumerate(table.rows, 1):
        if is_missing(row[label_column]):
            unlabelled += 1
            continue
        condition = {schema.label.name: _resolve_label(row[label_column], schema, path, number), **settings}
        for attribute in attributes:
            if is_missing(row[attribute.name]):
                continue
            if attribute.find(row[attribute.name]) is None:
                unknown[attribute.name] += 1
            else:
                condition[attribute.name] = canonical(attribute, row[attribute.name])
        conditions.append(condition)
    if unlabelled:
        reporter.warn(f"{path.name}: {unlabelled} rows without a label were left out")
    for name, times in unknown.items():
        reporter.warn(f"{path.name}: {times} unknown values of {name} count as missing")
    if not conditions:
        raise InputError(path, "expected rows with a label, got none")
    rows = len(conditions)
    chosen = conditions if count is None else [conditions[k * rows // count] for k in range(count)]
    return _group_runs(chosen, schema.label.name), file_sha256(path)


def _resolve_label(value: str, schema: ConditionSchema, path: Path, number: int) -> str:
    try:
        return schema.label.resolve(value)
    except UsageError as error:
        raise InputError(f"{path}, row {number}", f"{error.subject}: {error.message}", error.hint) from error


def _group_runs(conditions: Sequence[dict[str, str]], label_name: str) -> tuple[Run, ...]:
    """Groups conditions into runs, in order; indices count up within each label."""
    runs: list[Run] = []
    used: Counter[str] = Counter()
    for condition in conditions:
        label = condition[label_name]
        if runs and runs[-1].condition == condition:
            runs[-1] = Run(runs[-1].condition, runs[-1].first, runs[-1].count + 1)
        else:
            runs.append(Run(condition, used[label], 1))
        used[label] += 1
    return tuple(runs)
