"""What every image made says of itself: written as text, and read again from a file of any kind that is written."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image as PillowImage

from drai_cli import __version__
from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular

NIFTI_SUFFIXES = (".nii.gz", ".nii")
_IMAGE_DESCRIPTION = 270
_MAX_SIDECAR_BYTES = 1 << 20
_NAMES = ("synthetic", "tool", "version", "weights_sha256", "label", "seed", "index", "condition", "made_by")
# What the readers of strangers' files are known to raise.
_FAILURES = (*BROKEN, SyntaxError, RecursionError, zipfile.BadZipFile, PillowImage.DecompressionBombError)


def synthetic_marks(weights_sha256: str, **more: str) -> dict[str, str]:
    """The marks of an image that a model made; `more` says which, and never whose."""
    return {
        "synthetic": "yes",
        "tool": f"drai {__version__}",
        "version": __version__,
        "weights_sha256": weights_sha256,
        **more,
    }


def as_description(marks: Mapping[str, str]) -> str:
    """Marks as TIFF's ImageDescription."""
    return "; ".join(f"{name}: {text}" for name, text in marks.items())


def as_json(marks: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Marks as a JSON object with its own types, for a NIfTI file's sidecar."""
    found: dict[str, Any] = dict(marks)
    if "synthetic" in found:
        found["synthetic"] = found["synthetic"] == "yes"
    for name in ("seed", "index"):
        if name in found:
            found[name] = int(found[name])
    if "condition" in found:
        found["condition"] = json.loads(found["condition"])
    return {**found, **more}


def sidecar_of(path: Path) -> Path:
    """The JSON beside a NIfTI file."""
    name = path.name
    for suffix in NIFTI_SUFFIXES:
        name = name.removesuffix(suffix)
    return path.with_name(f"{name}.json")


def read_marks(path: Path) -> dict[str, str]:
    """What a file says of itself; empty if it says nothing. `synthetic` is `yes` where the file's own flag says so.

    Raises:
        InputError: It cannot be read.
    """
    name = path.name.lower()
    with _failures_told(str(path)):
        open_regular(path, max_bytes=None).close()  # a pipe would be waited for
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name.endswith(NIFTI_SUFFIXES):
                return _nifti_marks(path)
            if name.endswith(".npz"):
                return _npz_marks(path)
            if name.endswith((".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif")):
                return _raster_marks(path)
            return _dicom_marks(path)


def marks_of_member(name: str, data: bytes) -> dict[str, str]:
    """What a member of a WebDataset tar says of itself: a `.png` or the `.json` beside it; raises as `read_marks`."""
    with _failures_told(name):
        return _json_marks(data) if name.endswith(".json") else _raster_marks(io.BytesIO(data))


@contextmanager
def _failures_told(subject: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _FAILURES as error:
        raise InputError(subject, f"its marks cannot be read ({type(error).__name__})") from error


def _raster_marks(file: Path | IO[bytes]) -> dict[str, str]:
    with PillowImage.open(file, formats=("PNG", "TIFF", "JPEG", "MPO", "BMP", "GIF")) as picture:
        if picture.format == "TIFF":
            text = str(getattr(picture, "tag_v2", {}).get(_IMAGE_DESCRIPTION, ""))
            pairs = (part.partition(": ") for part in text.split("; "))
            return {pair[0]: pair[2] for pair in pairs if pair[1]} if text.startswith("synthetic: ") else {}
        if picture.format != "PNG":
            return {}
        # Only what stands before the pixels, where this tool writes it: nothing is decoded.
        return {str(name): str(text) for name, text in picture.info.items() if isinstance(text, str)}


def _dicom_marks(path: Path) -> dict[str, str]:
    import pydicom

    # Old files have no preamble; whether it is an image at all is for its reader to say.
    dataset = pydicom.dcmread(
        path, force=True, stop_before_pixels=True, specific_tags=["SyntheticData", "ImageComments"]
    )
    marks: dict[str, str] = {}
    try:
        entry = json.loads(str(dataset.get("ImageComments", "")))
        marks = {str(name): str(text) for name, text in entry.items()}
    except (ValueError, AttributeError):
        pass  # somebody's own comment
    marks.pop("synthetic", None)
    flag = str(dataset.get("SyntheticData", "")).strip()
    return {"synthetic": "yes", **marks} if flag == "YES" else marks


def _nifti_marks(path: Path) -> dict[str, str]:
    beside = sidecar_of(path)
    if not beside.is_file():
        return {}
    with open_regular(beside, max_bytes=_MAX_SIDECAR_BYTES) as file:
        return _json_marks(file.read())


def _json_marks(raw: bytes) -> dict[str, str]:
    marks = {}
    for name, value in json.loads(raw).items():
        if isinstance(value, bool):
            marks[name] = "yes" if value else "no"
        elif isinstance(value, str):
            marks[name] = value
        else:
            marks[name] = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return marks


def _npz_marks(path: Path) -> dict[str, str]:
    with open_regular(path, max_bytes=None) as raw, np.load(raw, allow_pickle=False) as file:
        small = {info.filename for info in file.zip.infolist() if info.file_size <= _MAX_SIDECAR_BYTES}
        found = {name: file[name] for name in _NAMES if f"{name}.npy" in small}
    return {name: str(text) for name, text in found.items() if text.ndim == 0 and text.dtype.kind == "U"}
