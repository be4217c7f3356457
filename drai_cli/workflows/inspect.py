"""`drai inspect`: describes a data set, or one image. Every image is decoded; nothing is changed or written."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.data.image_set import PARTS, SetOptions, count_classes
from drai_cli.data.name_groups import warn_of_likely_groups
from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.prepared import find_duplicates
from drai_cli.data.reading import Unreadable, hash_pixels, read_all
from drai_cli.data.set_tables import TABLE_SUFFIXES
from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import walk
from drai_cli.errors import InputError, UsageError
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.image import Image, is_grey
from drai_cli.io.read import is_readable, read_stack
from drai_cli.io.stack import ALPHA_LEFT_OUT
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import SourceOptions

_SET_SUFFIXES = (".npz", *TABLE_SUFFIXES)


@dataclass(frozen=True)
class ImageReport:
    """What one image file holds.

    Attributes:
        path: The file, as given.
        kind: The name of its format, such as png or dicom.
        shape: Of the array of all its frames: `[H, W]`, `[H, W, C]`, or with a leading frame or slice axis, before that
            one of volumes where there are several.
        dtype: Of its samples as decoded.
        bits: Bits a sample was stored with.
        min: The least sample.
        max: The greatest sample.
        spacing_mm: Distance of samples along (slice, row, column) index, or (row, column) where only those are known;
            None where the file does not say.
        orientation: Where column, row and slice index grow towards in the patient, such as LPS; None where the file
            does not say.
        unit: What a sample means; empty for plain grey levels.
        sha256: Of the array's bytes, row by row, little-endian.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    bits: int
    min: float
    max: float
    spacing_mm: tuple[float, ...] | None
    orientation: str | None
    unit: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class SetReport:
    """What a data set holds.

    Attributes:
        path: Folder or file, as given.
        kind: Which kind of set it is.
        count: Images that can be read.
        label: Column of the label.
        classes: Readable images of each label.
        parts: Readable images of each part of the set's own split; empty where it has none.
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
    parts: dict[str, int]
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


def inspect(
    path: Path, options: SourceOptions | None = None, reporter: Reporter = SILENT
) -> ImageReport | SetReport:
    """Describes a data set, or one image file.

    Args:
        path: An image file of any kind, a DICOM series in a folder or zip, or whatever `find_image_set` takes.
        options: How a set is to be understood.
        reporter: Shown the progress.

    Raises:
        InputError: Nothing usable there. Unreadable images of a set are counted and listed, however many.
        UsageError: Options that do not go with what is there.
    """
    options = options or SourceOptions()
    if path.suffix.lower() not in _SET_SUFFIXES and is_readable(path):
        if options != SourceOptions():
            raise UsageError(path, "one image takes none of a data set's options", "leave them out")
        return inspect_image(path, reporter)
    if path.is_dir() and options == SourceOptions() and _holds_dicom_alone(path):
        # One series is one image; several are a set, which needs labels.
        with suppress(InputError):
            return inspect_image(path, reporter)
    return inspect_set(path, options, reporter)


def _holds_dicom_alone(path: Path) -> bool:
    tree = walk(path)
    names = tree.medical[DICOM.name]
    return bool(names) and len(names) == len(tree.names)


def inspect_image(path: Path, reporter: Reporter = SILENT) -> ImageReport:
    """Decodes every frame of an image file or series and describes it.

    Raises:
        InputError: It cannot be read.
    """
    stack = read_stack(path)
    array, notes = stack.array, stack.notes
    if stack.alpha is not None:
        colour = array if array.ndim == 4 else array[..., None]
        array = np.concatenate([colour, stack.alpha[..., None]], axis=-1)
        notes = tuple(note for note in notes if note != ALPHA_LEFT_OUT)
    for note in notes:
        reporter.warn(f"{path}: {note}")
    spacing_mm = None
    if stack.spacing_mm is not None:
        spacing_mm = tuple(spacing for spacing in stack.spacing_mm if spacing is not None)
    if stack.volumes > 1:
        array = array.reshape(stack.volumes, -1, *array.shape[1:])
    elif len(array) == 1:
        array = array[0]
    little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return ImageReport(
        path=str(path),
        kind=stack.kind,
        shape=array.shape,
        dtype=array.dtype.name,
        bits=stack.bits,
        min=array.min().item(),
        max=array.max().item(),
        spacing_mm=spacing_mm,
        orientation=None if stack.geometry is None else stack.geometry.orientation,
        unit=stack.unit,
        sha256=hashlib.sha256(little_endian.data).hexdigest(),
    )


def inspect_set(path: Path, options: SourceOptions | None = None, reporter: Reporter = SILENT) -> SetReport:
    """Decodes every image of a set and describes it.

    Raises:
        InputError: No set, or no image of it can be read.
        UsageError: Options that do not go with what is there.
    """
    image_set = find_image_set(path, SetOptions.of(options or SourceOptions()), reporter=reporter)
    warn_of_number_labels(image_set, reporter)
    warn_of_likely_groups(image_set, reporter)
    entries, seen, unreadable = [], [], list(image_set.skipped)
    with closing(read_all(image_set, _look, task="decoding", reporter=reporter)) as readings:
        for reading in readings:
            if isinstance(reading.result, Unreadable):
                unreadable.append((reading.entry.name, reading.result.reason))
            else:
                entries.append(reading.entry)
                seen.append(reading.result)
    same = find_duplicates([look.digest for look in seen])
    groups = Counter(entry.group for entry in entries)
    parts = Counter(str(entry.part) for entry in entries if entry.part is not None)
    return SetReport(
        path=str(path),
        kind=image_set.kind,
        count=len(entries),
        label=image_set.label,
        classes=count_classes(entries, image_set.label),
        parts={part: parts[part] for part in PARTS} if parts else {},
        group=image_set.group,
        groups=len(groups),
        largest_group=max(groups.values(), default=0),
        sizes=dict(Counter(look.size for look in seen).most_common()),
        channels=dict(Counter("grey" if look.is_grey else "colour" for look in seen).most_common()),
        bits=dict(Counter(str(look.bits) for look in seen).most_common()),
        duplicates=tuple(tuple(entries[row].name for row in rows) for rows in same),
        contradictions=tuple(
            tuple(entries[row].name for row in rows)
            for rows in same
            if len({entries[row].values[image_set.label] for row in rows}) > 1
        ),
        unreadable=tuple(unreadable),
        altered=dict(Counter(note for look in seen for note in look.notes).most_common()),
    )


def pick_images(path: Path, options: SourceOptions, most: int) -> list[np.ndarray]:
    """Some images of a set as arrays, evenly spread over it; those that cannot be read are left out."""
    image_set = find_image_set(path, SetOptions.of(options))
    count = len(image_set.entries)
    chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    images = []
    for row in chosen:
        with suppress(InputError):
            images.append(np.asarray(image_set.read(image_set.entries[row]).array))
    return images


@dataclass(frozen=True)
class _Look:
    """What is kept of each decoded image."""

    size: str
    is_grey: bool
    bits: int
    digest: str
    notes: tuple[str, ...]


def _look(image: Image) -> _Look:
    grey = image.array.ndim == 2 or is_grey(image.array)
    return _Look(f"{image.width}×{image.height}", grey, image.bits, hash_pixels(image), image.notes)
