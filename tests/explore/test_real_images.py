"""Real images of the map: any kind of data set, some hundreds of many, and what cannot be read is said."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drai_cli.data.image_set import SetOptions
from drai_cli.errors import InputError, UsageError
from drai_cli.explore import real_images
from drai_cli.explore.real_images import load_real_images
from drai_cli.model_file.checkpoint import read_header
from drai_cli.progress import Reporter


class Notes(Reporter):
    def __init__(self):
        self.said = []

    def info(self, message):
        self.said.append(message)

    warn = info


@pytest.fixture
def header(tiny_model):
    return read_header(tiny_model)


def write(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)).save(path)


def test_a_table_gives_labels_and_attributes(header, tmp_path):
    for number in range(4):
        write(tmp_path / f"set/{number}.png", number)
    rows = "".join(f"{n}.png,{'mel' if n % 2 else 'nv'},{40 + n}\n" for n in range(4))
    (tmp_path / "set/t.csv").write_text(f"file,label,age\n{rows}")
    options = SetOptions(metadata=tmp_path / "set/t.csv", image_column="file", label="label")
    found = load_real_images(tmp_path / "set", header, Notes(), options)
    assert [(one["label"], one["age"]) for one in found.values][:2] == [("nv", "40"), ("mel", "41")]
    assert found.pixels.shape == (4, 16, 16, 3)
    with pytest.raises(UsageError):
        load_real_images(tmp_path / "set", header, Notes(), SetOptions(image_column="no such", label="label"))


def test_class_folders_and_loose_images(header, tmp_path):
    write(tmp_path / "set/mel/a.png")
    write(tmp_path / "set/nv/b.png")
    found = load_real_images(tmp_path / "set", header, Notes())
    assert {(name, one["label"]) for name, one in zip(found.names, found.values, strict=True)} == {
        ("mel/a.png", "mel"), ("nv/b.png", "nv"),
    }  # fmt: skip
    write(tmp_path / "loose/a.png")
    notes = Notes()
    found = load_real_images(tmp_path / "loose", header, notes)
    assert (found.names, dict(found.values[0])) == (("a.png",), {})
    assert any("images without labels" in line for line in notes.said)


def test_a_medmnist_file_is_opened_once(header, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    parts = {}
    for part in ("train", "val", "test"):
        parts[f"{part}_images"] = random.integers(0, 256, (30, 28, 28), np.uint8)
        parts[f"{part}_labels"] = random.integers(0, 2, (30, 1))
    np.savez(tmp_path / "set.npz", **parts)
    opened = []
    load = np.load
    monkeypatch.setattr(np, "load", lambda *a, **k: (opened.append(a), load(*a, **k))[1])
    found = load_real_images(tmp_path / "set.npz", header, Notes())
    assert len(found.names) == 90
    assert len(opened) < 10


def test_many_are_spread_over_the_set(header, tmp_path, monkeypatch):
    monkeypatch.setattr(real_images, "MOST", 4)
    for label in ("mel", "nv"):
        for number in range(10):
            write(tmp_path / f"set/{label}/{number}.png", number)
    notes = Notes()
    found = load_real_images(tmp_path / "set", header, notes)
    assert [one["label"] for one in found.values] == ["mel", "mel", "nv", "nv"]
    assert any("4 of 20" in line for line in notes.said)


def test_what_cannot_be_read_is_said(header, tmp_path):
    write(tmp_path / "set/mel/a.png")
    (tmp_path / "set/nv").mkdir()
    (tmp_path / "set/nv/b.png").write_bytes(b"nothing")
    notes = Notes()
    assert load_real_images(tmp_path / "set", header, notes).names == ("mel/a.png",)
    assert any(line.startswith("1 images are left out: nv/b.png") for line in notes.said)
    (tmp_path / "set/mel/a.png").unlink()
    with pytest.raises(InputError, match="none that can be read"):
        load_real_images(tmp_path / "set", header, notes)
