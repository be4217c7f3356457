"""A data set, however it is stored: images with name, label, conditions and group."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

from drai_cli.conditions.findings import Findings
from drai_cli.errors import InputError
from drai_cli.io.image import Image
from drai_cli.io.intensity import Intensity
from drai_cli.settings.data_options import DataOptions, SourceOptions

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
_PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "trainval": "train",
    "trainvalid": "train",
    "traindev": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "privatetest": "test",
    "holdout": "test",
}
"""How sets name the parts of their own split."""
_PART_OF_WHAT = re.compile(
    r"(?:sets?|split|data|part|images?|imgs|folder|cases?|samples?|examples?|inputs?|files?|scans?|patients?|subjects?|"
    r"photos?|pictures?|slices?|volumes?|20\d\d)+$"
)
_ORDINAL = re.compile(r"^\s*\w{1,2}[.)]\s+")
_FILE_SUFFIXES = re.compile(r"(?:\.[A-Za-z]\w{0,5}){1,2}$")

FINDINGS = "findings"
"""Names the label where several columns are its findings."""

LABEL = "label"
"""Names the label where no table does."""

FILE = "file"
"""Groups the frames of a file where nothing else does; in tables, names images."""

Read = Callable[[], Image]

BATCH = 8
"""Small images that are decoded together: passing each on alone would cost more than decoding it."""


@dataclass(frozen=True)
class SetOptions(SourceOptions):
    """How a set is to be understood, and the columns that are asked for besides its label.

    Attributes:
        conditions: Further columns to condition on.
        cache_dir: Where archives are unpacked; None: the default place of caches.
    """

    conditions: tuple[str, ...] = ()
    cache_dir: Path | None = None

    @classmethod
    def of(cls, options: SourceOptions | DataOptions) -> SetOptions:
        """What these options say of the set."""
        names = (one.name for one in fields(cls))
        return cls(**{name: getattr(options, name) for name in names if hasattr(options, name)})

    @property
    def label_name(self) -> str | None:
        """What the label is called: its column, or `findings` for several; None where none was named."""
        return FINDINGS if len(self.label) > 1 else next(iter(self.label), None)

    def conditions_besides(self, label: str) -> tuple[str, ...]:
        """Each condition once, without the label."""
        return tuple(dict.fromkeys(name for name in self.conditions if name != label))


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a set.

    Attributes:
        name: Unique in the set: a path relative to its root with `/`, or `train:17` in an npz.
        values: Label and conditions by column name, as the set has them; empty text where nothing is known.
        group: Images of one group (a patient, a lesion) are never in two parts of a split.
        part: The part in the set's own split, if it has one.
    """

    name: str
    values: Mapping[str, str]
    group: str
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """Size and times of change (of the content, of the inode) of a file, by which a change is noticed."""

    name: str
    size_bytes: int
    modified_ns: int
    changed_ns: int


Batch = Sequence[tuple[Entry, Read]]
"""Images that are decoded one after another, in one thread or process."""


class Pixels(Protocol):
    """Where a set's images come from."""

    @property
    def holds_interpreter(self) -> bool:
        """Whether its decoders hold Python's interpreter, so that threads do not help. Its batches can be pickled."""

    def file_of(self, entry: Entry) -> str:
        """The file that holds an image, relative to the set's root with `/`."""

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """The entries, each with what decodes it, grouped by what is best decoded together."""

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        """What the images are made from, for keys of caches."""


@dataclass(frozen=True)
class ImageSet:
    """A data set found on disk, its images not yet decoded.

    Attributes:
        kind: `class-folders`, `csv`, `ham10000`, `dicom`, `nifti` or `medmnist`.
        root: Its folder, or the npz file.
        label: Column of the label; `label` where there is no table.
        conditions: Further columns asked for.
        group: Column or keyword that groups images, `file` where only frames of one file belong together, or a pattern
            of their names; None where every image is a group of its own.
        entries: The images, in a fixed order.
        pixels: What decodes them.
        skipped: Files of the set that cannot be used, with the reason; counted with those that do not decode.
        intensity: What the images' levels mean, where one window makes them of values; None where they differ, or are
            the files' own.
        settings: What else decides the pixels (window, axis), for keys of caches.
        findings: The findings where the label of an image is a set of them, by its text; None where it is one name.
    """

    kind: str
    root: Path
    label: str
    conditions: tuple[str, ...]
    group: str | None
    entries: tuple[Entry, ...]
    pixels: Pixels = field(repr=False)
    skipped: tuple[tuple[str, str], ...] = ()
    intensity: Intensity | None = None
    settings: str = ""
    findings: Findings | None = None

    def read(self, entry: Entry) -> Image:
        """Decodes one image; raises InputError if it cannot be read."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for batch in self.pixels.batches([entry]):
                return batch[0][1]()
        raise InputError(entry.name, f"no such image in {self.root}")

    @property
    def is_grouped(self) -> bool:
        """Whether it is known which images share a patient, a lesion or the like."""
        return self.group not in (None, FILE)


def part_named(name: str) -> Part | None:
    """The part of a split that a folder or a cell of a table names; None for any other name.

    `train`, `Training Set`, `b. Testing Set`, `val2017` and `Test cases` name parts.
    """
    word = re.sub(r"[\W_]", "", _ORDINAL.sub("", name).lower())
    return _PART_NAMES.get(word) or _PART_NAMES.get(_PART_OF_WHAT.sub("", word))


def part_in_name(name: str) -> Part | None:
    """The part that the name of a file says as one of its words, `train_val` meaning train; None where it does not."""
    stem = re.sub(r"(?<=[a-z])(?=[A-Z]{2}|[A-Z][a-z])", "_", _FILE_SUFFIXES.sub("", name)).lower()
    named = {part for word in re.split(r"[-_ .]+", stem) if (part := part_named(word)) is not None}
    whole = part_named(stem)
    if whole is not None or len(named) == 1:
        return whole or named.pop()
    return "train" if named == {"train", "validation"} else None


def group_reads(reads: Iterable[tuple[Entry, Read]]) -> Iterator[Batch]:
    """Small batches of independent images."""
    remaining = iter(reads)
    while some := list(islice(remaining, BATCH)):
        yield some


def count_classes(entries: Iterable[Entry], label: str, findings: Findings | None = None) -> dict[str, int]:
    """Images per label, in the labels' order; where labels are sets of findings, images that show each, and none."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.values[label]] = counts.get(entry.values[label], 0) + 1
    if findings is None:
        return dict(sorted(counts.items()))
    of_finding = dict.fromkeys((*findings.names, findings.none), 0)
    for text, count in counts.items():
        for name in findings.list_present(text) or (findings.none,):
            of_finding[name] += count
    return of_finding
