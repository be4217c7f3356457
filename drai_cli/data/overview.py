"""What a data set holds, image by image, and the split that `train` makes of it. Writes nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.data.image_set import ImageSet, SetOptions, count_classes
from drai_cli.data.name_groups import warn_of_likely_groups
from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.prepared import find_duplicates
from drai_cli.data.reading import Unreadable, hash_pixels, read_all
from drai_cli.data.sources import find_image_set
from drai_cli.data.split_plan import plan_split
from drai_cli.io.image import Image, cropped_share, is_grey
from drai_cli.io.registry import medical_formats
from drai_cli.progress import SILENT, Reporter, Task
from drai_cli.settings.data_options import SourceOptions
from drai_cli.settings.typed import flags_of


@dataclass(frozen=True)
class SetReport:
    """What a data set holds.

    Attributes:
        path: Folder or file, as given.
        kind: Which kind of set it is.
        count: Images that can be read.
        label: Column of the label.
        classes: Readable images of each label; where it is a set of findings, images that show each.
        split: What the split that `train` makes keeps together (`by group`, …), or `as given`: the set's own.
        parts: Readable images of each part of that split.
        part_groups: Groups of each part.
        groups_across: Groups that are in several parts, and a few of them, each by the name of an image.
        duplicates_across: Sets of equal images that are in several parts.
        problem: Why `train` would refuse the split; empty if it would not.
        window: Which values become black and white.
        cropped: Share of an image that `--fit crop` cuts away: the mean, and the largest.
        notes: What was left out or noticed in listing, a line each.
        train: The command that trains on this set as it was read here.
        group: What groups images: a column, `file`, or `file name (PATTERN)`; None where nothing does.
        groups: Different groups.
        largest_group: Images of the largest.
        sizes: Images of each size, `width×height`, the most frequent first.
        channels: Images that are grey and in colour (colour with equal channels counts as grey).
        bits: Images by the bits a sample was stored with.
        duplicates: Sets of images with exactly the same pixels, by name.
        contradictions: Those of them whose labels differ.
        unreadable: Images that cannot be used, with the reason.
        altered: What decoding changed (alpha blended, depth reduced), and in how many images.
    """

    path: str
    kind: str
    count: int
    label: str
    classes: dict[str, int]
    split: str
    parts: dict[str, int]
    part_groups: dict[str, int]
    groups_across: tuple[int, tuple[str, ...]]
    duplicates_across: tuple[tuple[str, ...], ...]
    problem: str
    window: str
    cropped: tuple[float, float]
    notes: tuple[str, ...]
    train: str
    group: str | None
    groups: int
    largest_group: int
    sizes: dict[str, int]
    channels: dict[str, int]
    bits: dict[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    contradictions: tuple[tuple[str, ...], ...]
    unreadable: tuple[tuple[str, str], ...]
    altered: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def describe_set(
    path: Path, options: SourceOptions, reporter: Reporter = SILENT
) -> tuple[SetReport, ImageSet]:
    """Decodes every image of a set and describes it, with the split that `train` makes of it.

    Args:
        path: The set.
        options: How it is to be understood.
        reporter: Shown the progress.

    Returns:
        What it holds, and the set with the images that can be read.

    Raises:
        InputError: No set, or no image of it can be read.
        UsageError: Options that do not go with what is there.
    """
    noting = _Noting(reporter)
    image_set = find_image_set(path, SetOptions.of(options), reporter=noting)
    warn_of_number_labels(image_set, noting)
    warn_of_likely_groups(image_set, noting)
    entries, seen, unreadable = [], [], list(image_set.skipped)
    with closing(read_all(image_set, _look, task="decoding", reporter=reporter)) as readings:
        for reading in readings:
            if isinstance(reading.result, Unreadable):
                unreadable.append((reading.entry.name, reading.result.reason))
            else:
                entries.append(reading.entry)
                seen.append(reading.result)
    readable = replace(image_set, entries=tuple(entries))
    plan = plan_split(readable)
    same = find_duplicates([look.digest for look in seen])
    names = [tuple(entries[row].name for row in rows) for rows in same]
    labels = [{entries[row].values[image_set.label] for row in rows} for rows in same]
    parts = [{plan.parts[row] for row in rows} for rows in same]
    groups = Counter(entry.group for entry in entries)
    report = SetReport(
        path=str(path),
        kind=image_set.kind,
        count=len(entries),
        label=image_set.label,
        classes=count_classes(entries, image_set.label, image_set.findings),
        split=plan.how,
        parts=dict(plan.images),
        part_groups=dict(plan.groups),
        groups_across=(plan.groups_across, plan.examples),
        duplicates_across=tuple(one for one, its in zip(names, parts, strict=True) if len(its) > 1),
        problem=plan.problem,
        window=_describe_window(image_set),
        cropped=_summarise_cropping(seen),
        notes=tuple(noting.notes),
        train=_train_command(path, options),
        group=image_set.group,
        groups=len(groups),
        largest_group=max(groups.values(), default=0),
        sizes=dict(Counter(look.size for look in seen).most_common()),
        channels=dict(Counter("grey" if look.is_grey else "colour" for look in seen).most_common()),
        bits=dict(Counter(str(look.bits) for look in seen).most_common()),
        duplicates=tuple(names),
        contradictions=tuple(one for one, its in zip(names, labels, strict=True) if len(its) > 1),
        unreadable=tuple(unreadable),
        altered=dict(Counter(note for look in seen for note in look.notes).most_common()),
    )
    return report, readable


class _Noting(Reporter):
    """Passes all on, and keeps the warnings."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.notes: list[str] = []

    def warn(self, message: str) -> None:
        self.notes.append(message)
        self.reporter.warn(message)

    def info(self, message: str) -> None:
        self.reporter.info(message)

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        return self.reporter.task(name, total, unit)

    def stage(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        return self.reporter.stage(name, total, unit)


def _describe_window(image_set: ImageSet) -> str:
    if image_set.intensity is not None:
        intensity = image_set.intensity
        unit = f" {intensity.unit}" if intensity.unit else ""
        return f"{intensity.low:g} to {intensity.high:g}{unit}, for all images"
    is_medical = image_set.kind in medical_formats()
    return "each file's own, or its percentiles" if is_medical else "levels as stored"


def _summarise_cropping(seen: Sequence[_Look]) -> tuple[float, float]:
    shares = [look.cropped for look in seen]
    return (float(np.mean(shares)), max(shares)) if shares else (0.0, 0.0)


def _train_command(path: Path, options: SourceOptions) -> str:
    """The `drai train` line with the options of the set that were given."""
    words = ["drai", "train", "--data", str(path)]
    for field in fields(SourceOptions):
        value = getattr(options, field.name)
        if value == getattr(SourceOptions(), field.name):
            continue
        flag = flags_of(field)[-1]
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [flag, str(one)]
    return shlex.join(words)


@dataclass(frozen=True)
class _Look:
    """What is kept of each decoded image."""

    size: str
    is_grey: bool
    bits: int
    digest: str
    cropped: float
    notes: tuple[str, ...]


def _look(image: Image) -> _Look:
    grey = image.array.ndim == 2 or is_grey(image.array)
    cropped = cropped_share(image.height, image.width, image.aspect)
    return _Look(f"{image.width}×{image.height}", grey, image.bits, hash_pixels(image), cropped, image.notes)
