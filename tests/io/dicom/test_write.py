"""DICOM files: read back exactly by pydicom, accepted by other people's tools, and the same bytes each time."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, get_encoder
from pydicom.uid import JPEG2000Lossless

from drai_cli import __version__
from drai_cli.errors import InputError, UsageError
from drai_cli.io.about import About
from drai_cli.io.dicom import packing
from drai_cli.io.dicom.write import encode_dicom, make_uid, make_uid_key
from drai_cli.io.geometry import Geometry
from drai_cli.io.stored import Stored

RANDOM = np.random.default_rng(0)
SYNTHETIC = About({"synthetic": "yes", "label": "mélanome", "tool": "drai 0.1"}, {"seed": 0, "index": 3})
REAL = About({}, {"source": "x"})
KINDS = {
    "grey 8": Stored(RANDOM.integers(0, 256, (1, 9, 11), np.uint8)),
    "grey 16": Stored(RANDOM.integers(0, 65536, (1, 9, 11), np.uint16)),
    "HU in 8 bits": Stored(RANDOM.integers(0, 256, (1, 9, 11), np.uint8), 1600 / 255, -1000.0, "HU"),
    "HU in 16 bits": Stored(RANDOM.integers(0, 4096, (1, 9, 11), np.uint16), 1.0, -1024.0, "HU"),
    "RGB": Stored(RANDOM.integers(0, 256, (1, 9, 11, 3), np.uint8)),
    "frames of grey 8": Stored(RANDOM.integers(0, 256, (3, 9, 11), np.uint8)),
    "frames of grey 16": Stored(RANDOM.integers(0, 65536, (3, 9, 11), np.uint16)),
    "frames of HU in 8 bits": Stored(
        RANDOM.integers(0, 256, (3, 9, 11), np.uint8), 1600 / 255, -1000.0, "HU"
    ),
    "frames of HU": Stored(RANDOM.integers(0, 4096, (3, 9, 11), np.uint16), 1.0, -1024.0, "HU"),
    "frames of RGB": Stored(RANDOM.integers(0, 256, (3, 9, 11, 3), np.uint8)),
}
# Oblique, tilted and unequal in spacing: as a CT with a tilted gantry.
PLACED = Geometry(np.array([[0.7, 0, 0, -10.5], [0, 0.48, 0.5, 5.25], [0, -0.36, 2.5, 30.125], [0, 0, 0, 1]]))
# What Debian's build of 2022 says of an attribute that is newer than it.
UNKNOWN = (
    "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)  ? "
)


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture(params=KINDS)
def stored(request):
    return KINDS[request.param]


@pytest.mark.parametrize("compression", ["none", "rle", "jpeg2000"])
def test_pixels_and_values_come_back(stored, compression):
    if compression == "jpeg2000" and not get_encoder(JPEG2000Lossless).is_available:
        pytest.skip("the extra drai-cli[dicom] is not installed")
    if compression == "jpeg2000":
        with pytest.raises(InputError, match="at least 32 rows"):
            encode_dicom(stored, SYNTHETIC, compression=compression)
        stored = replace(stored, array=np.tile(stored.array, (1, 5, 3) + (1,) * (stored.channels == 3)))
    dataset = read(encode_dicom(stored, SYNTHETIC, compression=compression))
    array = dataset.pixel_array.reshape(stored.array.shape)
    np.testing.assert_array_equal(array, stored.array)
    assert dataset.PhotometricInterpretation == ("RGB" if stored.channels == 3 else "MONOCHROME2")
    if stored.channels == 1:
        values = apply_modality_lut(array, dataset)
        np.testing.assert_allclose(values, stored.values(), rtol=0, atol=1e-8)
        assert getattr(dataset, "RescaleType", "US") == (stored.unit or "US")


def test_the_class_is_secondary_capture(stored):
    name = read(encode_dicom(stored, SYNTHETIC)).SOPClassUID.name
    frames = len(stored.array)
    assert name.endswith("Secondary Capture Image Storage")
    assert name.startswith("Multi-frame") == (frames > 1)


@pytest.mark.parametrize("placed", [None, PLACED], ids=["nowhere", "placed"])
@pytest.mark.parametrize("header", [SYNTHETIC, REAL], ids=["synthetic", "real"])
@needs("dciodvfy")
def test_dciodvfy_finds_no_error(stored, placed, header, tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(encode_dicom(stored, header, geometry=placed))
    found = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    errors = [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")]
    assert errors == ([UNKNOWN] if header.is_synthetic else [])


@needs("dcmdump")
def test_dcmtk_reads_it(stored, tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(encode_dicom(stored, SYNTHETIC, geometry=PLACED))
    dump = subprocess.run(["dcmdump", "+P", "0008,001c", str(path)], capture_output=True, text=True)
    assert dump.returncode == 0
    assert "[YES]" in dump.stdout


@needs("dcm2pnm")
@pytest.mark.parametrize("compression", ["none", "rle"])
def test_dcmtk_shows_the_pixels(tmp_path, compression):
    for name in ("grey 8", "RGB"):
        path, shown = tmp_path / "image.dcm", tmp_path / "shown.pnm"
        path.write_bytes(encode_dicom(KINDS[name], SYNTHETIC, compression=compression))
        subprocess.run(["dcm2pnm", str(path), str(shown)], check=True, capture_output=True)
        data = shown.read_bytes()
        pixels = KINDS[name].array[0]
        assert data.endswith(pixels.tobytes())


def test_highdicom_reads_it(stored, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    path = tmp_path / "image.dcm"
    path.write_bytes(encode_dicom(stored, SYNTHETIC, geometry=PLACED))
    image = highdicom.imread(path)
    frames = image.get_stored_frames()
    np.testing.assert_array_equal(frames, stored.array)
    first = image.get_frame(1)
    if stored.channels == 1:
        np.testing.assert_allclose(image.get_frame(1, apply_voi_transform=False), stored.values()[0])
    assert first.shape[:2] == stored.array.shape[1:3]


def test_place_comes_back_for_every_frame():
    dataset = read(encode_dicom(KINDS["frames of HU"], SYNTHETIC, geometry=PLACED))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    down, across = shared.PixelMeasuresSequence[0].PixelSpacing
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    for index, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        expected = PLACED.of_slice(index).affine
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        np.testing.assert_allclose(place, expected[:3, 3], atol=1e-12)
        np.testing.assert_allclose(axes[0] * across, expected[:3, 0], atol=1e-12)
        np.testing.assert_allclose(axes[1] * down, expected[:3, 1], atol=1e-12)


def test_place_of_one_frame():
    dataset = read(encode_dicom(KINDS["grey 8"], SYNTHETIC, geometry=PLACED))
    np.testing.assert_allclose(list(dataset.ImagePositionPatient), PLACED.affine[:3, 3])
    assert dataset.PixelSpacing == [0.6, 0.7]
    assert [float(x) for x in dataset.ImageOrientationPatient] == [1, 0, 0, 0, 0.8, -0.6]
    spaced = read(encode_dicom(KINDS["grey 8"], SYNTHETIC, spacing_mm=(None, 0.5, 0.25)))
    assert spaced.PixelSpacing == [0.5, 0.25]
    assert "ImagePositionPatient" not in spaced


def test_axes_that_are_no_right_angle_are_refused():
    sheared = PLACED.affine.copy()
    sheared[:3, 1] += 0.2 * sheared[:3, 0]
    with pytest.raises(InputError, match="right angle"):
        encode_dicom(KINDS["grey 8"], SYNTHETIC, geometry=Geometry(sheared))


def test_it_says_that_it_is_synthetic_and_nobody():
    dataset = read(encode_dicom(KINDS["RGB"], SYNTHETIC))
    assert dataset.SyntheticData == "YES"
    assert list(dataset.ImageType) == ["DERIVED", "SECONDARY"]
    assert "SYNTHETIC" in str(dataset.PatientName)
    assert dataset.PatientID.startswith("SYNTHETIC-")
    assert '"label": "mélanome"' in dataset.ImageComments
    (equipment,) = dataset.ContributingEquipmentSequence
    assert (equipment.ManufacturerModelName, equipment.SoftwareVersions) == ("drai", __version__)
    assert (dataset.StudyDate, dataset.StudyTime, dataset.PatientBirthDate) == ("", "", "")


def test_a_real_image_has_no_such_mark():
    header = replace(REAL, kept={"PatientID": "7", "PatientName": "Doe^J"}, lossy_ratio=12.5)
    dataset = read(encode_dicom(KINDS["RGB"], header))
    assert "SyntheticData" not in dataset
    assert dataset.PatientID == "7"
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 12.5)
    assert read(encode_dicom(KINDS["RGB"], REAL)).PatientID == ""


def test_uids_follow_from_what_decides_the_image():
    keys = [
        make_uid_key(seed=0, index=3),
        make_uid_key(seed=0, index=4),
        make_uid_key(seed=1, index=3),
        make_uid_key(seed=0, label="3"),
    ]
    uids = {make_uid(key, level) for key in keys for level in ("study", "series", "instance")}
    assert len(uids) == 12
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    assert make_uid(keys[0], "study") == make_uid(make_uid_key(index=3, seed=0), "study")


def test_same_bytes_each_time(stored):
    assert encode_dicom(stored, SYNTHETIC, geometry=PLACED) == encode_dicom(
        stored, SYNTHETIC, geometry=PLACED
    )


def test_packing_changes_no_uid():
    plain, packed = (read(encode_dicom(KINDS["grey 8"], SYNTHETIC, compression=c)) for c in ("none", "rle"))
    assert plain.SOPInstanceUID == packed.SOPInstanceUID


def test_an_encoder_that_is_not_there_says_what_to_install(monkeypatch):
    class Nothing:
        available_plugins = ()

    monkeypatch.setattr(packing, "get_encoder", lambda syntax: Nothing())
    with pytest.raises(UsageError, match="not installed") as raised:
        encode_dicom(KINDS["grey 8"], SYNTHETIC, compression="jpeg2000")
    assert raised.value.hint == "pip install 'drai-cli[dicom]'"
