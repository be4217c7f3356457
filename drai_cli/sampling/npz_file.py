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

from drai_cli.data.medmnist import LABEL_NAMES, open_archive, read_rows
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
    labels: tuple[str, ...],
    count: int,
    items: Callable[[], Iterator[Item]],
    rows: Iterable[bytes],
    marks: Mapping[str, str],
) -> None:
    """Writes the arrays.

    Args:
        file: Open to write.
        images: What a row is.
        labels: Of the model, in its order: their positions are the label numbers.
        count: Number of rows.
        items: Iterates over the images of the rows, in order.
        rows: The levels of each image.
        marks: What the file says of itself: an array without dimensions for each.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    label_dtype = np.min_scalar_type(len(labels) - 1)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        add = _Arrays(archive).add
        add(_IMAGES, images.dtype, (count, *images.shape), rows)
        add(_LABELS, label_dtype, (count, 1), _pack((numbers[item.label] for item in items()), label_dtype))
        for part in ("val", "test"):
            add(f"{part}_images", images.dtype, (0, *images.shape), ())
            add(f"{part}_labels", label_dtype, (0, 1), ())
        words = np.array(labels)
        add(LABEL_NAMES, words.dtype, words.shape, (words.tobytes(),))
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
            layout = Rows(folder_names(names))
            arrays = (read_rows(path, archive, name, _MOST) for name in (_LABELS, INDEX, _IMAGES))
            for number, index, image in zip(*arrays, strict=True):
                label, place = names[int(number.item())], int(index.item())
                yield NpzRow(layout.stem(0, label, place), label, place, _as_bytes(image))
        except (ValueError, IndexError, TypeError) as error:
            raise InputError(path, "its arrays do not agree", "make the output again") from error


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
