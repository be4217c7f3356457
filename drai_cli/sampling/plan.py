"""Lists the images of a `sample` job in order: conditions, indices and file names. Makes no image.

A plan is a list of runs, each of consecutive images of one condition, so its size does not depend on their number.
Tar files are read in sequence, so a job that writes them takes the images in another order, which mixes the runs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import UsageError
from drai_cli.inference.noise import draw_label_counts
from drai_cli.io.files import file_sha256
from drai_cli.model_file.header import ModelHeader, model_intensity
from drai_cli.output.mask_file import mask_tops
from drai_cli.output.names import folder_names
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.asked import check_counts, images_per_tar, masks_to_write
from drai_cli.sampling.conditions import Condition, parse_attributes, read_conditions
from drai_cli.sampling.finding_plan import check_finding_options, count_per_finding, count_sets, parse_asked
from drai_cli.sampling.layout import Flat, Folders, Layout, Numbered, Rows, Tars, WithMasks
from drai_cli.settings.image_options import (
    SAMPLE_SUFFIXES,
    SampleLayout,
    SampleOptions,
)


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
class RowFormat:
    """The rows of an npz file.

    Attributes:
        shape: Of a row: `(H, W)` for grey, `(H, W, 3)` for RGB.
        dtype: Of its levels: `uint8` or `uint16`.
        texts: What levels mean, name to text: as the marks of PNG files.
    """

    shape: tuple[int, ...]
    dtype: str
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def row_bytes(self) -> int:
        """Size of a row."""
        return math.prod(self.shape) * (2 if self.dtype == "uint16" else 1)


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
        layout_name: How the files of a format with a file per image lie.
        rows: Of the npz file; None: no npz file.
        licence: Of the model.
        mask_names: Of the masks that are written with each image.
    """

    schema: ConditionSchema
    runs: tuple[Run, ...]
    suffixes: tuple[str, ...]
    tar_images: int | None = None
    source_sha256: str = ""
    attributes: Condition = field(default_factory=dict)
    layout_name: SampleLayout = "folders"
    rows: RowFormat | None = None
    licence: str = ""
    mask_names: tuple[str, ...] = ()

    @property
    def findings(self) -> Findings | None:
        """What sets of findings labels are; None where a label is one name."""
        return self.schema.label.findings

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images of each label that has at least one."""
        counts = {} if self.findings else dict.fromkeys(self.schema.labels, 0)
        for run in self.runs:
            label = run.condition[self.schema.label.name]
            counts[label] = counts.get(label, 0) + run.count
        return {label: count for label, count in counts.items() if count}

    @cached_property
    def layout(self) -> Layout:
        """Names the images' files."""
        names = folder_names(tuple(self.counts) if self.findings else self.schema.labels)
        if self.rows is not None:
            return Rows(names)
        if self.tar_images is None and self.mask_names:
            return WithMasks(self._files(names), mask_tops(self.mask_names))
        if self.tar_images is None:
            return self._files(names)
        keys = {label: name.replace(".", "%2E") for label, name in names.items()}
        return Tars(None if self.findings else keys, self.total, self.tar_images)

    def _files(self, names: Mapping[str, str]) -> Folders | Flat | Numbered:
        """Names of files, with the name of each label's folder."""
        if self.findings and self.layout_name != "bids":
            return Numbered("flat", self.total, self.suffixes)
        if self.layout_name in ("isic", "bids"):
            return Numbered(self.layout_name, self.total, self.suffixes)
        return (Flat if self.layout_name == "flat" else Folders)(names, self.counts, self.suffixes)

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
        """The paths of an image, its sidecars and its masks."""
        return name_files(item.stem, self.suffixes, self.mask_names)

    @property
    def files_per_image(self) -> int:
        """How many files each image has, in a format with files of its own."""
        return len(self.suffixes) + len(self.mask_names)


def name_files(stem: str, suffixes: Sequence[str], mask_names: Sequence[str] = ()) -> tuple[str, ...]:
    """The paths of an image, its sidecars and its masks, by its path without suffix."""
    masks = mask_tops(mask_names) if mask_names else ()
    return (*(stem + suffix for suffix in suffixes), *(f"{top}{stem}{suffixes[0]}" for top in masks))


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
    settings = parse_attributes(options.attributes, schema, reporter)
    label = settings.pop(schema.label.name, None)
    if label and options.label is not None:
        raise UsageError("--label", f"contradicts --set {schema.label.name}=...", "give one of them")
    check_finding_options(options, schema.label.findings)
    label = options.label or label
    if label is not None and schema.label.findings is None:
        label = schema.label.resolve(label)
    check_counts(options, label)
    empty = Plan(
        schema, (), SAMPLE_SUFFIXES[options.format], images_per_tar(options), attributes=settings,
        layout_name=options.layout, rows=_row_format(header) if options.format == "npz" else None,
        licence=header.licence, mask_names=masks_to_write(options, header),
    )  # fmt: skip
    if options.like is not None:
        conditions = read_conditions(options.like, options.count, settings, schema, reporter)
        runs = _group_runs(conditions, schema.label.name)
        return replace(empty, runs=runs, source_sha256=file_sha256(options.like))
    if (findings := schema.label.findings) is not None:
        asked = parse_asked(findings, label, options.label_not)
        if options.per_finding is not None:
            counts = count_per_finding(findings, options.per_finding, options.seed, reporter)
        else:
            counts = count_sets(findings, asked, options.count or 0, options.seed, reporter)
    elif options.per_class is not None:
        counts = dict.fromkeys(schema.labels, options.per_class)
    elif label:
        counts = {label: options.count or 0}
    else:
        counts = _draw_counts(options.seed, options.count or 0, header, reporter)
    runs = tuple(
        Run({schema.label.name: name, **settings}, 0, count) for name, count in counts.items() if count
    )
    return replace(empty, runs=runs)


def _row_format(header: ModelHeader) -> RowFormat:
    shape = header.architecture
    intensity = model_intensity(header)
    texts: dict[str, str] = {}
    slope = (intensity.high - intensity.low) / intensity.top
    if shape.image_channels == 1 and (intensity.unit or (slope, intensity.low) != (1, 0)):
        texts = {"unit": intensity.unit, "slope": repr(slope), "intercept": repr(float(intensity.low))}
    side = (shape.image_size, shape.image_size)
    return RowFormat(side if shape.image_channels == 1 else (*side, 3), intensity.dtype, texts)


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
