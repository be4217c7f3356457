"""The files of a folder, a zip or a DICOMDIR: names, and what opens each. Zips are read in memory, within bounds."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from drai_cli.errors import InputError
from drai_cli.io.dicom.file import FAILURES, items, parse_stream, text
from drai_cli.io.dicom.signature import PREAMBLE, begins_as_dicom
from drai_cli.io.files import MAX_FILE_BYTES, open_regular

Open = Callable[[], IO[bytes]]
ZIP_FAILURES = (zipfile.BadZipFile, *FAILURES)
MAX_FILES = 50_000
_MAX_ZIP_BYTES = 1 << 31
_FREE_BYTES, _MOST_PER_BYTE = 64 << 20, 64
"""What a file in a zip may become: so much, and so much more for each of its bytes there."""
_CHUNK = 1 << 20


class _Unpacked(io.BytesIO):
    """A file of a zip, in memory.

    Attributes:
        stored_bytes: Bytes that it has in the zip.
    """

    stored_bytes: int


def stored_bytes(file: IO[bytes]) -> int:
    """Bytes that an open file has where it is stored: in a zip fewer than it has once it is unpacked."""
    if isinstance(file, _Unpacked):
        return file.stored_bytes
    place = file.tell()
    size = file.seek(0, 2)
    file.seek(place)
    return size


def list_files(path: Path, opened: ExitStack) -> Iterator[tuple[str, Open]]:
    """Names of the files, and what opens each while `opened` is open."""
    if path.is_dir():
        yield from _files_of_folder(path)
    elif path.suffix.lower() == ".zip":
        yield from _files_of_zip(path, opened)
    else:
        yield from _files_of_dicomdir(path)


def _files_of_folder(folder: Path) -> Iterator[tuple[str, Open]]:
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(base) / name
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path, lambda path=path: open_regular(path)  # type: ignore[misc]


def _files_of_zip(path: Path, opened: ExitStack) -> Iterator[tuple[str, Open]]:
    subject = str(path)
    archive = opened.enter_context(
        zipfile.ZipFile(opened.enter_context(open_regular(path, max_bytes=_MAX_ZIP_BYTES)))
    )
    members = [
        member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)
    ]
    if len(members) > MAX_FILES:
        raise InputError(subject, f"expected at most {MAX_FILES} files, got {len(members)}")
    if any(member.flag_bits & 1 for member in members):
        raise InputError(subject, "is encrypted", "unpack it first")
    if sum(member.file_size for member in members) > _MAX_ZIP_BYTES:
        raise InputError(subject, f"expected at most {_MAX_ZIP_BYTES} bytes when unpacked, got more")
    for member in members:
        name = f"{subject}: {member.filename}"
        yield name, lambda name=name, member=member: _zip_member(name, archive, member)  # type: ignore[misc]


def _is_hidden(name: str) -> bool:
    """Whether a folder's reader would ignore it: hidden names, and what macOS adds to its zips."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _zip_member(subject: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A member in memory: never more of it than the archive's directory says and a file may have."""
    most = min(MAX_FILE_BYTES // 2, _FREE_BYTES + _MOST_PER_BYTE * member.compress_size)
    if member.file_size > most:
        raise InputError(subject, f"expected at most {most} bytes, got {member.file_size}")
    try:
        with archive.open(member) as stream:
            made = _Unpacked(stream.read(PREAMBLE + 4))
            made.stored_bytes = member.compress_size
            if not begins_as_dicom(made.getvalue()):  # nobody reads on
                return made
            made.seek(0, 2)
            while chunk := stream.read(_CHUNK):
                made.write(chunk)
            made.seek(0)
            return made
    except ZIP_FAILURES as error:
        raise InputError(subject, f"is broken in the zip ({type(error).__name__})") from error


def _files_of_dicomdir(path: Path) -> Iterator[tuple[str, Open]]:
    """The files that a DICOMDIR names (PS3.3 F.3), none outside of its folder."""
    with open_regular(path) as file:
        dataset = parse_stream(str(path), file)
    root = path.parent.resolve()
    for record in items(dataset, "DirectoryRecordSequence"):
        parts = text(record, "ReferencedFileID").split("\\")
        if parts == [""]:
            continue
        target = _find_below(root, parts)
        if target is None:
            raise InputError(path, "names a file outside of its own folder, or none that is there")
        yield target, lambda target=target: open_regular(target)  # type: ignore[misc]


def _find_below(root: Path, parts: Sequence[str]) -> Path | None:
    """The file of these name parts below a folder, in upper or lower case; None where it is missing or outside."""
    place = root
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            return None
        exact = place / part
        if not exact.exists():
            exact = next((p for p in place.iterdir() if p.name.lower() == part.lower()), exact)
        place = exact
    return place if place.is_file() and place.resolve().is_relative_to(root) else None
