"""Tar files as bytes of names and contents alone: no time, user, host or permissions.

Members are POSIX ustar; a name that is not ASCII or over 100 bytes long has a pax header before it. Headers are those
of `tarfile`; its reader is not used, since it takes a damaged or missing header for the end of the file.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO

from drai_cli.errors import InputError

_BLOCK = tarfile.BLOCKSIZE
_MAX_NAME_BYTES = 1 << 16  # of a pax header
_MAX_MEMBER_BYTES = 1 << 28


def make_tar_member(name: str, data: bytes) -> bytes:
    """A file's header and contents, in whole blocks: a tar file is any number of these and `make_tar_end`."""
    info = tarfile.TarInfo(name)
    info.size = len(data)  # all else is the class's default: mode 644, and 0 or nothing
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    return header + data + bytes(-len(data) % _BLOCK)


def make_tar_end(size: int) -> bytes:
    """The end of a tar file with so many bytes of members: two blocks of zeros, filled up to a whole record."""
    return bytes(2 * _BLOCK + -(size + 2 * _BLOCK) % tarfile.RECORDSIZE)


def read_tar(file: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the members of a tar file such as `make_tar_member` makes, in order and in bounded memory.

    Args:
        file: Open to read.
        name: Its name, for errors.

    Raises:
        InputError: It is broken, or holds anything but regular files of at most 256 MiB.
    """
    longer = ""
    while (header := _read(file, _BLOCK, name)) != bytes(_BLOCK):
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
            is_pax = info.type == tarfile.XHDTYPE
            most = _MAX_NAME_BYTES if is_pax else _MAX_MEMBER_BYTES
            if not (is_pax or info.type == tarfile.REGTYPE) or not 0 <= info.size <= most:
                raise InputError(name, f"expected files of at most {most} bytes, got something else")
            data = _read(file, info.size, name)
            _read(file, -info.size % _BLOCK, name)
            if is_pax:
                longer = _pax_path(data)
                continue
        except (tarfile.TarError, ValueError) as error:
            raise InputError(name, "it is no tar file, or damaged") from error
        yield longer or info.name, data
        longer = ""


def _pax_path(data: bytes) -> str:
    """The name in a pax header's records, each `length keyword=value` and a line's end."""
    while data:
        length = int(data.partition(b" ")[0])
        keyword, sign, value = data[:length].partition(b" ")[2].partition(b"=")
        if not (0 < length <= len(data) and sign and value.endswith(b"\n")):
            raise ValueError("a pax header")
        if keyword == b"path":
            return value[:-1].decode("utf-8")
        data = data[length:]
    return ""


def _read(file: IO[bytes], size: int, name: str) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise InputError(name, "it ends too early")
    return data
