"""Tar files of strangers, compressed or not, as one stream that is read once and bounded.

Python's tarfile keeps to itself that a file is cut or damaged after its first member, and reads names and maps of any
length into memory: a file of a kilobyte may make it read for hours. Here each is an error.
"""

from __future__ import annotations

import bz2
import gzip
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Self

_MAX_NAME_BYTES = 1 << 20
_CHUNK = 1 << 20
_MOST_EMPTY_READS = 100  # tarfile reads on to where a member should end, for years if its header says so
_LONG = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class _Member(tarfile.TarInfo):
    """A member whose header is whole, and whose names are of a length that names have."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends early")
        if not any(buf):
            return super().frombuf(buf, encoding, errors)  # the end, as tarfile marks it
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("a header is broken") from error
        if member.type in _LONG and member.size > _MAX_NAME_BYTES:
            raise tarfile.ReadError("a name of many bytes")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        return member

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise tarfile.ReadError("a sparse file")  # its map may be of any length


class _Bounded:
    """A stream that ends by an error where it is longer than `most` bytes."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self.stream, self.left = stream, most
        self.empty_reads = 0

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        self.empty_reads += not data
        if self.empty_reads > _MOST_EMPTY_READS:
            raise tarfile.ReadError("it ends early")
        if self.left < 0:
            raise tarfile.ReadError("more than it may hold")
        return data


@contextmanager
def open_tar(file: IO[bytes], compression: str, most: int) -> Iterator[tarfile.TarFile]:
    """A tar file to iterate over once, each member being read before the next; `check_end` comes after the last.

    Args:
        file: Its bytes.
        compression: `gz`, `bz2` or empty.
        most: Bytes that are decompressed at most, those of skipped members included.

    Raises:
        tarfile.TarError, OSError, EOFError: It is broken, or longer than that.
    """
    with ExitStack() as stack:
        stream: Any = file
        if compression == "gz":
            stream = stack.enter_context(gzip.GzipFile(fileobj=file))
        elif compression == "bz2":
            stream = stack.enter_context(bz2.BZ2File(file))
        bounded: Any = _Bounded(stream, most)
        yield stack.enter_context(tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Member))


def check_end(tar: tarfile.TarFile) -> None:
    """Checks that nothing but zeros follows the last member.

    Raises:
        tarfile.ReadError: Another tar file follows, which would be left out.
    """
    stream: Any = tar.fileobj
    while chunk := stream.read(_CHUNK):
        if any(chunk):
            raise tarfile.ReadError("more after its end")
