"""Images that a user hands to a model, of every kind."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from drai_cli.errors import InputError
from drai_cli.inference.input_images import model_window, read_for_model
from drai_cli.model_file.checkpoint import read_header

CT = "1.2.840.10008.5.1.4.1.1.2"
HU = {"unit": "HU", "low": -1000.0, "high": 1000.0, "dtype": "uint16"}
RAMP = np.arange(-1200, 1360, 10, dtype=np.int16).reshape(16, 16)


@pytest.fixture
def header(tiny_model):
    return read_header(tiny_model)


@pytest.fixture
def ct(tmp_path, make_dicom, place):
    return make_dicom(
        tmp_path / "ct.dcm", RAMP, sop_class=CT, RescaleSlope=1, RescaleIntercept=0,
        WindowCenter=40, WindowWidth=400, **place(spacing=(0.5, 0.5)),
    )  # fmt: skip


def test_a_model_of_values_takes_its_own_window(header, ct):
    expected = np.clip(np.rint((RAMP + 1000.0) / 2000 * 65535), 0, 65535)
    image = read_for_model(ct, replace(header, intensity=HU), "crop")
    np.testing.assert_array_equal(image.pixels[:, :, 0], expected)
    assert (image.kind, image.intensity.unit, image.geometry.orientation) == ("dicom", "HU", "LPS")
    assert image.spacing_mm == (None, 0.5, 0.5)
    own = read_for_model(ct, header, "crop")
    assert (own.intensity.low, own.intensity.high) == (-160, 239)
    assert read_for_model(ct, header, "crop", window="full").intensity.low == -1200


def test_plain_levels_are_no_window(header):
    assert (
        model_window(replace(header, intensity={"unit": "", "low": 0, "high": 255, "dtype": "uint8"})) is None
    )
    assert model_window(replace(header, intensity={})) is None
    assert model_window(replace(header, intensity=HU)).low == -1000


def test_another_unit_is_said(header, tmp_path, make_dicom):
    path = make_dicom(tmp_path / "mr.dcm", RAMP.astype(np.uint16) % 900, RescaleType="MGML")
    image = read_for_model(path, replace(header, intensity=HU), "crop")
    assert "its values are in MGML, the model's in HU" in image.changes


def test_frames(header, tmp_path):
    nibabel.Nifti1Image(np.arange(512, dtype=np.int16).reshape(8, 8, 8), np.eye(4)).to_filename(
        tmp_path / "a.nii"
    )
    with pytest.raises(InputError, match="expected one frame, got 8"):
        read_for_model(tmp_path / "a.nii", header, "crop")
    image = read_for_model(tmp_path / "a.nii", header, "crop", frame=3)
    assert (image.kind, image.pixels.shape) == ("nifti", (16, 16, 3))
    assert image.geometry.affine[2, 3] == 3


def test_at_the_prompt(drai, tiny_model, ct, tmp_path):
    nibabel.Nifti1Image(np.arange(512, dtype=np.int16).reshape(8, 8, 8), np.eye(4)).to_filename(
        tmp_path / "a.nii"
    )
    result = drai("encode", ct, tmp_path / "a.nii", "--weights", tiny_model, "--out", tmp_path / "codes.npz")
    assert result.exit_code == 3
    assert "a.nii: expected one frame, got 8." in result.stderr
    assert "pick one with --frame N" in result.stderr
    arguments = ["--weights", tiny_model, "--out", tmp_path / "codes.npz", "--frame", "0", "--window", "full"]
    assert drai("encode", ct, tmp_path / "a.nii", *arguments).exit_code == 0
    arguments = ["--weights", tiny_model, "--out", tmp_path / "swap", "--frame", 0]
    assert drai("swap-style", ct, tmp_path / "a.nii", *arguments).exit_code == 0
