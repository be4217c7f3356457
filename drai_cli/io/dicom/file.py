"""DICOM files as data sets: parsed within bounds, and their elements read without exceptions.

Knows no pixels. Files are treated as hostile and confidential: errors contain no value of theirs, and no message of the
parser, which may quote one.
"""

from __future__ import annotations

import io
import math
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pydicom
import pydicom.dataset
import pydicom.multival
from pydicom import Dataset
from pydicom import uid as uids
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset

from drai_cli.errors import InputError
from drai_cli.io.dicom.signature import PREAMBLE, begins_as_dicom
from drai_cli.io.files import BROKEN, MAX_FILE_BYTES, open_regular

FAILURES = (*BROKEN, RuntimeError, AssertionError, Warning, InvalidDicomError, BytesLengthException)
"""What pydicom and its decoders are known to raise on broken files."""

# Of the Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2).
_PATIENT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize",
    "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
_MAX_INFLATED_BYTES = 1 << 29
_FREE_INFLATED_BYTES, _MOST_PER_BYTE = 64 << 20, 64
"""What a deflated file may become: so much, and so much more for each of its bytes."""
_META_BYTES = 1 << 14  # more than file meta information takes, short of private information that fills it
_DEFLATED = str(uids.DeflatedExplicitVRLittleEndian).encode()


def parse(path: Path, *, header_only: bool = False) -> Dataset:
    """`parse_stream` for a file.

    Raises:
        InputError: Missing, no DICOM, or broken.
    """
    with open_regular(path) as file:
        return parse_stream(str(path), file, header_only=header_only)


def parse_stream(subject: str, file: IO[bytes], *, header_only: bool = False) -> Dataset:
    """A DICOM data set whose `file_meta` names its transfer syntax.

    Python's warning filters, which all threads share, are left to the caller.

    Args:
        subject: What it is called in messages.
        file: Seekable.
        header_only: Stop before the pixels.

    Raises:
        InputError: No DICOM, or broken.
    """
    try:
        clipped = _Clipped(file)
        if clipped.size > MAX_FILE_BYTES:
            raise InputError(subject, f"expected at most {MAX_FILE_BYTES} bytes, got {clipped.size}")
        if not begins_as_dicom(clipped.read(PREAMBLE + 4)):
            raise InputError(subject, "expected a DICOM file, got something else")
        clipped.seek(0)
        dataset = _inflate(subject, clipped, header_only)
        if dataset is None:
            clipped.seek(0)
            dataset = pydicom.dcmread(clipped, force=True, stop_before_pixels=header_only)
        _add_syntax(dataset)
    except FAILURES as error:
        raise InputError(subject, f"is broken or no DICOM ({type(error).__name__} while parsing)") from error
    return dataset


def _inflate(subject: str, file: _Clipped, header_only: bool) -> Dataset | None:
    """The data set of a deflated file (PS3.5 A.5), within bounds; None for any other."""
    head = file.read(_META_BYTES)
    if head[PREAMBLE : PREAMBLE + 4] != b"DICM":
        return None
    if len(head) == _META_BYTES and _DEFLATED not in head:
        return None  # as nearly always; parsing twice would cost a third
    file.seek(PREAMBLE + 4)
    meta = pydicom.dataset.FileMetaDataset(
        read_dataset(cast(BinaryIO, file), False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    )
    if meta.get("TransferSyntaxUID") != uids.DeflatedExplicitVRLittleEndian:
        return None
    packed, inflater = file.read(), zlib.decompressobj(-zlib.MAX_WBITS)
    most = min(_MAX_INFLATED_BYTES, _FREE_INFLATED_BYTES + _MOST_PER_BYTE * len(packed))
    plain = inflater.decompress(packed, most)
    if inflater.unconsumed_tail:
        raise InputError(subject, f"expected at most {most} bytes after inflating, got more")
    stop = (lambda tag, vr, length: tag.group >= 0x7FE0) if header_only else None
    dataset = read_dataset(io.BytesIO(plain), False, True, stop_when=stop)
    dataset.file_meta = meta
    meta.TransferSyntaxUID = uids.ExplicitVRLittleEndian  # which it is by now
    return dataset


def _add_syntax(dataset: Dataset) -> None:
    """Adds the transfer syntax that was detected where the file does not say."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        meta = dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if not isinstance(meta.get("TransferSyntaxUID"), str):
        is_implicit, is_little = dataset.original_encoding
        explicit = uids.ExplicitVRLittleEndian if is_little else uids.ExplicitVRBigEndian
        meta.TransferSyntaxUID = uids.ImplicitVRLittleEndian if is_implicit else explicit


def syntax_of(dataset: Dataset) -> pydicom.uid.UID:
    """The transfer syntax, as `parse` left it."""
    syntax: pydicom.uid.UID = dataset.file_meta.TransferSyntaxUID
    return syntax


def element(dataset: Dataset | None, keyword: str) -> Any:
    """An element's value; None where it is absent, empty or invalid."""
    if dataset is None:
        return None
    try:
        value = dataset.get(keyword)
        return None if value is None or (hasattr(value, "__len__") and len(value) == 0) else value
    except FAILURES:
        return None


def numbers(dataset: Dataset | None, keyword: str) -> list[float]:
    """An element's numbers, all finite; empty where they are not."""
    value = element(dataset, keyword)
    if value is None:
        return []
    try:
        several = not isinstance(value, str) and hasattr(value, "__iter__")
        values = [float(entry) for entry in (value if several else [value])]
    except FAILURES:
        return []
    return values if all(map(math.isfinite, values)) else []


def number(dataset: Dataset | None, keyword: str, default: float | None = None) -> float | None:
    """An element's first number."""
    return next(iter(numbers(dataset, keyword)), default)


def whole(dataset: Dataset | None, keyword: str, default: int | None = None) -> int | None:
    """An element's whole number."""
    value = number(dataset, keyword)
    return default if value is None or not value.is_integer() else int(value)


def text(dataset: Dataset | None, keyword: str) -> str:
    """An element as text without surrounding blanks; several values joined as DICOM writes them."""
    value = element(dataset, keyword)
    if value is None or isinstance(value, bytes | Dataset | pydicom.Sequence):
        return ""
    try:
        several = not isinstance(value, str) and isinstance(value, Sequence | pydicom.multival.MultiValue)
        return "\\".join(map(str, value)).strip() if several else str(value).strip("\0 \t\r\n")
    except FAILURES:
        return ""


def items(dataset: Dataset | None, keyword: str) -> list[Dataset]:
    """The items of a sequence; empty where there is none."""
    value = element(dataset, keyword)
    return list(value) if isinstance(value, pydicom.Sequence) else []


def item(dataset: Dataset | None, keyword: str) -> Dataset | None:
    """The first item of a sequence."""
    return next(iter(items(dataset, keyword)), None)


def read_patient(path: Path) -> dict[str, str]:
    """Keyword to value of the attributes of patient and study that a file has; a conversion drops them by default.

    Raises:
        InputError: It is no DICOM file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = parse(path, header_only=True)
    return patient_of(dataset)


def patient_of(dataset: Dataset) -> dict[str, str]:
    """`read_patient` of a header."""
    # As text: a value keeps its source's character set, and ours is UTF-8.
    return {keyword: value for keyword in _PATIENT if (value := text(dataset, keyword))}


class _Clipped(io.BufferedIOBase):
    """A file that limits each read to what it has: a claimed length allocates nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self.size - self._file.tell())
        return self._file.read(left if size is None or size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
