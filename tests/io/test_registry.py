"""The registry of formats: its entries agree with what is written, and a new entry is all that a new format takes."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import walk
from drai_cli.inference.input_images import read_for_model
from drai_cli.io import registry
from drai_cli.io.about import About
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.read import is_readable, read_image, read_stack
from drai_cli.io.registry import FORMATS, find_format, format_named, stem_of, strip_suffix
from drai_cli.io.stack import Stack
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image
from drai_cli.output.marks import read_marks
from drai_cli.settings.data_options import KIND_NAMES
from drai_cli.settings.image_options import IMAGE_SUFFIXES, ConvertOptions
from drai_cli.workflows.convert import convert
from drai_cli.workflows.inspect import inspect

PIXELS = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)


def read_toy(path: Path) -> Stack:
    return Stack(np.frombuffer(path.read_bytes()[3:51], np.uint8).reshape(1, 6, 8), "toy", source=str(path))


def encode_toy(stored: Stored, about: About, options: WriteOptions) -> tuple[bytes, ...]:
    return (b"TOY" + stored.array.tobytes() + about.marks.get("label", "").encode(),)


TOY = Format(
    "toy",
    "Toy",
    (".toy",),
    read_toy,
    is_content=lambda path: path.is_file() and path.read_bytes()[:3] == b"TOY",
    encode=encode_toy,
    read_marks=lambda path: {"label": path.read_bytes()[51:].decode()},
)


@pytest.fixture(params=["plain", "medical"])
def toy(request, monkeypatch):
    """The toy format, registered as one of plain or of medical images."""
    format = replace(TOY, is_medical=request.param == "medical")
    monkeypatch.setattr(registry, "FORMATS", (*FORMATS, format))
    monkeypatch.setitem(IMAGE_SUFFIXES, "toy", (".toy",))
    return format


@pytest.fixture
def toys(tmp_path):
    """A set of two classes with two toys each."""
    for label in ("mel", "nv"):
        (tmp_path / label).mkdir()
        for index in range(2):
            (tmp_path / label / f"{index}.toy").write_bytes(b"TOY" + PIXELS.tobytes())
    return tmp_path


def test_every_medical_format_is_a_kind_that_can_be_chosen():
    assert registry.medical_formats().keys() <= set(KIND_NAMES)


def test_no_format_that_is_read_is_said_not_to_be():
    for format in FORMATS:
        assert not [suffix for suffix in format.suffixes if registry.hint_for(f"a{suffix}")], format.name


def test_a_new_format_is_read(toy, toys):
    path = toys / "mel" / "0.toy"
    bare = path.rename(toys / "bare")
    assert find_format(bare) is toy
    assert is_readable(bare)
    np.testing.assert_array_equal(read_stack(bare.rename(path)).array, PIXELS)
    assert read_image(path).array.shape == (6, 8)


def test_a_new_format_is_inspected(toy, toys):
    report = inspect(toys / "mel" / "0.toy")
    assert (report.kind, report.shape, report.max) == ("toy", (6, 8), 47)


def test_a_new_format_is_found_in_folders_and_sets(toy, toys):
    tree = walk(toys)
    assert sorted(tree.names) == ["mel/0.toy", "mel/1.toy", "nv/0.toy", "nv/1.toy"]
    assert tree.medical["toy" if toy.is_medical else "dicom"] == (tree.names if toy.is_medical else [])
    found = find_image_set(toys)
    assert found.kind == ("toy" if toy.is_medical else "class-folders")
    assert [entry.values["label"] for entry in found.entries] == ["mel", "mel", "nv", "nv"]
    assert found.read(found.entries[0]).array.shape == (6, 8)
    assert inspect(toys).classes == {"mel": 2, "nv": 2}
    assert find_image_set(toys, kind=found.kind).kind == found.kind


def test_a_new_format_goes_into_a_model(toy, toys, tiny_model):
    from drai_cli.model_file.checkpoint import read_header

    image = read_for_model(toys / "mel" / "0.toy", read_header(tiny_model), "crop")
    assert (image.kind, image.height, image.width) == ("toy", 6, 8)


def test_a_new_format_is_written_with_marks(toy, tmp_path):
    (data,) = encode_image("toy", Stored(PIXELS), About({"label": "mel"}, {}))
    (tmp_path / "a.toy").write_bytes(data)
    assert read_marks(tmp_path / "a.toy") == {"label": "mel"}
    convert(ConvertOptions(tmp_path / "a.toy", tmp_path / "b.png"))
    convert(ConvertOptions(tmp_path / "b.png", tmp_path / "c.toy"))
    np.testing.assert_array_equal(read_stack(tmp_path / "c.toy").array, PIXELS)


@pytest.mark.parametrize("name", IMAGE_SUFFIXES)
def test_what_is_written_has_an_entry_that_reads_it(name):
    format = format_named(name)
    assert format.encode is not None
    assert format.read_marks is not None
    assert format.suffixes[0] == format.written_suffixes[0]


def test_entries_are_coherent():
    suffixes = [suffix for one in FORMATS for suffix in one.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert suffixes == [suffix.lower() for suffix in suffixes]
    assert {one.name for one in FORMATS if one.encode is not None} == set(IMAGE_SUFFIXES)
    for one in FORMATS:
        for module in one.modules:
            importlib.import_module(module)


@pytest.mark.parametrize(
    ("name", "stripped", "stem"),
    [
        ("a.NII.gz", "a", "a"), ("a.b.png", "a.b", "a.b"), ("1.2.840", "1.2.840", "1.2"),
        (".dcm", ".dcm", ".dcm"), ("a.txt", "a.txt", "a"),
    ],
)  # fmt: skip
def test_names_without_suffix(name, stripped, stem):
    assert (strip_suffix(name), stem_of(name)) == (stripped, stem)
