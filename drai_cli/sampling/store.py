"""How the images of a `sample` job get under their final names, each file whole or not at all: alone, or in tar files.

A file that is there already and is not what the job makes is somebody's, and stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.files import atomic_writer, explain_os_error, file_sha256, open_regular
from drai_cli.io.tar import make_tar_end, make_tar_member
from drai_cli.sampling.journal import REJECTED, Digests, Journal
from drai_cli.sampling.layout import Tars, tar_name
from drai_cli.sampling.plan import Item, Plan

NEW_FOLDER = "choose another --out, or --overwrite"
_GO_ON = "what is written is kept: make room or mend the permissions, and the same command goes on"
_CHUNK_BYTES = 1 << 20

Placed = Digests | bytes
"""What is known of an image when its thread is done with it: the sha256 of its files, or the bytes for a tar file."""


class Store(Protocol):
    """Where one part's images go."""

    def missing(self, start: int, stop: int) -> list[int]:
        """Which of the images at these positions are neither there, unchanged, nor left out."""

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        """Takes an image's files. Safe in threads."""

    def record(self, position: int, placed: Placed | None) -> None:
        """Writes down that an image was placed, or (None) is left out; called in the order of the positions."""

    def listed(self, start: int, stop: int) -> Iterator[tuple[str, str | None]]:
        """What a manifest lists of the images at these positions."""

    def close(self) -> None:
        """Removes what is not whole."""


class FileStore:
    """Every image in files of its own."""

    def __init__(self, out: Path, plan: Plan, journal: Journal, *, overwrite: bool) -> None:
        self.out, self.plan, self.journal, self.overwrite = out, plan, journal, overwrite

    def missing(self, start: int, stop: int) -> list[int]:
        found = zip(self.plan.items(start, stop), self.journal.read(start, stop), strict=True)
        return [
            start + offset
            for offset, (item, digests) in enumerate(found)
            if not self._is_there(item, digests)
        ]

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        for name, data in zip(self.plan.file_names(item), files, strict=True):
            path = self.out / name
            with os_errors(path):
                # What a power cut left is a beginning of the right file; anything else is somebody's.
                if path.exists() and not self.overwrite and not data.startswith(_beginning(path, len(data))):
                    raise OverwriteError(path, "there is another file of that name", NEW_FOLDER)
            with os_errors(path), atomic_writer(path) as file:
                file.write(data)
        return tuple(hashlib.sha256(data).hexdigest() for data in files)

    def record(self, position: int, placed: Placed | None) -> None:
        digests = (REJECTED,) * len(self.plan.suffixes) if placed is None else placed
        assert isinstance(digests, tuple)
        with os_errors(self.out):
            self.journal.write(position, [digests])

    def listed(self, start: int, stop: int) -> Iterator[tuple[str, str | None]]:
        for first in range(start, stop, 4096):
            last = min(first + 4096, stop)
            for item, digests in zip(
                self.plan.items(first, last), self.journal.read(first, last), strict=True
            ):
                for name, digest in zip(self.plan.file_names(item), digests, strict=True):
                    yield name, None if digest == REJECTED else digest

    def close(self) -> None:
        pass

    def _is_there(self, item: Item, digests: Digests) -> bool:
        if REJECTED in digests:
            return True
        names = self.plan.file_names(item)
        return bool(digests) and all(
            sha256_of(self.out / name) == digest for name, digest in zip(names, digests, strict=True)
        )


class TarStore:
    """Images in tar files, in order: one is begun with its first image, and written down when its last is in it.

    In the journal an image has the sha256 of the tar file that it is in.
    """

    def __init__(self, out: Path, plan: Plan, tars: Tars, journal: Journal, *, overwrite: bool) -> None:
        self.out, self.plan, self.tars, self.journal, self.overwrite = out, plan, tars, journal, overwrite
        self._looked_at: tuple[int, bool] = (-1, False)
        self._begun = ExitStack()
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._first = 0
        self._is_in: list[bool] = []

    def missing(self, start: int, stop: int) -> list[int]:
        return [position for position in range(start, stop) if not self._is_there(position // self.tars.unit)]

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        names = [name.rpartition("/")[2] for name in self.plan.file_names(item)]
        return b"".join(make_tar_member(name, data) for name, data in zip(names, files, strict=True))

    def record(self, position: int, placed: Placed | None) -> None:
        if position % self.tars.unit == 0:
            self._begin(position)
        if self._file is None or position != self._first + len(self._is_in):
            self.close()  # of what comes before it something is missing: another time
            return
        assert placed is None or isinstance(placed, bytes)
        with os_errors(self._path):
            self._write(placed or b"")
        self._is_in.append(placed is not None)
        if position + 1 in (self._first + self.tars.unit, self.plan.total):
            self._finish()

    def listed(self, start: int, stop: int) -> Iterator[tuple[str, str | None]]:
        for first, last in self.tars.ranges(start, stop):
            digests = [digest for (digest,) in self.journal.read(first, last)]
            yield tar_name(first // self.tars.unit), _only(digests)
            if REJECTED in digests:
                for item, digest in zip(self.plan.items(first, last), digests, strict=True):
                    if digest == REJECTED:
                        yield self.plan.file_name(item), None

    def close(self) -> None:
        self._file = None
        # Not even its last bytes may fit on the disk: it goes all the same.
        with suppress(_UnfinishedError, InputError), self._begun:
            raise _UnfinishedError

    @property
    def _path(self) -> Path:
        return self.out / tar_name(self._first // self.tars.unit)

    def _is_there(self, number: int) -> bool:
        """Whether the tar file that the journal has is on the disk, unchanged, or all of its images were left out."""
        if self._looked_at[0] != number:
            first = number * self.tars.unit
            entries = self.journal.read(first, min(first + self.tars.unit, self.plan.total))
            is_known = all(entries)
            digest = _only([digest for entry in entries for digest in entry])
            is_there = is_known and (digest is None or sha256_of(self.out / tar_name(number)) == digest)
            self._looked_at = number, is_there
        return self._looked_at[1]

    def _begin(self, position: int) -> None:
        self.close()
        self._first, self._is_in, self._size, self._digest = position, [], 0, hashlib.sha256()
        with os_errors(self._path):
            self._file = self._begun.enter_context(atomic_writer(self._path))

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def _finish(self) -> None:
        assert self._file is not None
        digest = REJECTED
        if any(self._is_in):
            with os_errors(self._path):
                self._write(make_tar_end(self._size))
                self._file.flush()
                if (
                    self._path.exists()
                    and not self.overwrite
                    and not _begins(self._path, Path(self._file.name))
                ):
                    raise OverwriteError(self._path, "there is another file of that name", NEW_FOLDER)
                self._begun.close()
            digest = self._digest.hexdigest()
        self.close()
        with os_errors(self.out):
            self.journal.write(self._first, ((digest if is_in else REJECTED,) for is_in in self._is_in))


class _UnfinishedError(Exception):
    """Ends the writing of a file that is not whole."""


def sha256_of(path: Path) -> str | None:
    """None if there is no such file, empty if it cannot be read."""
    if not path.exists():
        return None
    try:
        return file_sha256(path)
    except InputError:
        return ""


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """The system's refusals as errors in words."""
    try:
        yield
    except OSError as error:
        raise InputError(
            error.filename or path, f"cannot be written ({explain_os_error(error, path)})", _GO_ON
        ) from error
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(error.subject, error.message, _GO_ON) from error.__cause__
        raise


def _only(digests: list[str]) -> str | None:
    """The sha256 of a tar file by its images' entries; None where all of them were left out."""
    return next((digest for digest in digests if digest != REJECTED), None)


def _beginning(path: Path, size: int) -> bytes:
    """A file's bytes, at most one more than `size`."""
    with open_regular(path, max_bytes=None) as file:
        return file.read(size + 1)


def _begins(path: Path, other: Path) -> bool:
    """Whether a file is a beginning of another, or the whole."""
    with open_regular(path, max_bytes=None) as file, open_regular(other, max_bytes=None) as whole:
        return all(chunk == whole.read(len(chunk)) for chunk in iter(partial(file.read, _CHUNK_BYTES), b""))
