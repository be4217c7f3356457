"""Hostile plain images: refused in one line, before memory or time is spent."""

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError
from drai_cli.io.image import MAX_PIXELS
from drai_cli.io.raster import read_raster
from tests.io.quietly import read_all_frames, read_image

RANDOM = np.random.default_rng(0)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


def test_hostile_files_are_input_errors(tmp_path: Path):
    noise = PillowImage.fromarray(RANDOM.integers(0, 256, (64, 64, 3), np.uint8))
    for name in ("whole.png", "whole.jpg", "whole.tif", "whole.bmp", "whole.gif"):
        noise.save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for share in (0.02, 0.5):
            broken = tmp_path / f"broken-{share}{name[5:]}"
            broken.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(InputError):
                read_image(broken)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    for name in ("empty.png", "text.png", "folder.png", "absent.png"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)


def test_flipped_bytes_never_escape_as_other_errors(tmp_path: Path):
    noise = PillowImage.fromarray(RANDOM.integers(0, 256, (24, 24, 3), np.uint8))
    random = np.random.default_rng(1)
    for suffix in ("png", "jpg", "tif", "bmp", "gif"):
        noise.save(tmp_path / f"whole.{suffix}")
        whole = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        path = tmp_path / f"flipped.{suffix}"
        for _ in range(60):
            flipped = whole.copy()
            places = random.integers(0, min(len(flipped), 400), 6)
            flipped[places] = random.integers(0, 256, 6)
            path.write_bytes(flipped.tobytes())
            for read in (read_image, read_all_frames):
                with contextlib.suppress(InputError):
                    read(path)


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (2**31 - 1, 1000), (60000, 60000)])
def test_a_bomb_is_refused_before_decoding(tmp_path: Path, width: int, height: int):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    for read in (read_image, read_all_frames):
        with pytest.raises(InputError, match=f"bomb.png: expected at most {MAX_PIXELS} pixels"):
            read(path)


def test_a_size_that_is_only_claimed_is_an_error(tmp_path: Path):
    path = tmp_path / "claims.png"
    path.write_bytes(png_header(2000, 2000))
    with pytest.raises(InputError, match="cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize(("size", "kind"), [((9000, 9000), b"VP8X"), ((16383, 16383), b"VP8L")])
def test_a_webp_bomb_is_refused_before_pillow_makes_room(tmp_path: Path, size, kind):
    width, height = (extent - 1 for extent in size)
    body = bytes(4) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    if kind == b"VP8L":
        body = b"\x2f" + (width | height << 14).to_bytes(4, "little") + bytes(10)
    raw = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(raw)) + raw)
    with pytest.raises(InputError, match=f"at most {MAX_PIXELS // 2} pixels"):
        read_image(tmp_path / "a.webp")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_devices_do_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="expected a file, got a pipe"):
        read_image(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="expected a file, got a device"):
        read_image(tmp_path / "zero.png")


def test_names_are_shown_without_control_characters(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "a\x1b[2J.png")
    assert "\x1b" not in str(caught.value)


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once(tmp_path):
    buffer = io.BytesIO()
    PillowImage.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True, quality=1)
    raw = buffer.getvalue()
    start = raw.rfind(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(raw[:start] + raw[start:-2] * 1100 + b"\xff\xd9")
    with pytest.raises(InputError, match=r"expected a JPEG of at most 1073 scans, got 11\d\d"):
        read_raster(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(raw)
    assert read_raster(tmp_path / "a.jpg").array.shape == (1, 4000, 4000)
