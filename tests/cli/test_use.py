"""`drai swap-style` and `drai encode`."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """`a.png` (20 x 24, colour) and `b.png` (16 px, grey) in the working folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save("a.png")
    Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save("b.png")
    return tmp_path


@pytest.mark.parametrize("name", ["swap-style", "style-transfer"])
def test_two_images(drai, pictures, tiny_model, name):
    result = drai(name, "a.png", "b.png", "--weights", tiny_model)
    assert result.exit_code == 0, result.stderr
    written = result.stdout.splitlines()
    assert {path.rsplit("/", 1)[0] for path in written} == {"swap_a_b"}
    assert "swap_a_b/figure.png" in written
    assert sorted(written) == sorted(str(p.relative_to(pictures)) for p in (pictures / "swap_a_b").iterdir())
    assert "drai: warning: a.png: " in result.stderr
    again = drai(name, "a.png", "b.png", "--weights", tiny_model)
    assert again.exit_code == 6


def test_pairs(drai, pictures, tiny_model):
    (pictures / "pairs.csv").write_text("content,style\na.png,b.png\nb.png,a.png\n")
    result = drai(
        "swap-style", "--pairs", "pairs.csv", "--weights", tiny_model, "--out", "swaps", "--json", "-q"
    )
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["out"], len(shown["images"])) == ("swaps", 2)
    with open("swaps/metadata.csv", newline="") as file:
        assert [(row["content"], row["style"]) for row in csv.DictReader(file)] == [
            ("a.png", "b.png"), ("b.png", "a.png"),
        ]  # fmt: skip


def test_encode(drai, pictures, tiny_model):
    result = drai("encode", "a.png", "b.png", "--weights", tiny_model, "--out", "codes.npz")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "codes.npz\n"
    with np.load("codes.npz") as codes:
        assert codes["content"].shape == (2, 4)
        assert codes["style"].shape == (2, 6)
        assert codes["file_name"].tolist() == ["a.png", "b.png"]
    assert drai("encode", "a.png", "--weights", tiny_model, "--out", "codes.npz").exit_code == 6


@pytest.mark.parametrize("command", [["swap-style", "a.png", "b.png"], ["encode", "a.png", "--out", "c.npz"]])
def test_dry_run_writes_nothing(drai, pictures, command):
    before = sorted(pictures.iterdir())
    result = drai(*command, "--dry-run", "--json")
    assert json.loads(result.stdout)["options"]["fit"] is None
    assert sorted(pictures.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["swap-style", "a.png"], 2, ""),
        (["swap-style", "a.png", "none.png"], 3, "none.png: "),
        (["swap-style", "a.png", "b.png", "--fit", "squash"], 2, "--fit 'squash': no such choice"),
        (["swap-style", "a.png", "b.png", "c.png"], 2, "drai swap-style: got unexpected extra argument"),
        (["encode", "a.png"], 2, "--out: is required"),
        (["encode", "--out", "c.npz"], 2, "IMG: is required"),
        (["encode", "none.png", "--out", "c.npz"], 3, "none.png: "),
        (["encode", "a.png", "--out", "c.txt"], 2, "--out c.txt: expected a name that ends in .npz"),
    ],
)
def test_mistakes(drai, pictures, tiny_model, arguments, code, message):
    before = sorted(pictures.iterdir())
    result = drai(*arguments, "--weights", tiny_model)
    assert result.exit_code == code
    assert f"drai: error: {message}" in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(pictures.iterdir()) == before


def test_interpolate(drai, pictures, tiny_model):
    result = drai("interpolate", "a.png", "b.png", "--weights", tiny_model, "--steps", 3)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "walk_a_b.png\n"
    result = drai(
        "interpolate", "--from-label", "nv", "--to-label", "melanoma", "--weights", tiny_model, "--out", "frames",
        "--steps", 4, "--json", "-q",
    )  # fmt: skip
    shown = json.loads(result.stdout)
    assert (shown["out"], len(shown["images"]), len(shown["distances"])) == ("frames", 4, 3)
    assert drai("interpolate", "a.png", "--weights", tiny_model).exit_code == 2
    again = drai("interpolate", "a.png", "b.png", "--weights", tiny_model)
    assert (again.exit_code, "already" in again.stderr) == (6, True)
