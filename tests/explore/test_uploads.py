"""Images of the visitor's: read from any format, refused in words, never written."""

from __future__ import annotations

import gzip
import socket
import struct
import tempfile
import zipfile
import zlib
from urllib.parse import quote

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from drai_cli.explore import uploads
from tests.conftest import write_dicom
from tests.explore.page_server import TOKEN, picture_of, png, read, serve_page
from tests.support.patience import PATIENCE_S

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def page(tiny_model):
    with serve_page(tiny_model) as served:
        yield served


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(tmp_path):
    """One file of several formats."""
    place = tmp_path / "files"
    place.mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (20, 20)).astype(np.uint8)
    Image.fromarray(grey).save(place / "a.png")
    Image.fromarray(grey).save(place / "a.jpg")
    Image.fromarray(grey).save(place / "a.tif")
    Image.fromarray(grey).save(place / "a.bmp")
    write_dicom(place / "a.dcm", grey.astype(np.uint16))
    nib.save(nib.Nifti1Image(grey[..., None].astype(np.int16), np.eye(4)), place / "a.nii.gz")
    nib.save(nib.Nifti1Image(np.stack([grey] * 3, 2).astype(np.int16), np.eye(4)), place / "several.nii.gz")
    with zipfile.ZipFile(place / "series.zip", "w") as archive:
        archive.write(place / "a.dcm", "one.dcm")
    (place / "no_suffix").write_bytes((place / "a.dcm").read_bytes())
    return place


@pytest.mark.parametrize(
    "name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.dcm", "a.nii.gz", "series.zip", "no_suffix"]
)
def test_every_kind_is_read(page, files, name):
    status, found = read(page, (files / name).read_bytes(), name)
    assert status == 200, found
    assert (len(found["content"]), len(found["style"]), found["name"]) == (4, 6, name)
    assert picture_of(found["picture"]).shape[:2] == (16, 16)


def test_what_is_left_out_of_a_series_is_named_without_a_path(page, files):
    with zipfile.ZipFile(files / "series.zip", "a") as archive:
        archive.write(files / "a.dcm", "two.dcm")
    raw = bytearray((files / "series.zip").read_bytes())
    raw[raw.index(b"two.dcm") + 400] ^= 1  # the checksum no longer fits
    found = read(page, bytes(raw), "series.zip")[1]
    assert found["changes"][0].startswith("1 DICOM files are left out (series.zip: two.dcm")


def test_codes_are_those_of_encode(page, files, drai, tiny_model):
    found = read(page, (files / "a.png").read_bytes(), "a.png")[1]
    drai("encode", files / "a.png", "--weights", tiny_model, "--out", "codes.npz")
    with np.load("codes.npz") as codes:
        np.testing.assert_allclose(found["content"], codes["content"][0], atol=1e-5)
        np.testing.assert_allclose(found["style"], codes["style"][0], atol=1e-5)


def test_one_of_several_frames_is_chosen(page, files):
    data = (files / "several.nii.gz").read_bytes()
    status, refused = read(page, data, "several.nii.gz")
    assert status == 400
    assert refused == {
        "error": "several.nii.gz: expected one frame, got 3.",
        "hint": "choose one under Frame",
    }
    assert read(page, data, "several.nii.gz", "&frame=2")[0] == 200
    assert read(page, data, "several.nii.gz", "&frame=3")[0] == 400
    for frame in ("-1", "x", "9" * 20, "١"):
        assert read(page, data, "a.nii.gz", f"&frame={quote(frame)}")[0] == 400
    assert read(page, data, "several.nii.gz", "&frame=0&window=nonsense")[0] == 400


def bomb() -> bytes:
    """A PNG that claims 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


HOSTILE = {
    "empty.png": b"", "html.png": b"<script>alert(1)</script>", "cut.png": png()[:200], "bomb.png": bomb(),
    "noise.dcm": bytes(range(256)) * 40, "gzip.nii.gz": gzip.compress(b"\0" * 5_000_000),
    "empty.zip": b"PK\x05\x06" + b"\0" * 18, "text": b"hello", "pickle.png": b"\x80\x04N.",
    "../../etc/passwd.png": b"x", "svg.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "%22%3E%3Cimg%20src=x%3E.png": b"x",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_words(page, name):
    status, refused = read(page, HOSTILE[name], name)
    assert status == 400
    assert refused["error"].endswith(".")
    assert "/proc/" not in refused["error"]
    assert "drai-explore" not in refused["error"] + refused["hint"]
    assert page.ask("grid", {"label": "mel", "count": 1})[0] == 200


def test_an_image_is_never_written(page, files, monkeypatch):
    if not uploads.HAS_MEMORY_FILES:
        pytest.skip("no files in memory here")
    place = files.parent / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    seen = []
    real = uploads.read_for_model

    def look(path, *arguments, **more):
        seen.append(
            (path.is_symlink(), path.parent.parent == place, [p.is_symlink() for p in path.parent.iterdir()])
        )
        return real(path, *arguments, **more)

    monkeypatch.setattr(uploads, "read_for_model", look)
    assert read(page, (files / "a.dcm").read_bytes(), "a.dcm")[0] == 200
    assert seen == [(True, True, [True])]
    assert list(place.iterdir()) == []


def head_of(page, line: str) -> bytes:
    """The head of a request to read an image."""
    first = f"POST /{TOKEN}/api/read?name=a.png HTTP/1.1"
    return "\r\n".join([first, f"Host: {page.host}", f"Origin: {page.origin}", line, "", ""]).encode()


def test_an_image_that_is_too_large_is_refused_before_it_is_sent(page):
    with socket.create_connection(("127.0.0.1", page.port), timeout=PATIENCE_S) as raw:
        raw.sendall(head_of(page, f"Content-Length: {10**12}"))
        assert b" 400 " in raw.recv(100)


def test_a_size_that_is_not_said_is_bounded_too(tiny_model, monkeypatch):
    from drai_cli.explore import server

    monkeypatch.setattr(server, "MOST_BYTES", 1 << 20)
    with (
        serve_page(tiny_model, wait=False) as small,
        socket.create_connection(("127.0.0.1", small.port), timeout=PATIENCE_S) as raw,
    ):
        raw.sendall(head_of(small, "Transfer-Encoding: chunked"))
        part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(17):  # a little more than is taken
            raw.sendall(part)
        assert b" 400 " in raw.recv(100)
