"""Marks are read from any kind of file, and a broken file is an error in words."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pytest
from PIL import Image

from drai_cli.errors import InputError
from drai_cli.io.about import About
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image
from drai_cli.output.marks import read_marks, synthetic_marks
from drai_cli.settings.image_options import IMAGE_SUFFIXES

MARKS = synthetic_marks("0" * 64, label="mélanome; a: b", seed="3", index="1")


@pytest.mark.parametrize("kind", IMAGE_SUFFIXES)
def test_marks_come_back(tmp_path, kind):
    marks = MARKS if kind != "tiff" else synthetic_marks("0" * 64, label="mel", seed="3", index="1")
    files = encode_image(kind, Stored(np.zeros((1, 4, 5), np.uint8)), About(marks, {"x": 1}))
    for suffix, data in zip(IMAGE_SUFFIXES[kind], files, strict=True):
        (tmp_path / f"a{suffix}").write_bytes(data)
    found = read_marks(tmp_path / f"a{IMAGE_SUFFIXES[kind][0]}")
    assert {name: found.get(name) for name in marks} == marks


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".gif", ".webp", ".pgm"])
def test_formats_without_marks_have_none(tmp_path, suffix):
    Image.new("L", (5, 4)).save(tmp_path / f"a{suffix}")
    assert read_marks(tmp_path / f"a{suffix}") == {}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npz", ".jpg"])
@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", os.urandom(300)])
def test_broken_files_are_errors_in_words(tmp_path, suffix, data):
    (tmp_path / f"a{suffix}").write_bytes(data)
    with pytest.raises(InputError):
        read_marks(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", os.urandom(300), b"\0" * 128 + b"DICM\xff\xff\xff"])
def test_what_may_be_dicom_says_nothing_or_is_an_error_in_words(tmp_path, data):
    (tmp_path / "a.dcm").write_bytes(data)
    with contextlib.suppress(InputError):
        assert read_marks(tmp_path / "a.dcm") == {}


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "\x00"])
def test_broken_sidecars_are_errors_in_words(tmp_path, text):
    (tmp_path / "a.nii.gz").write_bytes(b"")
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError):
        read_marks(tmp_path / "a.nii.gz")
    (tmp_path / "a.json").unlink()
    assert read_marks(tmp_path / "a.nii.gz") == {}


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match="a pipe"):
        read_marks(tmp_path / "a.png")
