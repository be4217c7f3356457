"""`convert`: values, spacing and orientation kept, patients dropped, and what is synthetic stays marked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as PillowImage
from pydicom.pixels import apply_modality_lut

from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.about import About
from drai_cli.io.dicom.write import encode_dicom
from drai_cli.io.geometry import Geometry
from drai_cli.io.intensity import Intensity
from drai_cli.io.read import read_stack
from drai_cli.io.stack import Stack
from drai_cli.io.stored import Stored
from drai_cli.io.window import window_range
from drai_cli.output.marks import read_marks
from drai_cli.progress import Reporter
from drai_cli.settings.image_options import ConvertOptions
from drai_cli.workflows import convert as module
from drai_cli.workflows.convert import convert

RANDOM = np.random.default_rng(0)
PLACED = Geometry(np.array([[0.7, 0, 0, -10], [0, 0.48, 0.5, 5], [0, -0.36, 2.5, 30], [0, 0, 0, 1.0]]))
CT = RANDOM.integers(-1024, 3000, (3, 4, 5)).astype(np.int16)
CT_STACK = Stack(
    CT, "dicom", 16, "HU", PLACED, PLACED.spacing_mm, (40.0, 400.0), (("BRAIN", 40.0, 80.0),), modality="CT"
)


class Heard(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def ct(tmp_path, monkeypatch):
    """A CT of three slices with a patient, as the reader gives it."""
    kept = {
        "PatientName": "Doe^Jane",
        "PatientID": "77",
        "StudyInstanceUID": "1.2.3",
        "StudyDate": "20200102",
    }
    about = About({}, {"x": 1}, kept=kept)
    path = tmp_path / "ct.dcm"
    path.write_bytes(encode_dicom(Stored.of_values(CT, "HU"), about, geometry=PLACED))
    monkeypatch.setattr(module, "read_stack", lambda source: CT_STACK)
    return path


def write(path, array):
    PillowImage.fromarray(array).save(path)
    return path


@pytest.mark.parametrize(
    "array",
    [
        RANDOM.integers(0, 256, (4, 5), np.uint8),
        RANDOM.integers(0, 65536, (4, 5), np.uint16),
        RANDOM.integers(0, 256, (4, 5, 3), np.uint8),
    ],
    ids=["grey 8", "grey 16", "RGB"],
)
def test_levels_come_back_from_every_kind(tmp_path, array):
    source = write(tmp_path / "a.png", array)
    for name in ("b.png", "b.tif", "b.dcm", "b.nii.gz", "b.nii"):
        heard = Heard()
        convert(ConvertOptions(source, tmp_path / name), heard)
        assert heard.lines == []
    for name in ("b.png", "b.tif"):
        np.testing.assert_array_equal(np.array(PillowImage.open(tmp_path / name)), array)
    dataset = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(dataset.pixel_array, array)
    assert "SyntheticData" not in dataset
    for name in ("b.nii", "b.nii.gz"):
        found = np.asanyarray(nib.load(tmp_path / name).dataobj)[..., 0].T
        colours = np.stack([found[c] for c in "RGB"], -1) if array.ndim == 3 else found
        np.testing.assert_array_equal(colours, array)
    assert not (tmp_path / "b.json").exists()


def test_a_volume_keeps_values_and_place(ct, tmp_path):
    convert(ConvertOptions(ct, tmp_path / "v.nii.gz"))
    image = nib.load(tmp_path / "v.nii.gz")
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asanyarray(image.dataobj).transpose(2, 1, 0), CT)
    np.testing.assert_allclose(image.affine, PLACED.to_ras(), rtol=1e-6)
    convert(ConvertOptions(ct, tmp_path / "v.dcm"))
    dataset = pydicom.dcmread(tmp_path / "v.dcm")
    np.testing.assert_array_equal(apply_modality_lut(dataset.pixel_array, dataset), CT)
    places = [
        [float(x) for x in group.PlanePositionSequence[0].ImagePositionPatient]
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]
    np.testing.assert_allclose(places, [PLACED.of_slice(index).affine[:3, 3] for index in range(3)])
    assert dataset.Modality == "CT"


def test_a_volume_as_a_series_of_slices(ct, tmp_path):
    result = convert(ConvertOptions(ct, tmp_path / "series", format="dicom"))
    assert (result.images, result.frames) == (1, 3)
    found = [pydicom.dcmread(path) for path in sorted((tmp_path / "series").iterdir())]
    assert len({d.SOPInstanceUID for d in found}) == 3
    assert len({(d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID) for d in found}) == 1
    assert [d.InstanceNumber for d in found] == [1, 2, 3]
    assert len({(d.RescaleSlope, d.RescaleIntercept) for d in found}) == 1
    for index, dataset in enumerate(found):
        np.testing.assert_array_equal(apply_modality_lut(dataset.pixel_array, dataset), CT[index])
        np.testing.assert_allclose(list(dataset.ImagePositionPatient), PLACED.of_slice(index).affine[:3, 3])


def test_values_become_levels_through_a_window(ct, tmp_path):
    heard = Heard()
    convert(ConvertOptions(ct, tmp_path / "auto", format="png"), heard)
    assert any("window 40,400" in line for line in heard.lines)
    assert any("cannot store spacing" in line for line in heard.lines)
    assert len(heard.lines) == 2
    convert(ConvertOptions(ct, tmp_path / "brain", format="png", window="brain"))
    for folder, window in (("auto", (40, 400)), ("brain", (40, 80))):
        found = [np.array(PillowImage.open(path)) for path in sorted((tmp_path / folder).iterdir())]
        levels = Intensity("HU", *window_range(*window), "uint16").to_levels(CT)
        np.testing.assert_array_equal(found, levels)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("keep_patient", [False, True])
def test_dciodvfy_finds_no_error(ct, tmp_path, keep_patient):
    convert(ConvertOptions(ct, tmp_path / "one.dcm", keep_patient=keep_patient))
    convert(ConvertOptions(ct, tmp_path / "series", format="dicom", keep_patient=keep_patient))
    for path in (tmp_path / "one.dcm", *(tmp_path / "series").iterdir()):
        found = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        assert [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")] == []


def test_patients_are_dropped_unless_kept(ct, tmp_path):
    convert(ConvertOptions(ct, tmp_path / "dropped.dcm"))
    data = (tmp_path / "dropped.dcm").read_bytes()
    assert not any(text in data for text in (b"Doe", b"Jane", b"\x0277", b"20200102"))
    convert(ConvertOptions(ct, tmp_path / "kept.dcm", keep_patient=True))
    dataset = pydicom.dcmread(tmp_path / "kept.dcm")
    assert (str(dataset.PatientName), dataset.PatientID, dataset.StudyInstanceUID) == (
        "Doe^Jane",
        "77",
        "1.2.3",
    )
    for options in (
        ConvertOptions(ct, tmp_path / "x.png", keep_patient=True),
        ConvertOptions(ct, tmp_path / "x.png", compression="rle"),
    ):
        with pytest.raises(UsageError, match="is for DICOM"):
            convert(options)


def test_what_is_synthetic_stays_so(tmp_path, tiny_model):
    from drai_cli.settings.image_options import SampleOptions
    from drai_cli.workflows.sample import sample

    sample(SampleOptions(out=tmp_path / "aug", weights=str(tiny_model), label="mel", count=1))
    for name in ("a.dcm", "a.nii.gz", "a.tif"):
        convert(ConvertOptions(tmp_path / "aug/mel/mel_000000.png", tmp_path / name))
        marks = read_marks(tmp_path / name)
        assert (marks["synthetic"], marks["label"], marks["index"]) == ("yes", "mel", "0")
    assert pydicom.dcmread(tmp_path / "a.dcm").SyntheticData == "YES"


def test_values_that_sixteen_bits_cannot_hold_are_told(tmp_path, monkeypatch):
    values = RANDOM.standard_normal((1, 30, 30))
    (tmp_path / "x.nii").write_bytes(b"")
    monkeypatch.setattr(module, "read_stack", lambda source: Stack(values, "nifti", 64))
    heard = Heard()
    convert(ConvertOptions(tmp_path / "x.nii", tmp_path / "x.dcm"), heard)
    assert "rounded by at most" in heard.lines[0]
    convert(ConvertOptions(tmp_path / "x.nii", tmp_path / "y.nii.gz"))
    np.testing.assert_array_equal(nib.load(tmp_path / "y.nii.gz").get_fdata()[..., 0].T, values[0])
    values[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        convert(ConvertOptions(tmp_path / "x.nii", tmp_path / "z.dcm"))
    assert not (tmp_path / "z.dcm").exists()


def test_a_folder_goes_into_a_folder(tmp_path):
    (tmp_path / "in/sub").mkdir(parents=True)
    write(tmp_path / "in/a.png", np.zeros((4, 5), np.uint8))
    write(tmp_path / "in/a.bmp", np.zeros((4, 5), np.uint8))
    write(tmp_path / "in/sub/b.tif", np.zeros((4, 5), np.uint16))
    (tmp_path / "in/notes.txt").write_text("x")
    result = convert(ConvertOptions(tmp_path / "in", tmp_path / "out", format="dicom"))
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.dcm"))
    assert found == ["a-2.dcm", "a.dcm", "sub/b.dcm"]
    assert [name for name, _ in result.skipped] == ["notes"]
    with pytest.raises(OverwriteError):
        convert(ConvertOptions(tmp_path / "in", tmp_path / "out", format="dicom"))
    convert(ConvertOptions(tmp_path / "in", tmp_path / "out", format="dicom", overwrite=True))


def test_a_lossy_source_is_said_to_be_one(tmp_path):
    PillowImage.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.jpg")
    convert(ConvertOptions(tmp_path / "a.jpg", tmp_path / "a.dcm"))
    assert pydicom.dcmread(tmp_path / "a.dcm").LossyImageCompression == "01"


def test_mistakes_leave_nothing(ct, tmp_path):
    before = sorted(os.listdir(tmp_path))
    for options, error, words in (
        (ConvertOptions(ct, tmp_path / "v.jpg"), UsageError, "expected a name in"),
        (ConvertOptions(ct, tmp_path / "v.png", format="dicom"), UsageError, "contradicts v.png"),
        (ConvertOptions(ct, tmp_path / "v.png"), InputError, "one frame for png, got 3"),
        (ConvertOptions(ct, ct), OverwriteError, "it exists already"),
        (ConvertOptions(ct, tmp_path / "v.nii", window="lung"), InputError, "window named .lung., got BRAIN"),
    ):
        with pytest.raises(error, match=words):
            convert(options)
    assert sorted(os.listdir(tmp_path)) == before


def test_the_same_bytes_each_time(ct, tmp_path):
    for name in ("a.dcm", "b.dcm"):
        convert(ConvertOptions(ct, tmp_path / name))
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


@pytest.fixture
def oblique(tmp_path, make_dicom, place):
    """An oblique series whose slices are thinner than their distance, backwards in file names; and a second series."""
    across, down = np.array([0.8, 0.6, 0]), np.array([-0.48, 0.64, 0.6])
    normal = np.cross(across, down)
    for index in range(5):
        make_dicom(
            tmp_path / "study" / f"IM{9 - index}", np.full((4, 6), 10 * index, np.uint16), uid=f"1.7.{index}",
            sop_class="1.2.840.10008.5.1.4.1.1.4", series="1.7", FrameOfReferenceUID="1.99", SeriesNumber=4,
            **place(tuple(4.5 * index * normal), (*across, *down), (1.5, 0.75), 4.0),
        )  # fmt: skip
    for index in range(2):
        make_dicom(
            tmp_path / "study" / f"T{index}", np.full((4, 6), index, np.uint16), uid=f"1.8.{index}",
            sop_class="1.2.840.10008.5.1.4.1.1.4", series="1.8", FrameOfReferenceUID="1.99", SeriesNumber=5,
            **place((0, 0, 3.0 * index)),
        )  # fmt: skip
    return tmp_path / "study"


@pytest.mark.parametrize("keep_patient", [False, True])
def test_a_converted_series_stays_one_series(oblique, tmp_path, keep_patient):
    result = convert(ConvertOptions(oblique, tmp_path / "out", format="dicom", keep_patient=keep_patient))
    made = [pydicom.dcmread(path) for path in result.files]
    assert len({one.StudyInstanceUID for one in made}) == len({one.FrameOfReferenceUID for one in made}) == 1
    assert len({one.SOPInstanceUID for one in made}) == 7
    assert ({one.StudyInstanceUID for one in made} == {"1.2"}) == keep_patient
    first, second = ([one for one in made if one.SeriesNumber == number] for number in (4, 5))
    assert (
        len({one.SeriesInstanceUID for one in first}) == len({one.SeriesInstanceUID for one in second}) == 1
    )
    assert first[0].SeriesInstanceUID != second[0].SeriesInstanceUID
    first.sort(key=lambda one: one.InstanceNumber)
    assert [one.InstanceNumber for one in first] == [1, 2, 3, 4, 5]
    assert [one.pixel_array[0, 0] for one in first] == [0, 10, 20, 30, 40]
    assert {round(float(one.SpacingBetweenSlices), 9) for one in first} == {4.5}
    assert {round(float(one.SpacingBetweenSlices), 9) for one in second} == {3}
    assert not any("SliceThickness" in one for one in made)


def test_a_single_slice_has_no_distance_to_others(oblique, tmp_path):
    convert(ConvertOptions(oblique / "IM9", tmp_path / "one.dcm"))
    assert "SpacingBetweenSlices" not in pydicom.dcmread(tmp_path / "one.dcm")


def test_uneven_slices_have_no_one_distance(oblique, tmp_path):
    (oblique / "IM7").unlink()
    result = convert(ConvertOptions(oblique, tmp_path / "out", format="dicom"))
    made = [pydicom.dcmread(path) for path in result.files]
    assert {one.SeriesNumber for one in made if "SpacingBetweenSlices" in one} == {5}


def test_a_volume_of_unknown_place_says_so_and_comes_back(tmp_path):
    pixels = RANDOM.integers(0, 256, (4, 6), np.uint8)
    convert(ConvertOptions(write(tmp_path / "a.png", pixels), tmp_path / "a.nii.gz"))
    header = nib.load(tmp_path / "a.nii.gz").header
    assert (header["sform_code"], header["qform_code"]) == (0, 0)
    back = read_stack(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back.array[0], pixels)
    assert back.geometry is None
    convert(ConvertOptions(tmp_path / "a.nii.gz", tmp_path / "a.dcm"))
    made = pydicom.dcmread(tmp_path / "a.dcm")
    assert not {"ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"} & set(made.dir())


def test_volumes_stay_volumes(tmp_path):
    array = RANDOM.integers(0, 99, (3, 4, 5, 2)).astype(np.int16)
    nib.save(nib.Nifti1Image(array, np.diag([-2.0, -3.0, 4.0, 1.0])), tmp_path / "a.nii.gz")
    first = read_stack(tmp_path / "a.nii.gz")
    convert(ConvertOptions(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"))
    assert nib.load(tmp_path / "b.nii.gz").shape == (3, 4, 5, 2)
    convert(ConvertOptions(tmp_path / "b.nii.gz", tmp_path / "c.dcm"))
    for name in ("b.nii.gz", "c.dcm"):
        stack = read_stack(tmp_path / name)
        np.testing.assert_array_equal(stack.array, first.array)
        assert stack.volumes == 2
        np.testing.assert_allclose(stack.geometry.affine, first.geometry.affine, atol=1e-6)


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_series_keeps_its_marks_and_patient(tmp_path, is_zip):
    about = About({"synthetic": "yes", "label": "a"}, {"x": 1})
    stored = Stored(RANDOM.integers(0, 256, (1, 4, 5), np.uint8))
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "A-README").write_text("first by name")
    (tmp_path / "s" / "b.dcm").write_bytes(encode_dicom(stored, about, geometry=PLACED))
    source = tmp_path / "s"
    if is_zip:
        source = Path(shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path / "s"))
    convert(ConvertOptions(source, tmp_path / "out.png"))
    assert read_marks(tmp_path / "out.png")["synthetic"] == "yes"
