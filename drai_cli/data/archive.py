"""Data sets in archives: a zip or tar file unpacked once into the cache folder, then read as any folder.

Archives are treated as hostile: nothing is written outside of the cache, no links or devices, no more than the archive
may plausibly hold. An archive is unpacked whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drai_cli.data.cache import default_cache_dir
from drai_cli.data.tar_stream import check_end, open_tar
from drai_cli.errors import InputError
from drai_cli.io.durable import make_private_folders
from drai_cli.io.files import BROKEN, explain_os_error, open_regular
from drai_cli.io.locks import hold_lock, is_held, remove_left_lock
from drai_cli.io.room import check_room
from drai_cli.progress import SILENT, Reporter, show_bytes

_ZIP = (".zip",)
_TAR = {".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".tbz2": "bz2"}
"""Suffix to compression."""
SUFFIXES = (*_ZIP, *_TAR)
_FAILURES = (zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, RuntimeError, *BROKEN)
_UNPACK = "unpack it yourself and give the folder"
_MAX_FILES = 1 << 20
_MAX_RATIO = 100
"""Images of one colour are packed better than that, whole sets are not."""
_FREE_BYTES = 1 << 30
"""What any archive may unpack to, however small it is."""
_CHUNK = 1 << 20
_COUNT = ".files"
_ABANDONED_S = 24 * 3600.0


@dataclass(frozen=True)
class _Member:
    """A file of an archive: its safe relative name, its size as declared, and what opens it."""

    name: str
    size: int
    file: IO[bytes]


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive that can be unpacked."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def unpack_archive(path: Path, cache_dir: Path | None = None, reporter: Reporter = SILENT) -> Path:
    """The folder that an archive holds, unpacked unless it already is.

    An archive that holds nothing but one folder is that folder.

    Args:
        path: A zip or tar file.
        cache_dir: Where to; `default_cache_dir()` if not given.
        reporter: Shown the progress.

    Raises:
        InputError: It is broken, encrypted, unsafe or implausibly large, or there is no room.
    """
    cache_dir = default_cache_dir() if cache_dir is None else cache_dir
    folder = cache_dir / f"unpacked-{_key(path)[:32]}"
    lock = cache_dir / f".{folder.name}.lock"
    if _is_whole(folder):
        remove_left_lock(lock)  # of a process that was killed after its last rename
    else:
        try:
            make_private_folders(cache_dir)
            waiting = f"which unpacks {path.name}"
            with hold_lock(lock, "drai", folder, lambda who: reporter.info(f"waiting for {who}, {waiting}")):
                if not _is_whole(folder):
                    _remove_abandoned(cache_dir)
                    _unpack(path, folder, reporter)
        except OSError as error:
            reason = explain_os_error(error, cache_dir)
            raise InputError(
                cache_dir,
                f"{path.name} cannot be unpacked there ({reason})",
                "name another folder by --cache-dir or $DRAI_CACHE",
            ) from error
    return _only_folder(folder)


def _key(path: Path) -> str:
    """By name, size and times of change: hashing many gigabytes at each start would take minutes."""
    status = path.stat()
    # Of two times, since programs keep the first, and clocks are set back.
    times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
    text = f"1\0{path.resolve()}\0{status.st_size}\0{times}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether it is there with all of its files: cleaners of caches remove single ones."""
    try:
        count = int((folder / _COUNT).read_text("ascii"))
    except (OSError, ValueError):
        return False
    return count == sum(len(names) for _, _, names in os.walk(folder)) - 1


def _unpack(path: Path, folder: Path, reporter: Reporter) -> None:
    """Unpacks into a temporary folder, which gets its name when it is whole."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    temporary.mkdir(mode=0o700)
    try:
        with _members(path, temporary, reporter) as (members, declared):
            count = 0
            limit = _most_bytes(path)
            with reporter.task(f"unpacking {path.name}", declared, "files") as task:
                for member in members:
                    limit -= _write(path, temporary, member, limit)
                    count += 1
                    if count > _MAX_FILES:
                        raise InputError(path, f"expected at most {_MAX_FILES} files, got more", _UNPACK)
                    task.advance()
        if not count:
            raise InputError(path, "expected files in the archive, got none")
        (temporary / _COUNT).write_text(str(count), "ascii")
        if folder.exists():  # not whole
            os.rename(folder, temporary / ".old")
            shutil.rmtree(temporary / ".old", ignore_errors=True)
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _most_bytes(path: Path) -> int:
    return _FREE_BYTES + _MAX_RATIO * path.stat().st_size


@contextmanager
def _members(path: Path, folder: Path, reporter: Reporter) -> Iterator[tuple[Iterator[_Member], int]]:
    """The files of an archive, in its order, and how many it declares (0: unknown)."""
    try:
        with open_regular(path, max_bytes=None) as file:
            if path.name.lower().endswith(_ZIP):
                with zipfile.ZipFile(file) as archive:
                    infos = _check_zip(path, archive)
                    total = sum(info.file_size for info in infos)
                    check_room(
                        folder, f"{path.name}, unpacked", total, total,
                        "name a folder with free space by --cache-dir or $DRAI_CACHE", reporter,
                    )  # fmt: skip
                    yield _open_zip(archive, infos), len(infos)
            else:
                compression = next(by for suffix, by in _TAR.items() if path.name.lower().endswith(suffix))
                with open_tar(file, compression, 2 * _most_bytes(path)) as tar:  # headers count as well
                    yield _open_tar(path, tar), 0
    except OSError as error:
        # A broken stream, not a full disk.
        if error.errno is None:
            raise InputError(path, f"is broken ({type(error).__name__})", _UNPACK) from error
        raise
    except tarfile.ReadError as error:
        raise InputError(path, f"is broken ({str(error)[:80]})", _UNPACK) from error
    except _FAILURES as error:
        raise InputError(path, f"is broken ({type(error).__name__})", _UNPACK) from error


def _check_zip(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of a zip that are unpacked."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    kept = [info for info in infos if not _is_ignored(_safe_name(path, info.filename))]
    if len(kept) > _MAX_FILES:
        raise InputError(path, f"expected at most {_MAX_FILES} files, got {len(kept)}", _UNPACK)
    for info in kept:
        if info.flag_bits & 1:
            raise InputError(path, "is encrypted", _UNPACK)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise InputError(path, "expected files and folders, got a link or device", _UNPACK)
    total, most = sum(info.file_size for info in kept), _most_bytes(path)
    if total > most:
        raise InputError(
            path, f"expected at most {show_bytes(most)} when unpacked, got {show_bytes(total)}", _UNPACK
        )
    return kept


def _open_zip(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Iterator[_Member]:
    for info in infos:
        with archive.open(info) as file:
            yield _Member(_plain_name(info.filename), info.file_size, file)


def _open_tar(path: Path, tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        name = _safe_name(path, info.name)
        if info.isdir() or _is_ignored(name):
            continue
        file = tar.extractfile(info) if info.isreg() else None
        if file is None:
            raise InputError(path, "expected files and folders, got a link or device", _UNPACK)
        with file:
            yield _Member(name, info.size, file)
    check_end(tar)


def _plain_name(name: str) -> str:
    """With `/`: some programs of Windows write backslashes."""
    return name.replace("\\", "/").removeprefix("./")


def _safe_name(path: Path, name: str) -> str:
    """A name of a member that stays inside.

    Raises:
        InputError: It is absolute, or leads out.
    """
    plain = _plain_name(name)
    parts = plain.rstrip("/").split("/")
    if plain not in ("", ".") and (
        plain.startswith("/")
        or "\0" in plain
        or ":" in parts[0]
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise InputError(path, "holds a file name that is invalid or points outside of the archive", _UNPACK)
    return plain


def _is_ignored(name: str) -> bool:
    """What sets ignore in folders too: hidden names, and what macOS adds to its zips."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _write(path: Path, folder: Path, member: _Member, limit: int) -> int:
    """Writes a member, never more than it declares; returns its size."""
    if member.size > limit:
        most = show_bytes(_most_bytes(path))
        raise InputError(path, f"expected at most {most} when unpacked, got more", _UNPACK)
    target = folder / member.name
    try:
        make_private_folders(target.parent)
        out = open(target, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(path, "holds two files whose names collide here", _UNPACK) from error
    left = member.size
    with out:
        while left and (chunk := member.file.read(min(_CHUNK, left))):
            out.write(chunk)
            left -= len(chunk)
        is_longer = not left and bool(member.file.read(1))  # reaches the end, where the checksum is compared
    if left or is_longer:
        raise InputError(path, "is broken: a file's length is not what its entry says", _UNPACK)
    return member.size


def _only_folder(folder: Path) -> Path:
    """The folder in it, if it holds nothing else."""
    inside = [item for item in folder.iterdir() if item.name != _COUNT]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _remove_abandoned(cache_dir: Path) -> None:
    """Removes what killed processes left, after a day by this machine's clock, which may have jumped meanwhile."""
    for path in cache_dir.glob(".unpacked-*.tmp"):
        with suppress(OSError):
            lock = path.with_name(f"{path.name.rsplit('.', 2)[0]}.lock")
            if time.time() - path.stat().st_mtime > _ABANDONED_S and not is_held(lock):
                shutil.rmtree(path, ignore_errors=True)
