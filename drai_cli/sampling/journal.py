"""What a part of a `sample` job has done, on disk: for each image sha256 of its files, or that it was left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

_DIGEST_BYTES = 32
REJECTED = "ff" * _DIGEST_BYTES
"""Stands in a journal for the files of an image that was left out."""

Digests = tuple[str, ...]


@dataclass(frozen=True)
class Journal:
    """One entry an image, at its place; what is not written is zeros.

    Attributes:
        file: Open to read and write, unbuffered.
        start: Position of the part's first image.
        stop: One after that of its last.
        files: Digests in an entry.
    """

    file: IO[bytes]
    start: int
    stop: int
    files: int

    def __post_init__(self) -> None:
        self.file.truncate((self.stop - self.start) * self._entry_bytes)

    @property
    def _entry_bytes(self) -> int:
        return _DIGEST_BYTES * self.files

    def read(self, start: int, stop: int) -> list[Digests]:
        """The entries of the images at these positions; empty where there is none yet."""
        size = self._entry_bytes
        self.file.seek((start - self.start) * size)
        data = self.file.read((stop - start) * size)
        entries = (data[i : i + size] for i in range(0, len(data), size))
        return [_split(entry) if any(entry) else () for entry in entries]

    def write(self, start: int, entries: Iterable[Digests]) -> None:
        """Writes the entries of the images from a position on."""
        self.file.seek((start - self.start) * self._entry_bytes)
        self.file.write(bytes.fromhex("".join(digest for entry in entries for digest in entry)))


def _split(entry: bytes) -> Digests:
    return tuple(entry[i : i + _DIGEST_BYTES].hex() for i in range(0, len(entry), _DIGEST_BYTES))
