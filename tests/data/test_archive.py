"""Data sets in archives: unpacked once, whole or not at all, and never out of the cache."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data import archive
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError
from drai_cli.settings.data_options import SourceOptions
from drai_cli.workflows.inspect import ImageReport, inspect

RANDOM = np.random.default_rng(0)


def png(seed=0):
    buffer = io.BytesIO()
    PillowImage.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def members(top="set/"):
    return {f"{top}{label}/{index}.png": png(index + ord(label)) for label in "ab" for index in range(3)}


def write_zip(path, content, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items():
            made.writestr(name, data, **options)
    return path


def write_tar(path, content, mode="w:gz"):
    with tarfile.open(path, mode) as made:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("top", ["set/", ""])
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2"])
def test_a_set_in_an_archive_is_the_set_in_its_folder(tmp_path, suffix, top):
    junk = {"__MACOSX/set/a/._0.png": b"x", f"{top}a/.DS_Store": b"x"}
    path, modes = tmp_path / f"s{suffix}", {".tar": "w", ".tar.bz2": "w:bz2"}
    content = members(top) | junk
    write_zip(path, content) if suffix == ".zip" else write_tar(path, content, modes.get(suffix, "w:gz"))
    found = find_image_set(path)
    assert [entry.name for entry in found.entries] == [f"{label}/{i}.png" for label in "ab" for i in range(3)]
    assert {entry.values["label"] for entry in found.entries} == {"a", "b"}
    assert not list(found.root.rglob(".DS_Store"))


def test_it_is_unpacked_once_and_again_if_it_changed_or_a_file_is_gone(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "s.zip", members())
    calls = []
    unpack = archive._unpack
    monkeypatch.setattr(archive, "_unpack", lambda *given: (calls.append(1), unpack(*given)))
    first = archive.unpack_archive(path)
    assert archive.unpack_archive(path) == first
    assert len(calls) == 1
    (first / "a" / "1.png").unlink()
    assert archive.unpack_archive(path) == first
    assert (first / "a" / "1.png").exists()
    os.utime(path, ns=(1, 1))
    assert archive.unpack_archive(path) != first
    assert len(calls) == 3


def test_windows_separators(tmp_path):
    path = write_zip(tmp_path / "s.zip", {})
    with zipfile.ZipFile(path, "w") as made:
        for name, data in members().items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            made.writestr(info, data)
    assert len(find_image_set(path).entries) == 6


@pytest.mark.parametrize(
    "name", ["../x.png", "/x.png", "a/../../x.png", "C:/x.png", "a\\..\\..\\x.png", "a//x.png"]
)
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_names_that_lead_out(tmp_path, cache, name, suffix):
    content = members() | {name: png()}
    path = tmp_path / f"s{suffix}"
    write_zip(path, content) if suffix == ".zip" else write_tar(path, content)
    with pytest.raises(InputError, match="points outside of the archive") as raised:
        archive.unpack_archive(path)
    assert "unpack it yourself" in raised.value.hint
    check_clean(tmp_path, cache, path)


def check_clean(tmp_path, cache, *kept):
    assert not [item for item in cache.iterdir() if "unpacked" in item.name]
    assert set(tmp_path.iterdir()) == {cache, *kept}


def test_links_and_devices(tmp_path, cache):
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="got a link or device"):
        archive.unpack_archive(tmp_path / "s.zip")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        with tarfile.open(tmp_path / "s.tar", "w") as made:
            info = tarfile.TarInfo("a/x.png")
            info.type, info.linkname = kind, "/etc/passwd"
            made.addfile(info)
        with pytest.raises(InputError, match="got a link or device"):
            archive.unpack_archive(tmp_path / "s.tar")
    check_clean(tmp_path, cache, tmp_path / "s.zip", tmp_path / "s.tar")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide(tmp_path, cache):
    for content in ([("a/x.png", b"1"), ("a/x.png", b"2")], [("a/x.png", b"1"), ("a/x.png/y.png", b"2")]):
        with zipfile.ZipFile(tmp_path / "s.zip", "w") as made:
            for name, data in content:
                made.writestr(name, data)
        with pytest.raises(InputError, match="names collide"):
            archive.unpack_archive(tmp_path / "s.zip")
    check_clean(tmp_path, cache, tmp_path / "s.zip")


def test_bombs(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(archive, "_FREE_BYTES", 1 << 16)
    content = {f"a/{index}.png": bytes(1 << 20) for index in range(4)}
    path, tar = write_zip(tmp_path / "s.zip", content), write_tar(tmp_path / "s.tgz", content)
    for one in (path, tar):
        with pytest.raises(InputError, match="when unpacked, got"):
            archive.unpack_archive(one)
    monkeypatch.setattr(archive, "_MAX_FILES", 5)
    few = [write_zip(tmp_path / "n.zip", members()), write_tar(tmp_path / "n.tgz", members())]
    for one in few:
        with pytest.raises(InputError, match="at most 5 files"):
            archive.unpack_archive(one)
    check_clean(tmp_path, cache, path, tar, *few)


def test_encrypted_and_broken(tmp_path, cache):
    path = write_zip(tmp_path / "s.zip", members())
    whole = path.read_bytes()
    raw = bytearray(whole)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = raw.find(magic)
        raw[start + offset] |= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="is encrypted"):
        archive.unpack_archive(path)
    raw = bytearray(whole)
    raw[70] ^= 0xFF  # in the first file's data
    path.write_bytes(raw)
    with pytest.raises(InputError, match="broken"):
        archive.unpack_archive(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="broken"):
        archive.unpack_archive(path)
    tar = write_tar(tmp_path / "s.tgz", members())
    tar.write_bytes(tar.read_bytes()[:-40])
    with pytest.raises(InputError, match="broken"):
        archive.unpack_archive(tar)
    check_clean(tmp_path, cache, path, tar)


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tar.bz2"])
def test_a_tar_file_that_is_damaged_behind_its_first_member_is_not_a_smaller_one(tmp_path, cache, suffix):
    pack = {".tar": bytes, ".tgz": gzip.compress, ".tar.bz2": bz2.compress}[suffix]
    whole = write_tar(tmp_path / "whole.tar", members(), "w").read_bytes()
    place = [index for index in range(0, len(whole), 512) if whole[index : index + 5] == b"set/b"][1]
    wrong = {
        "it ends early": [whole[: place + 100], whole[:place]],
        "a header is broken": [whole[:place] + b"\xff" * 512 + whole[place + 512 :]],
        "more after its end": [whole + whole],
    }
    for words, contents in wrong.items():
        for content in contents:
            path = tmp_path / f"s{suffix}"
            path.write_bytes(pack(content))
            with pytest.raises(InputError, match=f"is broken .({words}|unexpected end of data)"):
                archive.unpack_archive(path)
            path.unlink()
    (tmp_path / f"s{suffix}").write_bytes(pack(whole))
    assert archive.unpack_archive(tmp_path / f"s{suffix}").name == "set"
    assert len(list(cache.glob("*unpacked*"))) == 1


@pytest.mark.parametrize("name", [".hidden", "set/a/9.png"])
def test_a_member_that_claims_an_exabyte_ends_at_once(tmp_path, name):
    info = tarfile.TarInfo(name)
    info.size = 1 << 60
    content = write_tar(tmp_path / "s.tar", members(), "w").read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512) + info.tobuf(tarfile.GNU_FORMAT) + bytes(5000)
    (tmp_path / "s.tgz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match=r"ends early|when unpacked, got more"):
        archive.unpack_archive(tmp_path / "s.tgz")


@pytest.mark.parametrize(("kind", "words"), [(b"L", "a name of"), (b"x", "a name of"), (b"S", "a sparse")])
def test_parts_of_a_tar_file_that_are_read_into_memory_are_bounded(tmp_path, kind, words):
    info = tarfile.TarInfo("./@LongLink")
    info.type, info.size = kind, 2 << 20
    content = write_tar(tmp_path / "s.tar", members(), "w").read_bytes()
    (tmp_path / "s.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2 << 20) + content)
    with pytest.raises(InputError, match=f"is broken .{words}"):
        archive.unpack_archive(tmp_path / "s.tar")


def write_study(tmp_path, make_dicom, place):
    """A zip of a study with two series."""
    content = {}
    for number, count in ((3, 2), (7, 4)):
        for index in range(count):
            path = make_dicom(
                tmp_path / "x.dcm", np.full((6, 7), 10 * number + index, np.uint16), uid=f"1.{number}.{index}",
                series=f"1.{number}", SeriesNumber=number, InstanceNumber=index, SeriesDescription="Miller knee",
                **place((0, 0, 2 * index)),
            )  # fmt: skip
            content[f"study/plane{number}/IM{index}"] = path.read_bytes()
    return write_zip(tmp_path / "study.zip", content)


def test_a_study_with_several_series(tmp_path, make_dicom, place, drai):
    path = write_study(tmp_path, make_dicom, place)
    refused = drai("convert", path, tmp_path / "a.nii.gz")
    assert refused.exit_code != 0
    assert "expected one series, got 2: 3 (2 files), 7 (4 files)" in refused.stderr
    assert "--series" in refused.stderr
    assert "Miller" not in refused.stderr
    assert drai("convert", path, tmp_path / "a.nii.gz", "--series", 7).exit_code == 0
    report = inspect(tmp_path / "a.nii.gz")
    assert isinstance(report, ImageReport)
    assert report.shape == (4, 6, 7)
    assert drai("convert", path, tmp_path / "b", "--series", "1.3", "--format", "dicom").exit_code == 0
    assert len(list((tmp_path / "b").iterdir())) == 2
    assert "number or UID 99" in drai("convert", path, tmp_path / "c.nii", "--series", 99).stderr
    found = find_image_set(path, label="folder")
    assert {entry.values["folder"]: 0 for entry in found.entries} == {"plane3": 0, "plane7": 0}


def test_inspect_of_archives(tmp_path, make_dicom, place):
    found = inspect(write_zip(tmp_path / "s.zip", members()), SourceOptions())
    assert found.classes == {"a": 3, "b": 3}
    content = {}
    for index in range(3):
        path = make_dicom(
            tmp_path / "x.dcm",
            np.full((6, 7), index, np.uint16),
            uid=f"1.{index}",
            **place((0, 0, 2 * index)),
        )
        content[f"IM{index}"] = path.read_bytes()
    assert inspect(write_zip(tmp_path / "one.zip", content)).shape == (3, 6, 7)


def test_a_lock_that_a_killed_process_left_goes_when_the_archive_is_opened_again(tmp_path):
    path = write_zip(tmp_path / "set.zip", members())
    folder = archive.unpack_archive(path, tmp_path / "cache")
    lock = tmp_path / "cache" / f".{folder.relative_to(tmp_path / 'cache').parts[0]}.lock"
    lock.write_text("{}")
    assert archive.unpack_archive(path, tmp_path / "cache") == folder
    assert not lock.exists()
