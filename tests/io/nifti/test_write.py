"""NIfTI files: read back exactly by nibabel, and the same bytes each time."""

from __future__ import annotations

import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from drai_cli.errors import InputError
from drai_cli.io.geometry import Geometry
from drai_cli.io.nifti.write import (
    compress_gzip,
    encode_nifti,
    encode_sidecar,
    narrow_values,
    to_nifti_values,
)
from drai_cli.io.read import read_stack
from drai_cli.io.stored import Stored

RANDOM = np.random.default_rng(0)
STRAIGHT = Geometry(np.array([[0, 0, 2.5, -10.5], [0.7, 0, 0, 5.25], [0, -0.6, 0, 30.125], [0, 0, 0, 1.0]]))
TILTED = Geometry(np.array([[0.7, 0, 0, -10.5], [0, 0.48, 0.5, 5.25], [0, -0.36, 2.5, 30.125], [0, 0, 0, 1]]))


def read(data: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(data)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("geometry", [None, STRAIGHT, TILTED], ids=["nowhere", "straight", "tilted"])
def test_values_and_place_come_back(dtype, geometry):
    array = RANDOM.uniform(0, 200, (3, 4, 5)).astype(dtype)
    image = read(encode_nifti(array, geometry=geometry))
    assert image.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), array.transpose(2, 1, 0))
    if geometry is not None:
        np.testing.assert_allclose(image.affine, geometry.to_ras(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(image.header.get_zooms(), geometry.spacing_mm[::-1], rtol=1e-6)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert (image.header["qform_code"] > 0) == (geometry is STRAIGHT)
    else:
        assert (image.header["sform_code"], image.header["qform_code"]) == (0, 0)
        assert image.header.get_xyzt_units()[0] == "unknown"


def test_qform_agrees_with_sform():
    image = read(encode_nifti(np.zeros((3, 4, 5), np.uint8), geometry=STRAIGHT))
    np.testing.assert_allclose(image.get_qform(), STRAIGHT.to_ras(), atol=1e-5)


def test_spacing_without_a_place():
    image = read(encode_nifti(np.zeros((1, 4, 5), np.uint8), spacing_mm=(None, 0.5, 0.25)))
    assert image.header.get_zooms() == (0.25, 0.5, 1.0)


def test_colour_is_rgb24():
    array = RANDOM.integers(0, 256, (2, 4, 5, 3), np.uint8)
    image = read(encode_nifti(array))
    assert image.header["datatype"] == 128
    found = np.asanyarray(image.dataobj)
    np.testing.assert_array_equal(np.stack([found[c] for c in "RGB"], -1), array.transpose(2, 1, 0, 3))
    with pytest.raises(InputError, match="8 bits, got 16"):
        encode_nifti(array.astype(np.uint16))


def test_hounsfield_units_are_themselves_where_they_are_whole():
    whole = Stored(RANDOM.integers(0, 4096, (1, 4, 5), np.uint16), 1.0, -1024.0, "HU")
    array, slope, intercept = to_nifti_values(whole)
    assert (array.dtype, slope, intercept) == (np.int16, 1.0, 0.0)
    np.testing.assert_array_equal(array, whole.values())


def test_other_lines_stay_lines():
    line = Stored(RANDOM.integers(0, 256, (1, 4, 5), np.uint8), 1600 / 255, -1000.0, "HU")
    array, slope, intercept = to_nifti_values(line)
    image = read(encode_nifti(array, slope=slope, intercept=intercept, unit="HU", description="synthetic"))
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(image.get_fdata(), line.values().transpose(2, 1, 0), rtol=1e-6)
    np.testing.assert_array_equal(image.dataobj.get_unscaled(), array.transpose(2, 1, 0))
    assert image.header["intent_name"].item() == b"HU"
    assert image.header["descrip"].item() == b"synthetic"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.array([True]), "uint8"),
        (np.array([0, 255], np.int64), "uint8"),
        (np.array([0, 255], np.uint16), "int16"),
        (np.array([-1024, 3071], np.int32), "int16"),
        (np.array([0, 65535], np.uint16), "uint16"),
        (np.array([0, 70000], np.int64), "int32"),
        (np.array([0, 1 << 40], np.int64), "float64"),
        (np.array([0.5], np.float32), "float32"),
    ],
)
def test_narrowest(values, name):
    found = narrow_values(values)
    assert found.dtype == name
    np.testing.assert_array_equal(found, values)


def test_gzip_holds_no_time_and_opens():
    data = encode_nifti(np.zeros((3, 4, 5), np.uint8))
    packed = compress_gzip(data)
    assert gzip.decompress(packed) == data
    assert packed == compress_gzip(data)
    assert packed[4:8] == b"\0\0\0\0"


def test_sidecar_is_json():
    assert json.loads(encode_sidecar({"label": "mélanome", "seed": 0})) == {"label": "mélanome", "seed": 0}


def test_the_unit_comes_back(tmp_path):
    for unit, expected in (("HU", "HU"), ("", ""), ("anything", "")):
        path = tmp_path / "a.nii"
        path.write_bytes(encode_nifti(np.zeros((1, 4, 4), np.int16), unit=unit))
        assert read_stack(path).unit == expected
