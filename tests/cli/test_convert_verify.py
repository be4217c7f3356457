"""`drai convert` and `drai verify`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save("a.png")
    return tmp_path


def test_convert(drai, picture):
    result = drai("convert", "a.png", "a.dcm")
    assert (result.exit_code, result.stdout) == (0, "a.dcm\n"), result.stderr
    assert drai("convert", "a.png", "a.dcm").exit_code == 6
    shown = json.loads(drai("convert", "a.png", "out", "--format", "nifti", "--json", "-q").stdout)
    assert (shown["files"], shown["frames"], shown["format"]) == (["out/a.nii.gz"], 1, "nifti")
    assert (
        json.loads(drai("convert", "a.png", "b.dcm", "--dry-run", "--json").stdout)["options"]["out"]
        == "b.dcm"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.png", "b.xyz"], 2, "b.xyz: expected a name in"),
        (["none.png", "b.dcm"], 3, "none.png: no such file"),
        (["a.png", "b.png", "--window", "wide"], 3, "a.png: expected a window named 'wide'"),
        (["a.png", "b.dcm", "--keep-patient"], 2, "--keep-patient: is for DICOM, got png"),
        (["a.png"], 2, "OUT: is required"),
    ],
)
def test_mistakes_in_convert(drai, picture, arguments, code, message):
    result = drai("convert", *arguments)
    assert result.exit_code == code
    assert f"drai: error: {message}" in result.stderr
    assert sorted(path.name for path in picture.iterdir()) == ["a.png"]


def test_verify(drai, tmp_path, tiny_model):
    out = tmp_path / "aug"
    drai("sample", "--weights", tiny_model, "--label", "mel", "-n", 3, "--out", out, "--format", "nifti")
    result = drai("verify", out, "--regenerate", 2, "--weights", tiny_model)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "3 images, 6 files, 2 generated again: all as sample wrote it\n"
    (out / "mel/mel_000001.json").unlink()
    result = drai("verify", out, "--json")
    assert result.exit_code == 3
    shown = json.loads(result.stdout)
    assert not shown["is_sound"]
    assert ["mel/mel_000001.json", "is missing"] in shown["findings"]
    assert "drai: warning: mel/mel_000001.json: is missing" in result.stderr
    missing = drai("verify", tmp_path / "none")
    assert missing.exit_code == 3
    assert (
        f"drai: error: {tmp_path / 'none'}: no such folder: expected a folder that drai sample"
        in missing.stderr
    )
    drai("sample", "--weights", tiny_model, "--label", "mel", "-n", 1, "--out", tmp_path / "one")
    (tmp_path / "one" / "mel" / "mel_000000.png").unlink()
    assert drai("verify", tmp_path / "one").stdout.endswith(": 1 finding\n")
    file = drai("verify", out / "metadata.csv")
    assert "expected a folder that drai sample wrote, got a file" in file.stderr
