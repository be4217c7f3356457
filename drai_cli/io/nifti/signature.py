"""How NIfTI files begin, and which two files are a pair of header and voxels (NIfTI or Analyze 7.5)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO

from drai_cli.errors import InputError

MAGIC = {348: (344, b"n+1\x00"), 540: (4, b"n+2\x00\r\n\x1a\n")}
"""Of NIfTI-1 and NIfTI-2, by the size of the header: where it stands, and what."""


PAIR_MAGIC = {348: (344, b"ni1\x00"), 540: (4, b"ni2\x00\r\n\x1a\n")}
"""The same of headers whose voxels are in another file."""
HEADER_ENDS, _VOXEL_ENDS = (".hdr", ".hdr.gz"), (".img", ".img.gz")


def open_stream(file: IO[bytes]) -> IO[bytes]:
    """The file itself, or what it holds compressed."""
    start = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file  # type: ignore[return-value]


def header_of_pair(path: Path) -> Path:
    """The header of a pair, by the path of either file."""
    return _partner(path, _VOXEL_ENDS, HEADER_ENDS)


def voxels_of_pair(path: Path) -> Path:
    """The voxels of a pair, by the path of the header; a link to them is not followed.

    Raises:
        InputError: They are not beside it.
    """
    voxels = _partner(path, HEADER_ENDS, _VOXEL_ENDS)
    if voxels == path or not voxels.is_file():
        raise InputError(path, "expected its voxels beside it (.img), got no such file", "copy both files")
    if voxels.is_symlink():
        raise InputError(path, "its voxels (.img) are a symbolic link", "copy the file itself")
    return voxels


def _partner(path: Path, ends: tuple[str, ...], others: tuple[str, ...]) -> Path:
    """The file beside it whose suffix is one of the others, where its own is one of the first; else itself."""
    name = path.name.lower()
    end = next((end for end in reversed(ends) if name.endswith(end)), None)
    if end is None:
        return path
    stem = path.name[: -len(end)]
    found = [path.with_name(stem + each) for other in others for each in (other, other.upper())]
    return next((each for each in found if each.is_file()), path)
