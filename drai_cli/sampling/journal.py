"""The journal of a part of a `sample` job, on disk: sha256 of each image's files, or that the image was left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Literal

_DIGEST_BYTES = 32

Digests = tuple[str, ...]
Reason = Literal["copy", "wrong", "trivial"]
"""Why an image is left out: a copy of a training image, or `metrics.selection`'s reasons."""
COPY: Reason = "copy"
_DIGEST_OF: dict[Reason, str] = {
    "copy": "ff" * _DIGEST_BYTES, "wrong": "fe" * _DIGEST_BYTES, "trivial": "fd" * _DIGEST_BYTES,
}  # fmt: skip
_REASON_OF: dict[str, Reason] = {digest: reason for reason, digest in _DIGEST_OF.items()}


def digest_of(reason: Reason) -> str:
    """The digest in place of that of the files of an image that was left out."""
    return _DIGEST_OF[reason]


def reason_of(digests: Iterable[str]) -> Reason | None:
    """Why an image with these digests was left out; None if it was not."""
    return next((_REASON_OF[digest] for digest in digests if digest in _REASON_OF), None)


@dataclass(frozen=True)
class Journal:
    """One entry per image, in order of position; an entry of zeros was not written yet.

    Attributes:
        file: Open for reading and writing, unbuffered.
        start: Position of the part's first image.
        stop: One after its last.
        files: Digests per entry.
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
        """The entries of the images at positions `start` to `stop - 1`; an empty one if none was written."""
        size = self._entry_bytes
        self.file.seek((start - self.start) * size)
        data = self.file.read((stop - start) * size)
        entries = (data[i : i + size] for i in range(0, len(data), size))
        return [_split(entry) if any(entry) else () for entry in entries]

    def write(self, start: int, entries: Iterable[Digests]) -> None:
        """Writes the entries of the images from position `start` on."""
        self.file.seek((start - self.start) * self._entry_bytes)
        self.file.write(bytes.fromhex("".join(digest for entry in entries for digest in entry)))


def _split(entry: bytes) -> Digests:
    return tuple(entry[i : i + _DIGEST_BYTES].hex() for i in range(0, len(entry), _DIGEST_BYTES))
