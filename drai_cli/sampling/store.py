"""Writes the images of a `sample` job, each in files of its own or in tar files; a file is written whole or not at all.

An existing file that the job would not make is never replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.durable import is_torn
from drai_cli.io.files import atomic_writer, explain_os_error, file_sha256, open_regular
from drai_cli.io.tar import make_tar_end, make_tar_member
from drai_cli.sampling.journal import COPY, Digests, Journal, Reason, digest_of, reason_of
from drai_cli.sampling.layout import Tars, tar_name
from drai_cli.sampling.plan import Item, Plan

NEW_FOLDER = "choose another --out, or --overwrite"
_RESUME = "written images are kept: free space or fix the permissions, then the same command resumes"
_CHUNK_BYTES = 1 << 20

Placed = Digests | bytes
"""What the thread that made an image returns: the sha256 of its files, or the bytes for a tar or npz file."""


class Store(Protocol):
    """Writes the images of one part of a job."""

    def find_missing(self, start: int, stop: int) -> list[int]:
        """Which of the images at these positions neither exist unchanged nor were left out."""

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        """Writes or packs an image's files. Safe in threads."""

    def record(self, position: int, placed: Placed | Reason) -> None:
        """Records that an image was placed, or why it was left out; called in the order of the positions."""

    def finish(self) -> None:
        """Writes what is only written when all images are done."""

    def list_entries(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        """Names and digests that the manifest lists for the images at these positions; see `journal.digest_of`."""

    def close(self) -> None:
        """Removes an unfinished file."""


class FileStore:
    """Writes every image to files of its own."""

    def __init__(self, out: Path, plan: Plan, journal: Journal, *, overwrite: bool) -> None:
        self.out, self.plan, self.journal, self.overwrite = out, plan, journal, overwrite

    def find_missing(self, start: int, stop: int) -> list[int]:
        entries = zip(self.plan.items(start, stop), self.journal.read(start, stop), strict=True)
        return [start + i for i, (item, digests) in enumerate(entries) if not self._is_done(item, digests)]

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        for name, data in zip(self.plan.file_names(item), files, strict=True):
            path = self.out / name
            with os_errors_as_input_errors(path):
                if path.exists() and not self.overwrite:
                    found = _read_start(path, len(data))
                    # A power cut leaves part of the right file; anything else is the user's.
                    if found != data and not is_torn(found, data):
                        raise OverwriteError(path, "another file has this name", NEW_FOLDER)
            # Not synced: a file that a power cut damages is known by its digest, and made again.
            with os_errors_as_input_errors(path), atomic_writer(path, sync=False) as file:
                file.write(data)
        return tuple(hashlib.sha256(data).hexdigest() for data in files)

    def record(self, position: int, placed: Placed | Reason) -> None:
        digests = (digest_of(placed),) * self.plan.files_per_image if isinstance(placed, str) else placed
        assert isinstance(digests, tuple)
        with os_errors_as_input_errors(self.out):
            self.journal.write(position, [digests])

    def finish(self) -> None:
        pass

    def list_entries(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        for first in range(start, stop, 4096):
            last = min(first + 4096, stop)
            for item, digests in zip(
                self.plan.items(first, last), self.journal.read(first, last), strict=True
            ):
                yield from zip(self.plan.file_names(item), digests, strict=True)

    def close(self) -> None:
        pass

    def _is_done(self, item: Item, digests: Digests) -> bool:
        if reason_of(digests):
            return True
        names = self.plan.file_names(item)
        return bool(digests) and all(
            sha256_of(self.out / name) == digest for name, digest in zip(names, digests, strict=True)
        )


class TarStore:
    """Writes images to tar files, in order; a tar file is recorded when its last image is in it.

    The journal's digest of an image is the sha256 of its tar file.
    """

    def __init__(self, out: Path, plan: Plan, tars: Tars, journal: Journal, *, overwrite: bool) -> None:
        self.out, self.plan, self.tars, self.journal, self.overwrite = out, plan, tars, journal, overwrite
        self._last_checked: tuple[int, bool] = (-1, False)  # number of a tar file, and whether it is done
        self._open = ExitStack()
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._first = 0
        self._reasons: list[Reason | None] = []

    def find_missing(self, start: int, stop: int) -> list[int]:
        return [position for position in range(start, stop) if not self._is_done(position // self.tars.unit)]

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        names = [name.rpartition("/")[2] for name in self.plan.file_names(item)]
        return b"".join(make_tar_member(name, data) for name, data in zip(names, files, strict=True))

    def record(self, position: int, placed: Placed | Reason) -> None:
        if position % self.tars.unit == 0:
            self._begin(position)
        if self._file is None or position != self._first + len(self._reasons):
            self.close()  # an earlier image is missing: the next command makes this tar file
            return
        reason = placed if isinstance(placed, str) else None
        with os_errors_as_input_errors(self._path):
            self._write(placed if isinstance(placed, bytes) else b"")
        self._reasons.append(reason)
        if position + 1 in (self._first + self.tars.unit, self.plan.total):
            self._finish()

    def finish(self) -> None:
        pass

    def list_entries(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        for first, last in self.tars.ranges(start, stop):
            digests = [digest for (digest,) in self.journal.read(first, last)]
            yield tar_name(first // self.tars.unit), _find_digest(digests) or digest_of(COPY)
            if reason_of(digests):
                for item, digest in zip(self.plan.items(first, last), digests, strict=True):
                    if reason_of((digest,)):
                        yield self.plan.file_name(item), digest

    def close(self) -> None:
        self._file = None
        # Its last bytes may not fit on the disk: it is removed all the same.
        with suppress(_UnfinishedError, InputError), self._open:
            raise _UnfinishedError

    @property
    def _path(self) -> Path:
        return self.out / tar_name(self._first // self.tars.unit)

    def _is_done(self, number: int) -> bool:
        """Whether a tar file exists as the journal has it, or all of its images were left out."""
        if self._last_checked[0] != number:
            first = number * self.tars.unit
            entries = self.journal.read(first, min(first + self.tars.unit, self.plan.total))
            digest = _find_digest([digest for entry in entries for digest in entry])
            is_done = all(entries) and (digest is None or sha256_of(self.out / tar_name(number)) == digest)
            self._last_checked = number, is_done
        return self._last_checked[1]

    def _begin(self, position: int) -> None:
        self.close()
        self._first, self._reasons, self._size, self._digest = position, [], 0, hashlib.sha256()
        with os_errors_as_input_errors(self._path):
            self._file = self._open.enter_context(atomic_writer(self._path, sync=False))

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def _finish(self) -> None:
        assert self._file is not None
        digest = ""
        if None in self._reasons:
            with os_errors_as_input_errors(self._path):
                self._write(make_tar_end(self._size))
                self._file.flush()
                is_new = self.overwrite or not self._path.exists()
                if not is_new and not is_beginning(self._path, Path(self._file.name)):
                    raise OverwriteError(self._path, "another file has this name", NEW_FOLDER)
                self._open.close()
            digest = self._digest.hexdigest()
        self.close()
        with os_errors_as_input_errors(self.out):
            entries = ((digest_of(reason) if reason else digest,) for reason in self._reasons)
            self.journal.write(self._first, entries)


class _UnfinishedError(Exception):
    """Ends the writing of an unfinished file, which is then removed."""


def sha256_of(path: Path) -> str | None:
    """The sha256 of a file; None if it does not exist, empty if it cannot be read."""
    if not path.exists():
        return None
    try:
        return file_sha256(path)
    except InputError:
        return ""


@contextmanager
def os_errors_as_input_errors(path: Path) -> Iterator[None]:
    """Raises an `OSError` as an `InputError` with a hint."""
    try:
        yield
    except OSError as error:
        raise InputError(
            error.filename or path, f"cannot be written ({explain_os_error(error, path)})", _RESUME
        ) from error
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(error.subject, error.message, _RESUME) from error.__cause__
        raise


def _find_digest(digests: list[str]) -> str | None:
    """The sha256 of a tar file from its images' digests; None if all of them were left out."""
    return next((digest for digest in digests if not reason_of((digest,))), None)


def _read_start(path: Path, size: int) -> bytes:
    """The first bytes of a file, at most `size + 1`."""
    with open_regular(path, max_bytes=None) as file:
        return file.read(size + 1)


def is_beginning(path: Path, other: Path) -> bool:
    """Whether another file begins with the bytes of this one, up to zeros at its end."""
    is_same = True
    with open_regular(path, max_bytes=None) as file, open_regular(other, max_bytes=None) as whole:
        for chunk in iter(partial(file.read, _CHUNK_BYTES), b""):
            expected = whole.read(len(chunk))
            if chunk == expected if is_same else not chunk.strip(b"\0"):
                continue
            if not is_same or not is_torn(chunk, expected):
                return False
            is_same = False
    return True
