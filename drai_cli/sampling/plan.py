"""Which images a `sample` command stands for, in order: their conditions, indices and file names. Makes none of them.

A plan is a list of runs, each of consecutive images of one condition; it does not grow with their number. Where they
go into tar files, which are read one after the other, they are made in another order that mixes the runs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
        condition: All attributes that are set, label included, as the data has them.
        index: Which of its label's images, from 0; with seed and condition it decides the image.
        stem: Where it goes, relative to the output folder, with `/` and without suffix.
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
    """All images of a job, whatever the shard.

    Attributes:
        counts: Images of each label that has any.
        schema: The model's conditions.
        runs: One after the other; without tar files the order in which they are made and listed.
        suffixes: Of each image's files, with their dots; the image comes first.
        tar_images: Images in a tar file; None: they are no tar files.
        source_sha256: Of the CSV that the plan follows, if any.
        attributes: Attributes beside the label that the options set for every image.
        layout: Where the images go.
    """

    schema: ConditionSchema
    runs: tuple[Run, ...]
    suffixes: tuple[str, ...]
    tar_images: int | None = None
    source_sha256: str = ""
    attributes: Condition = field(default_factory=dict)
    counts: dict[str, int] = field(init=False)
    layout: Folders | Tars = field(init=False)
    _ends: list[int] = field(init=False, repr=False)
    _stride: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counts = dict.fromkeys(self.schema.labels, 0)
        for run in self.runs:
            counts[run.condition[self.schema.label.name]] += run.count
        present = {label: count for label, count in counts.items() if count}
        object.__setattr__(self, "counts", present)
        object.__setattr__(self, "_ends", list(accumulate(run.count for run in self.runs)))
        names = folder_names(self.schema.labels)
        layout: Folders | Tars = Folders(names, present, self.suffixes)
        if self.tar_images is not None:
            keys = {label: name.replace(".", "%2E") for label, name in names.items()}
            layout = Tars(keys, self.total, self.tar_images)
        object.__setattr__(self, "layout", layout)
        object.__setattr__(self, "_stride", 1 if self.tar_images is None else mixing_stride(self.total))

    @property
    def total(self) -> int:
        """Images in all."""
        return self._ends[-1] if self._ends else 0

    def part(self, number: int, parts: int) -> tuple[int, int]:
        """The positions of the part `number`, from 1, of several: the first, and one after the last."""
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
        """Where an image goes, relative to the output folder, with `/`."""
        return self.file_names(item)[0]

    def file_names(self, item: Item) -> tuple[str, ...]:
        """Where an image and what lies beside it go."""
        return tuple(item.stem + suffix for suffix in self.suffixes)


def mixing_stride(total: int) -> int:
    """By how much to step through 0 to `total - 1`, round and round, to meet each once and any stretch of them evenly.

    The golden section's share of `total`, or the first number above it that has no divisor in common with `total`.
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
        rows, digest = _runs_like(options.like, options.count, settings, schema, reporter)
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
    """A value as the data has it: an alias resolved, a number in its shortest form.

    Raises:
        UsageError: Not a value of the attribute.
    """
    resolved = attribute.resolve(value)
    if attribute.kind == "categorical":
        return resolved
    number = float(resolved)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _tar_images(options: SampleOptions) -> int | None:
    """Images in a tar file; None where the format has none."""
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
    """Images of each label, in the training proportions."""
    recorded = header.training.get("label_counts")
    known = recorded if isinstance(recorded, Mapping) else {}
    weights = {label: _weight(known.get(label)) for label in header.schema.labels}
    if not sum(weights.values()) > 0:
        reporter.warn("the model does not say how often each label was trained: all labels are drawn alike")
        weights = dict.fromkeys(header.schema.labels, 1.0)
    counts = draw_label_counts(seed, weights, n)
    drawn = ", ".join(f"{label} {count}" for label, count in counts.items() if count)
    reporter.info(f"labels drawn in the training proportions: {drawn}")
    return counts


def _weight(count: Any) -> float:
    is_count = isinstance(count, int | float) and not isinstance(count, bool)
    return float(count) if is_count and math.isfinite(count) and count > 0 else 0.0


def _runs_like(
    path: Path, count: int | None, settings: dict[str, str], schema: ConditionSchema, reporter: Reporter
) -> tuple[tuple[Run, ...], str]:
    """One image a row of a table, or `count` images over its rows evenly, in the table's order; and its sha256."""
    table = read_table(path)
    label_column = next((name for name in (schema.label.name, "label") if name in table.columns), None)
    if label_column is None:
        raise InputError(
            path,
            f"expected a column {schema.label.name!r} or 'label', got none",
            f"it has: {list_columns(table.columns)}",
        )
    attributes = [a for a in schema.attributes[1:] if a.name in table.columns and a.name not in settings]
    absent = [a.name for a in schema.attributes[1:] if a.name not in table.columns and a.name not in settings]
    if absent:
        reporter.info(f"not in {path.name}, so missing: {', '.join(absent)}")
    conditions: list[dict[str, str]] = []
    unlabelled = 0
    unknown: Counter[str] = Counter()
    for number, row in enumerate(table.rows, 1):
        if is_missing(row[label_column]):
            unlabelled += 1
            continue
        condition = {schema.label.name: _label_of_row(row[label_column], schema, path, number), **settings}
        for attribute in attributes:
            if is_missing(row[attribute.name]):
                continue
            try:
                condition[attribute.name] = canonical(attribute, row[attribute.name])
            except UsageError:
                unknown[attribute.name] += 1
        conditions.append(condition)
    if unlabelled:
        reporter.warn(f"{path.name}: {unlabelled} rows without a label were left out")
    for name, times in unknown.items():
        reporter.warn(f"{path.name}: {times} values of {name} that the model does not know became missing")
    if not conditions:
        raise InputError(path, "expected rows with a label, got none")
    rows = len(conditions)
    chosen = conditions if count is None else [conditions[k * rows // count] for k in range(count)]
    return _runs(chosen, schema.label.name), file_sha256(path)


def _label_of_row(value: str, schema: ConditionSchema, path: Path, number: int) -> str:
    try:
        return schema.label.resolve(value)
    except UsageError as error:
        raise InputError(f"{path}, row {number}", f"{error.subject}: {error.message}", error.hint) from error


def _runs(conditions: Sequence[dict[str, str]], label_name: str) -> tuple[Run, ...]:
    """Conditions in order as runs; indices count up within each label."""
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
