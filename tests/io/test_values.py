"""What an image will take is bounded by what it becomes, not by what its file says first."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

import nibabel
import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError
from drai_cli.io import values
from drai_cli.io.dicom.series import read_series
from drai_cli.io.nifti.format import NIFTI
from drai_cli.io.raster import read_raster
from drai_cli.io.values import check_memory, replace_nonfinite, rescale


@pytest.fixture(autouse=True)
def small_bound(monkeypatch):
    monkeypatch.setattr(values, "MAX_STACK_BYTES", 1 << 20)


def test_a_large_file_may_take_more():
    check_memory("x", 60 << 20, 1 << 20)
    with pytest.raises(InputError, match="expected at most 1 MiB of a file of 100 bytes, got 60 MiB"):
        check_memory("x", 60 << 20, 100)


def test_voxels_that_become_float64_are_counted_as_such(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((64, 64, 40), np.uint8), np.eye(4))
    raw = bytearray(image.to_bytes())
    for name, slope in (("plain", 1.0), ("scaled", 0.5)):
        struct.pack_into("<f", raw, 112, slope)
        (tmp_path / f"{name}.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    assert NIFTI.read(tmp_path / "plain.nii.gz").array.dtype == np.uint8
    with pytest.raises(InputError, match="got 3 MiB"):
        NIFTI.read(tmp_path / "scaled.nii.gz")


def test_frames_are_counted_and_not_the_first_alone(tmp_path):
    small, large = PillowImage.new("L", (8, 8)), PillowImage.new("L", (800, 600))
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.tif"
    small.save(path, compression="tiff_deflate", exif=exif, save_all=True, append_images=[large] * 2)
    with pytest.raises(InputError, match="expected at most 1 MiB"):
        read_raster(path)


def test_slices_are_counted_in_the_type_they_become(tmp_path, make_dicom, place):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            scale = {} if number == 0 else {"RescaleSlope": "0.3", "RescaleIntercept": "0"}
            frame = np.zeros((100, 100), np.uint8)
            one = make_dicom(
                tmp_path / "x.dcm", frame, uid=f"1.2.{number + 1}", **place((0, 0, number)), **scale
            )
            archive.write(one, f"{number}.dcm")
    with pytest.raises(InputError, match=r"expected at most 1 MiB of a file of \d+ bytes, got 2 MiB"):
        read_series(path)


def test_numbers_are_the_same_without_copies():
    stored = np.arange(7, dtype=np.int16)
    assert (
        rescale(stored, 0.3, 1.5, np.dtype(np.float64)).tolist()
        == (stored.astype(np.float64) * 0.3 + 1.5).tolist()
    )
    assert stored.tolist() == list(range(7))
    broken = np.array([3.5, np.nan, -2.0, np.inf], np.float32)
    replaced, where = replace_nonfinite(broken)
    assert (replaced.tolist(), replaced.dtype) == ([3.5, -2.0, -2.0, -2.0], np.float32)
    assert where is not None
    assert where.tolist() == [False, True, False, True]


def test_an_npz_header_is_bounded_before_it_is_read(tmp_path):
    from drai_cli.data.medmnist import _read_header

    with pytest.raises(ValueError, match="a header of 943718400 bytes"):
        _read_header(io.BytesIO(b"\x93NUMPY\x02\x00" + struct.pack("<I", 900 << 20)))
