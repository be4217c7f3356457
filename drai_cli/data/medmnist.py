"""MedMNIST's npz layout: `{train,val,test}_{images,labels}` in one zip. Read as a stream, never unpickled.

A part may be empty. Where there is an array `label_names`, the labels are its words. The arrays are streamed row by
row, so that memory holds one image, whatever the header claims.
"""

from __future__ import annotations

import io
import os
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from drai_cli.conditions.findings import MAX_FINDINGS, NONE, Findings
from drai_cli.data.image_set import LABEL, Batch, Entry, ImageSet, Part, Read, Stamp, group_reads
from drai_cli.data.tree import MAX_IMAGES
from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.io.grey import GreyWindow
from drai_cli.io.image import MAX_PIXELS, Image
from drai_cli.io.stack import Stack
from drai_cli.progress import Reporter

_PARTS: tuple[tuple[str, Part], ...] = (("train", "train"), ("val", "validation"), ("test", "test"))
LABEL_NAMES = "label_names"
"""An array that MedMNIST does not have: the name of each label number, or of each finding."""

NONE_NAME = "none_name"
"""An array that MedMNIST does not have: what an image without findings is called."""

CHEST_MNIST = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
    "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia",
)  # fmt: skip
"""The columns of ChestMNIST, whose file does not name them (Yang et al. 2023, after ChestX-ray14)."""

_MAX_LABELS = 1 << 16
_FEW_IMAGES, _LEAST_BYTES = 100_000, 16  # so many always; more where the file has so many bytes an image
_MAX_HEADER_BYTES = 1 << 16
_MAX_BYTES = 1 << 36
_VOLUMES = (
    "these are volumes: save the middle slice of each, images[:, images.shape[1] // 2]; "
    "or a NIfTI file of each in class folders"
)
_FAILURES = (*BROKEN, zipfile.BadZipFile, RuntimeError)


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * prod(self.shape[1:])


@dataclass(frozen=True)
class NpzPixels:
    """Images that are rows of `{train,val,test}_images`."""

    path: Path
    grey: GreyWindow | None = None
    holds_interpreter = False

    def file_of(self, entry: Entry) -> str:
        """The file that holds an image, relative to the set's root with `/`."""
        return self.path.name

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """The entries in the order of the file, already decoded."""
        return group_reads(self._reads(entries))

    def _reads(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Read]]:
        """The entries in the order of the file, each with its pixels."""
        wanted: dict[str, dict[int, Entry]] = {}
        for entry in entries:
            key, _, index = entry.name.partition(":")
            wanted.setdefault(key, {})[int(index)] = entry
        with open_archive(self.path) as archive:
            for part, _ in _PARTS:
                if part not in wanted:
                    continue
                rows = wanted[part]
                for row, array in enumerate(read_rows(self.path, archive, f"{part}_images", max(rows) + 1)):
                    if row in rows:
                        yield rows[row], partial(self._image, array, rows[row].name)

    def _image(self, array: np.ndarray, name: str) -> Image:
        if self.grey is None:
            return Image(array, bits=8 * array.itemsize, source=name)
        return self.grey.image(_stack(array, name))

    def deep_grey(self, entries: Iterable[Entry]) -> Iterator[Stack]:
        """Those of the images that are grey of more than 8 bits, their numbers as stored."""
        with open_archive(self.path) as archive:
            headers = {part: _header(self.path, archive, f"{part}_images") for part, _ in _PARTS}
        deep = {
            part for part, header in headers.items() if header.dtype.itemsize > 1 and header.shape[3:] != (3,)
        }
        chosen = [entry for entry in entries if entry.name.partition(":")[0] in deep]
        for _, read in replace(self, grey=None)._reads(chosen):
            image = read()
            yield _stack(image.array, image.source)

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        """The npz file's, and the names in it."""
        status = os.stat(self.path)
        yield Stamp("npz", status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for entry in entries:
            yield Stamp(entry.name, 0, 0, 0)


def find_medmnist(path: Path, reporter: Reporter) -> ImageSet:
    """The set in an npz of MedMNIST's layout; its own split is kept.

    Raises:
        InputError: Not a zip, other arrays than expected, arrays that need pickle, or sizes that do not agree.
    """
    entries: list[Entry] = []
    with open_archive(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        expected = [f"{part}_{what}" for part, _ in _PARTS for what in ("images", "labels")]
        absent = [name for name in expected if name not in names]
        if absent:
            raise InputError(
                path,
                f"expected MedMNIST's arrays, got none named {', '.join(absent)}",
                f"it holds: {', '.join(sorted(map(str, names))[:12]) or 'nothing'}",
            )
        label_names = _label_names(path, archive) if LABEL_NAMES in names else None
        findings = _find_findings(path, archive, label_names, NONE_NAME in names)
        for key, part in _PARTS:
            images = _check_images(path, f"{key}_images", _header(path, archive, f"{key}_images"))
            _check_count(path, len(entries) + images.shape[0])
            if findings is not None:
                labels = _sets_of_findings(path, archive, f"{key}_labels", images.shape[0], findings)
            else:
                labels = _labels(path, archive, f"{key}_labels", images.shape[0])
            if label_names is not None and findings is None:
                labels = _named(path, f"{key}_labels", labels, label_names)
            for index, label in enumerate(labels):
                name = f"{key}:{index}"
                entries.append(Entry(name, {LABEL: label}, name, part))
    if len({entry.part for entry in entries}) > 1:
        reporter.info("the set's own split is kept")
    if findings is not None:
        reporter.info(
            f"the label is a set of {len(findings.names)} findings; {findings.none!r} means none of them"
        )
    return ImageSet("medmnist", path, LABEL, (), None, tuple(entries), NpzPixels(path), findings=findings)


def _stack(array: np.ndarray, name: str) -> Stack:
    grey = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return Stack(grey[None], "npz", 8 * array.itemsize, source=name)


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An npz file as a zip, open to read; raises InputError if it is none."""
    with open_regular(path, max_bytes=None) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _FAILURES as error:
            raise InputError(path, f"expected an npz file, got something else ({error})") from error
        yield archive


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> tuple[IO[bytes], _Header, bool]:
    """An array's stream after its header, the header, and whether it is stored column by column."""
    try:
        info = archive.getinfo(f"{name}.npy")
        stream = archive.open(info)
        shape, fortran_order, dtype = _read_header(stream)
    except _FAILURES as error:
        raise InputError(f"{path}: {name}", f"cannot be read ({str(error)[:120]})") from error
    subject = f"{path}: {name}"
    if dtype.hasobject:
        raise InputError(subject, "holds Python objects, which are never loaded", "save it as plain numbers")
    header = _Header(tuple(int(extent) for extent in shape), dtype)
    claimed = header.row_bytes * (header.shape[0] if header.shape else 1)
    if min(header.shape, default=0) < 0:
        raise InputError(subject, f"its header claims the shape {list(header.shape)}")
    if claimed > _MAX_BYTES or not 0 <= info.file_size - claimed <= 1 << 20:
        raise InputError(
            subject, f"its header claims {claimed} bytes of numbers, the file has {info.file_size}"
        )
    return stream, header, bool(fortran_order)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, order and type; the length that the header claims for itself is bounded before it is read."""
    version = npy.read_magic(stream)
    size = stream.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(size, "little")
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    header: tuple[tuple[int, ...], bool, np.dtype[np.generic]] = read(io.BytesIO(size + stream.read(length)))
    return header


def _header(path: Path, archive: zipfile.ZipFile, name: str) -> _Header:
    stream, header, fortran_order = _member(path, archive, name)
    stream.close()
    if fortran_order and len(header.shape) > 1:
        raise InputError(
            f"{path}: {name}", "is stored column by column", "save it with numpy.ascontiguousarray"
        )
    return header


def _check_images(path: Path, name: str, header: _Header) -> _Header:
    """The header again, if it is one of images."""
    shape = header.shape
    is_image = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if not is_image or header.dtype.newbyteorder("=") not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise InputError(
            f"{path}: {name}",
            f"expected uint8 or uint16 [N, H, W] or [N, H, W, 3], got {header.dtype} {list(shape)}",
            _VOLUMES if len(shape) in (4, 5) and shape[3] > 4 else "save them as uint8 or uint16",
        )
    if not 0 < shape[1] * shape[2] <= MAX_PIXELS:
        raise InputError(f"{path}: {name}", f"expected 1 to {MAX_PIXELS} pixels an image, got {shape[1:3]}")
    return header


def _check_count(path: Path, count: int) -> None:
    """Checks how many images there are: each takes memory and time, but in the file perhaps nothing."""
    file_bytes = os.stat(path).st_size
    most = min(MAX_IMAGES, max(_FEW_IMAGES, file_bytes // _LEAST_BYTES))
    if count > most:
        raise InputError(path, f"expected at most {most} images of a file of {file_bytes} bytes, got {count}")


def _labels(path: Path, archive: zipfile.ZipFile, name: str, count: int) -> list[str]:
    """One label an image, as text."""
    header = _header(path, archive, name)
    shape = header.shape
    if len(shape) == 2 and shape[1] > 1:
        raise InputError(
            f"{path}: {name}",
            f"expected one label an image, got {shape[1]}",
            "as many as in the other parts: sets of findings are rows of 0 and 1",
        )
    is_vector = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not is_vector or header.dtype.kind not in "iuU" or header.dtype.itemsize > 4096:
        raise InputError(
            f"{path}: {name}",
            f"expected whole numbers or words [N] or [N, 1], got {header.dtype} {list(shape)}",
        )
    if shape[0] != count:
        raise InputError(f"{path}: {name}", f"expected {count} labels, one an image, got {shape[0]}")
    return [str(row.item()) for row in read_rows(path, archive, name, count)]


def _find_findings(
    path: Path, archive: zipfile.ZipFile, label_names: list[str] | None, has_none: bool
) -> Findings | None:
    """The findings of a set with a row of 0 and 1 for each image; None where each has one label."""
    shape = _header(path, archive, "train_labels").shape
    if len(shape) != 2 or (shape[1] < 2 and not has_none):
        return None
    known = CHEST_MNIST if path.name.lower().startswith("chestmnist") else None
    names = label_names or known or [f"finding {number}" for number in range(shape[1])]
    if len(names) != shape[1] or shape[1] > MAX_FINDINGS:
        raise InputError(
            f"{path}: train_labels",
            f"expected a column for each of {len(names)} findings, at most {MAX_FINDINGS}, got {shape[1]}",
        )
    none = [str(row.item()) for row in read_rows(path, archive, NONE_NAME, 1)] if has_none else [NONE]
    try:
        return Findings(tuple(names), none[0] if none else NONE)
    except ValueError as error:
        raise InputError(f"{path}: {LABEL_NAMES}", str(error)) from error


def _sets_of_findings(
    path: Path, archive: zipfile.ZipFile, name: str, count: int, findings: Findings
) -> list[str]:
    """The set of findings of each image, as text."""
    header = _header(path, archive, name)
    if header.shape != (count, len(findings.names)) or header.dtype.kind not in "iub":
        raise InputError(
            f"{path}: {name}",
            f"expected whole numbers [{count}, {len(findings.names)}], got {header.dtype} {list(header.shape)}",
        )
    texts = []
    for row, states in enumerate(read_rows(path, archive, name, count)):
        if not ((states == 0) | (states == 1)).all():
            raise InputError(f"{path}: {name}", f"expected 0 and 1 in row {row}, got {states.max()}")
        texts.append(findings.text(states.astype(np.int8)))
    return texts


def _label_names(path: Path, archive: zipfile.ZipFile) -> list[str]:
    """The name of each label number, from 0."""
    header = _header(path, archive, LABEL_NAMES)
    if len(header.shape) != 1 or header.dtype.kind != "U" or not 0 < header.shape[0] <= _MAX_LABELS:
        raise InputError(
            f"{path}: {LABEL_NAMES}", f"expected words [N], got {header.dtype} {list(header.shape)}"
        )
    names = [
        unicodedata.normalize("NFC", str(row.item()))
        for row in read_rows(path, archive, LABEL_NAMES, header.shape[0])
    ]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: {LABEL_NAMES}", "expected a name for each label, got one twice")
    return names


def _named(path: Path, name: str, labels: list[str], label_names: list[str]) -> list[str]:
    """Labels by name where they are numbers."""
    if unnamed := [label for label in labels if not (label.isdecimal() and int(label) < len(label_names))]:
        raise InputError(
            f"{path}: {name}",
            f"expected numbers from 0 to {len(label_names) - 1}, one of {LABEL_NAMES}, got {unnamed[0]}",
        )
    return [label_names[int(label)] for label in labels]


def read_rows(path: Path, archive: zipfile.ZipFile, name: str, count: int) -> Iterator[np.ndarray]:
    """The first rows of an array, one after the other, read as a stream; raises InputError if it is broken."""
    stream, header, _ = _member(path, archive, name)
    with stream:
        for index in range(min(count, header.shape[0])):
            raw = _read(path, stream, name, header.row_bytes)
            if len(raw) != header.row_bytes:
                raise InputError(f"{path}: {name}", f"ends at row {index} of {header.shape[0]}")
            row = np.frombuffer(raw, header.dtype).reshape(header.shape[1:])
            yield row.astype(header.dtype.newbyteorder("=")) if not header.dtype.isnative else row


def _read(path: Path, stream: IO[bytes], name: str, count: int) -> bytes:
    try:
        return stream.read(count)
    except _FAILURES as error:
        raise InputError(f"{path}: {name}", f"is broken ({str(error)[:120]})") from error
