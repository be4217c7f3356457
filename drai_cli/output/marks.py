"""Marks: what every written image says of itself, and how it is read from a file of any format."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from drai_cli import __version__
from drai_cli.errors import InputError
from drai_cli.io.about import parse_json_marks
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.files import BROKEN, MAX_SIDECAR_BYTES, open_regular
from drai_cli.io.raster_formats import read_raster_marks
from drai_cli.io.registry import format_by_suffix

_NAMES = ("synthetic", "tool", "version", "weights_sha256", "label", "seed", "index", "condition", "made_by")
# What reading foreign files is known to raise.
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


def read_marks(path: Path) -> dict[str, str]:
    """The marks of a file; empty if it has none. `synthetic` is `yes` where the file's own flag says so.

    Raises:
        InputError: It cannot be read.
    """
    with _convert_failures(str(path)):
        open_regular(path, max_bytes=None).close()  # a pipe would be waited for
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.name.lower().endswith(".npz"):
                return _npz_marks(path)
            format = format_by_suffix(path.name) or DICOM
            return {} if format.read_marks is None else format.read_marks(path)


def marks_of_member(name: str, data: bytes) -> dict[str, str]:
    """The marks of a member of a WebDataset tar, a `.png` or its `.json`; raises as `read_marks`."""
    with _convert_failures(name):
        return parse_json_marks(data) if name.endswith(".json") else read_raster_marks(io.BytesIO(data))


@contextmanager
def _convert_failures(subject: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _FAILURES as error:
        raise InputError(subject, f"its marks cannot be read ({type(error).__name__})") from error


def _npz_marks(path: Path) -> dict[str, str]:
    with open_regular(path, max_bytes=None) as raw, np.load(raw, allow_pickle=False) as file:
        small = {info.filename for info in file.zip.infolist() if info.file_size <= MAX_SIDECAR_BYTES}
        arrays = {name: file[name] for name in _NAMES if f"{name}.npy" in small}
    return {name: str(text) for name, text in arrays.items() if text.ndim == 0 and text.dtype.kind == "U"}
