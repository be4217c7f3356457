"""Tar files as bytes: what the standard library writes with nothing about anybody, and no more than that is read."""

from __future__ import annotations

import io
import tarfile

import pytest

from drai_cli.errors import InputError
from drai_cli.io.tar import make_tar_end, make_tar_member, read_tar

MEMBERS = [
    ("mel_000000.png", b"\x89PNG" + bytes(700)),
    ("mel_000000.cls", b"0"),
    ("größe_000001.json", b"{}"),
    ("l" * 150 + "_000002.png", bytes(512)),
    ("empty.txt", b""),
]


def written(members: list[tuple[str, bytes]]) -> bytes:
    data = b"".join(make_tar_member(name, content) for name, content in members)
    return data + make_tar_end(len(data))


def by_library(members: list[tuple[str, bytes]], **more: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read(data: bytes) -> list[tuple[str, bytes]]:
    return list(read_tar(io.BytesIO(data), "a.tar"))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_bytes_are_those_of_the_library_and_are_read_back(count):
    data = written(MEMBERS[:count])
    assert data == by_library(MEMBERS[:count])
    assert read(data) == MEMBERS[:count]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")


def test_a_plain_name_takes_one_header():
    assert len(make_tar_member("mel_000000.png", b"1")) == 1024


def broken() -> dict[str, bytes]:
    whole = written(MEMBERS)
    header = tarfile.TarInfo("a")
    header.size = 1 << 40
    pax = tarfile.TarInfo("x")
    pax.type, pax.size = tarfile.XHDTYPE, 1 << 20
    return {
        "cut in a member": whole[:1000],
        "cut between members": whole[: len(make_tar_member(*MEMBERS[0]))],
        "no tar": b"x" * 2048,
        "empty": b"",
        "a link": by_library([("a", b"")], type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "a size of a terabyte": header.tobuf(tarfile.GNU_FORMAT) + bytes(1024),
        "an endless name": pax.tobuf() + bytes(1 << 20),
        "a damaged name": whole.replace(b" path=", b" path:"),
    }


@pytest.mark.parametrize("name", broken())
def test_what_is_broken_is_refused(name):
    with pytest.raises(InputError, match=r"^a\.tar"):
        read(broken()[name])


@pytest.mark.parametrize("name", ["a link", "a size of a terabyte", "an endless name"])
def test_what_is_claimed_is_not_read(name):
    with pytest.raises(InputError, match="expected files of at most"):
        read(broken()[name])
