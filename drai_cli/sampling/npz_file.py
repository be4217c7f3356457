"""The npz file of a `sample` job: MedMNIST's arrays, all images in the training part, written and read as a stream.

The zip is not compressed: rows have one size, and readers may map them. Its bytes follow from what is in it alone.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.findings import Findings
from drai_cli.data.medmnist import LABEL_NAMES, NONE_NAME, open_archive, read_rows
from drai_cli.errors import InputError
from drai_cli.output.names import folder_names
from drai_cli.sampling.layout import Rows
from drai_cli.sampling.plan import Item, RowFormat

INDEX = "train_index"
"""The index of each image among those of its label, from which it can be made again."""

_IMAGES, _LABELS = "train_images", "train_labels"
_CHUNK = 4096
_MOST = 1 << 62  # rows: all of them
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip


@dataclass(frozen=True)
class NpzRow:
    """One image of an npz file.

    Attributes:
        name: As metadata.csv has it.
        label: Its label.
        index: Its number among those of the label.
        data: Its levels.
    """

    name: str
    label: str
    index: int
    data: bytes


def write_npz(
    file: IO[bytes],
    images: RowFormat,
    label: Attribute,
    count: int,
    items: Callable[[], Iterator[Item]],
    rows: Iterable[bytes],
    marks: Mapping[str, str],
) -> None:
    """Writes the arrays.

    Args:
        file: Open to write.
        images: What a row is.
        label: Of the model: positions of names in its values are the label numbers. Where it is a set of findings, a
            label is a row of 0 and 1, one number for each.
        count: Number of rows.
        items: Iterates over the images of the rows, in order.
        rows: The levels of each image.
        marks: What the file says of itself: an array without dimensions for each.
    """
    numbers = {name: number for number, name in enumerate(label.values)}
    findings, width = label.findings, 1 if label.findings is None else len(label.values)
    label_dtype = np.min_scalar_type(1 if findings is not None else len(label.values) - 1)

    def labels() -> Iterator[int]:
        for item in items():
            if findings is None:
                yield numbers[item.label]
            else:
                yield from findings.states(item.label).tolist()

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        add = _Arrays(archive).add
        add(_IMAGES, images.dtype, (count, *images.shape), rows)
        add(_LABELS, label_dtype, (count, width), _pack(labels(), label_dtype))
        for part in ("val", "test"):
            add(f"{part}_images", images.dtype, (0, *images.shape), ())
            add(f"{part}_labels", label_dtype, (0, width), ())
        words = np.array(label.values)
        add(LABEL_NAMES, words.dtype, words.shape, (words.tobytes(),))
        if findings is not None:
            word = np.array(findings.none)
            add(NONE_NAME, word.dtype, (1,), (word.tobytes(),))
        add(INDEX, np.int64, (count,), _pack((item.index for item in items()), np.int64))
        for name, text in marks.items():
            word = np.array(text)
            add(name, word.dtype, (), (word.tobytes(),))


def read_levels(path: Path) -> Iterator[bytes]:
    """The levels of each image, in order; raises InputError if the file cannot be read."""
    with open_archive(path) as archive:
        for row in read_rows(path, archive, _IMAGES, _MOST):
            yield _as_bytes(row)


def read_npz(path: Path) -> Iterator[NpzRow]:
    """The images of a file that `write_npz` wrote, in order.

    Raises:
        InputError: It cannot be read, or its arrays do not agree.
    """
    with open_archive(path) as archive:
        try:
            names = [str(row.item()) for row in read_rows(path, archive, LABEL_NAMES, _MOST)]
            numbers = [row.ravel() for row in read_rows(path, archive, _LABELS, _MOST)]
            none = ""
            if f"{NONE_NAME}.npy" in archive.namelist():
                none = "".join(str(row.item()) for row in read_rows(path, archive, NONE_NAME, 1))
            labels = _labels(names, none, numbers)
            layout = Rows(folder_names(tuple(dict.fromkeys(labels))))
            arrays = (read_rows(path, archive, name, _MOST) for name in (INDEX, _IMAGES))
            for label, index, image in zip(labels, *arrays, strict=True):
                place = int(index.item())
                yield NpzRow(layout.stem(0, label, place), label, place, _as_bytes(image))
        except (ValueError, IndexError, TypeError) as error:
            raise InputError(path, "its arrays do not agree", "make the output again") from error


def _labels(names: list[str], none: str, numbers: list[np.ndarray]) -> list[str]:
    """The label of each row: the name of its number; where there is a word for none, the findings that are 1."""
    if none:
        findings = Findings(tuple(names), none)
        return [findings.text(row.astype(np.int8)) for row in numbers]
    return [names[int(row.item())] for row in numbers]


class _Arrays:
    """Adds arrays to a zip, each as a stream."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def add(
        self, name: str, dtype: np.typing.DTypeLike, shape: tuple[int, ...], chunks: Iterable[bytes]
    ) -> None:
        dtype = np.dtype(dtype).newbyteorder("<")
        info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
        info.create_system, info.external_attr = 3, 0o644 << 16
        # More than the size of the array, so that a large one gets the fields of 64 bits.
        info.file_size = dtype.itemsize * int(np.prod(shape)) + 1024
        with self.archive.open(info, "w") as member:
            header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(member, header)
            for chunk in chunks:
                member.write(chunk)


def _as_bytes(levels: np.ndarray) -> bytes:
    return np.ascontiguousarray(levels, levels.dtype.newbyteorder("<")).tobytes()


def _pack(numbers: Iterable[int], dtype: np.typing.DTypeLike) -> Iterator[bytes]:
    """Numbers as bytes, some thousand at a time."""
    remaining = iter(numbers)
    while some := list(islice(remaining, _CHUNK)):
        yield np.array(some, np.dtype(dtype).newbyteorder("<")).tobytes()
