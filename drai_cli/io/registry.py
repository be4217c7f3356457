"""The formats of image files, listed once. All that reads, writes or looks for images asks here which there are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from drai_cli.io.dicom.format import DICOM
from drai_cli.io.format import Format
from drai_cli.io.itk.format import MHA, NRRD
from drai_cli.io.nifti.format import ANALYZE, MGH, NIFTI
from drai_cli.io.not_read import NOT_READ
from drai_cli.io.raster_formats import BMP, GIF, JPEG, PGM, PNG, TIFF, WEBP

# Where several recognise a file by its content, the first is taken.
FORMATS: tuple[Format, ...] = (PNG, JPEG, TIFF, BMP, GIF, WEBP, PGM, DICOM, NIFTI, ANALYZE, MGH, MHA, NRRD)


def format_named(name: str) -> Format:
    """The format of this name; KeyError where there is none."""
    return {one.name: one for one in FORMATS}[name]


def format_by_suffix(name: str) -> Format | None:
    """The format that a file's name alone says."""
    name = name.lower()
    for one in FORMATS:
        if name.endswith(one.suffixes) and name not in one.suffixes:
            return one
    return None


def find_format(path: Path) -> Format | None:
    """The format of a file, folder or archive: by its suffix, else by its content; None where it is no image.

    A file that is missing or cannot be opened has no content.
    """
    for one in FORMATS:
        if one.is_collection is not None and one.is_collection(path):
            return one
    by_suffix = format_by_suffix(path.name)
    if by_suffix is not None:
        return by_suffix
    return format_of_content(path)


def format_of_content(path: Path) -> Format | None:
    """The format that a file begins as, whatever its name; None for what is no regular file of any."""
    # Medical formats first: a DICOM file may begin as a TIFF does (PS3.10 7.1).
    ordered = sorted(FORMATS, key=lambda one: not one.is_medical)
    return next((one for one in ordered if one.is_content is not None and one.is_content(path)), None)


def hint_for(name: str) -> str:
    """What to do with a file of a well-known format that is not read; empty for any other."""
    return next((hint for suffixes, hint in NOT_READ.items() if name.lower().endswith(suffixes)), "")


def medical_formats() -> dict[str, Format]:
    """The formats whose files hold values, by name."""
    return {one.name: one for one in FORMATS if one.is_medical}


def list_titles(formats: Iterable[Format], conjunction: str = "and") -> str:
    """What formats are called, for a message: `PNG, JPEG and TIFF`."""
    *first, last = (one.title for one in formats)
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def describe_formats() -> str:
    """What is read, for a message where images are missing."""
    plain = list_titles([one for one in FORMATS if not one.is_medical], "or")
    medical = list_titles([one for one in FORMATS if one.is_medical], "or")
    return f"images are {plain} files, volumes and scans {medical} files"


def strip_suffix(name: str) -> str:
    """A file's name without the suffix of its format; unchanged where that is not known."""
    by_suffix = format_by_suffix(name)
    if by_suffix is None:
        return name
    return name[: -max(len(suffix) for suffix in by_suffix.suffixes if name.lower().endswith(suffix))]


def stem_of(name: str) -> str:
    """A file's name without the suffix of its format, or else without what follows its last dot."""
    stripped = strip_suffix(name)
    return stripped if stripped != name else PurePath(name).stem
