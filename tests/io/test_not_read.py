"""Formats that are not read are named with what to do, where images are expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError
from drai_cli.io.not_read import NOT_READ
from drai_cli.io.raster import write_png
from drai_cli.io.read import read_stack
from drai_cli.io.registry import FORMATS, hint_for
from drai_cli.progress import Reporter
from drai_cli.workflows.inspect import inspect


def test_no_suffix_is_both_read_and_not():
    read = {suffix for one in FORMATS for suffix in one.suffixes}
    named = [suffix for suffixes in NOT_READ for suffix in suffixes]
    assert len(named) == len(set(named))
    assert not read & set(named)
    assert all("\n" not in hint for hint in NOT_READ.values())


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.heic", "convert it to PNG"), ("A.SVS", "whole slide"), ("a.npy", "an array"), ("a.mat", "an array"),
     ("a.czi", "Fiji"), ("a.mnc", "NIfTI first"), ("a.mp4", "ffmpeg"), ("a.raw", "their header")],
)  # fmt: skip
def test_a_file_is_named_with_what_to_do(tmp_path: Path, name, words):
    (tmp_path / name).write_bytes(b"whatever" * 50)
    for read in (read_stack, inspect, find_image_set):
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)
        assert words in caught.value.hint == hint_for(name)


def test_a_folder_of_them_is_too(tmp_path: Path):
    for index in range(3):
        (tmp_path / f"{index}.heic").write_bytes(b"whatever")
    with pytest.raises(InputError, match=r"expected images, got 0 \(other files: 3 .heic\)") as caught:
        find_image_set(tmp_path)
    assert (
        caught.value.hint
        == "3 .heic: convert it to PNG or JPEG, for example with ImageMagick: magick FILE FILE.png"
    )


def test_they_are_said_next_to_images(tmp_path: Path):
    class Listener(Reporter):
        def __init__(self) -> None:
            self.warned: list[str] = []

        def warn(self, message: str) -> None:
            self.warned.append(message)

    for index in range(4):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        write_png(path, np.full((8, 8), index, np.uint8))
    (tmp_path / "a" / "x.HEIC").write_bytes(b"whatever")
    heard = Listener()
    find_image_set(tmp_path, reporter=heard)
    assert heard.warned[0].startswith("files that hold images but are not read: 1 .heic: convert it")


def test_where_there_are_no_images_volumes_are_named_too(tmp_path: Path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError) as caught:
        find_image_set(tmp_path)
    assert "volumes and scans DICOM, NIfTI, Analyze, MGH, MHA or NRRD files" in caught.value.hint


def test_npz_of_volumes_says_what_to_do(tmp_path: Path):
    arrays = {f"{part}_images": np.zeros((2, 28, 28, 28), np.uint8) for part in ("train", "val", "test")}
    labels = {f"{part}_labels": np.arange(2) for part in ("train", "val", "test")}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    with pytest.raises(InputError, match=r"got uint8 \[2, 28, 28, 28\]") as caught:
        find_image_set(tmp_path / "a.npz")
    assert caught.value.hint.startswith("these are volumes: save the middle slice of each")
    np.savez(
        tmp_path / "b.npz",
        **{name: array[:, 0].astype(np.float32) for name, array in arrays.items()},
        **labels,
    )
    with pytest.raises(InputError) as caught:
        find_image_set(tmp_path / "b.npz")
    assert caught.value.hint == "save them as uint8 or uint16"
