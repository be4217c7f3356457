"""Series in folders, zips and DICOMDIRs: grouped, ordered by position, with what is amiss said."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from drai_cli.errors import InputError
from drai_cli.io.dicom import series_files
from drai_cli.io.dicom.joined import JoinedFrames
from drai_cli.io.read import read_stack
from drai_cli.io.stack import Stack


@pytest.fixture
def series(tmp_path, make_dicom, place):
    """Writes slices at these heights, the file names in another order."""

    def write(heights, folder="series", tilt=0.0, **elements):
        for index, height in enumerate(heights):
            array = np.full((4, 5), 10 * index, np.uint16)
            array[0, 0] = index
            make_dicom(
                tmp_path / folder / f"{(index * 7) % 11:02}-{index}", array, uid=f"1.2.3.{index + 1}",
                InstanceNumber=index, **(place((0, tilt * height, height)) | elements),
            )  # fmt: skip
        return tmp_path / folder

    return write


def test_slices_are_ordered_by_position(series):
    stack = read_stack(series([8, 0, 4, 2, 6]))
    assert stack.array[:, 0, 0].tolist() == [1, 3, 2, 4, 0]
    assert stack.spacing_mm == (2.0, 0.5, 0.25)
    assert stack.geometry.orientation == "LPS"
    assert stack.notes == ()


def test_a_tilted_gantry_keeps_its_shear(series):
    stack = read_stack(series([0, 2, 4], tilt=0.5))
    np.testing.assert_allclose(stack.geometry.affine[:3, 2], [0, 1, 2])
    np.testing.assert_allclose(stack.geometry.affine[:3, 1], [0, 0.5, 0])


def test_gaps_and_duplicates_are_said(series, make_dicom, place):
    folder = series([0, 2, 4, 10, 12])
    make_dicom(
        folder / "again", np.zeros((4, 5), np.uint16), uid="1.9", InstanceNumber=50, **place((0, 0, 2))
    )
    (folder / "copy").write_bytes((folder / "00-0").read_bytes())
    stack = read_stack(folder)
    assert len(stack.array) == 5
    assert stack.spacing_mm[0] == 2.0
    assert stack.notes == (
        "1 files are left out: another has the same SOPInstanceUID",
        "1 duplicate slices are left out: another lies in the same place",
        "slices are missing: 2 in 1 gaps",
    )


def test_uneven_slices_have_the_mean_distance(series):
    stack = read_stack(series([0, 4, 8, 15, 22]))
    assert stack.spacing_mm[0] == 5.5
    assert stack.notes == ("its slices lie unevenly, 4 to 7 mm apart: the geometry has the mean",)


def test_volumes_in_the_same_places(series):
    stack = read_stack(series([0, 2, 4, 0, 2, 4]))
    assert stack.volumes == 2
    assert stack.array[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert stack.frame(4).geometry.affine[2, 3] == 2


def test_a_localiser_is_left_out(series, make_dicom, place):
    folder = series([0, 2, 4])
    make_dicom(
        folder / "scout", np.zeros((4, 5), np.uint16), uid="1.9", **place((0, 0, 0), (0, 1, 0, 0, 0, -1))
    )
    stack = read_stack(folder)
    assert len(stack.array) == 3
    assert stack.notes == ("1 images of another size or orientation are left out",)


def test_several_series_are_not_guessed_at(series, make_dicom):
    folder = series([0, 2])
    make_dicom(folder / "other", np.zeros((4, 5), np.uint16), uid="1.9", series="1.99")
    with pytest.raises(
        InputError, match=r"expected one series, got 2: .*\(2 files\), .*\(1 files\)"
    ) as raised:
        read_stack(folder)
    assert "--series" in raised.value.hint


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(InputError, match="expected DICOM images, got none in 1 files"):
        read_stack(tmp_path)


def test_zip(series, tmp_path):
    folder = series([4, 0, 2])
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, f"../../{path.name}")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.zip").array, read_stack(folder).array)
    assert not (tmp_path.parent / "00-0").exists()


def test_slices_of_different_types_become_one_array(tmp_path, make_dicom, place):
    stored = [np.full((4, 5), value, np.uint8) for value in (7, 8, 9)]
    scales = [
        {},
        {"RescaleSlope": "0.5", "RescaleIntercept": "-3"},
        {"RescaleSlope": "300", "RescaleIntercept": "0"},
    ]
    for index, (array, scale) in enumerate(zip(stored, scales, strict=True)):
        make_dicom(
            tmp_path / "s" / f"{index}.dcm", array, uid=f"1.2.{index}", **place((0, 0, index)), **scale
        )
    stack = read_stack(tmp_path / "s")
    assert stack.array.dtype == np.float64
    assert [frame.item(0) for frame in stack.array] == [7, 1, 2700]


@pytest.mark.parametrize("is_alike", [True, False])
def test_files_of_several_frames_in_the_same_places_are_volumes(tmp_path, make_dicom, is_alike):
    """Enhanced CT: the place of each frame stands with the frame."""
    for number in range(2):
        frames = []
        for height in range(3):
            position, orientation, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
            position.ImagePositionPatient = [0, 0, height + (0 if is_alike else 50 * number)]
            orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            group.PlanePositionSequence, group.PlaneOrientationSequence = [position], [orientation]
            frames.append(group)
        array = np.stack([np.full((4, 5), 10 * number + height, np.uint8) for height in range(3)])
        make_dicom(
            tmp_path / "s" / f"{number}.dcm", array, uid=f"1.2.{number}", PerFrameFunctionalGroupsSequence=frames,
            PixelSpacing=[1, 1], InstanceNumber=number,
        )  # fmt: skip
    if not is_alike:
        with pytest.raises(InputError, match="or volumes in the same place, got 2 files"):
            read_stack(tmp_path / "s")
        return
    stack = read_stack(tmp_path / "s")
    assert stack.volumes == 2
    assert [frame.item(0) for frame in stack.array] == [0, 1, 2, 10, 11, 12]


def test_frames_of_a_series_are_bounded_by_what_they_become():
    joined = JoinedFrames("x", 3, 1000)
    joined.add(stack_of(np.zeros((1, 2, 2), np.uint8)))
    with pytest.raises(InputError, match="differ in shape"):
        joined.add(stack_of(np.zeros((1, 2, 3), np.uint8)))
    joined.add(stack_of(np.ones((1, 2, 2), np.float64)))
    with pytest.raises(InputError, match="expected 3 frames, got more"):
        joined.add(stack_of(np.zeros((2, 2, 2), np.uint8)))
    with pytest.raises(InputError, match="expected 3 frames, got 2"):
        joined.stack()
    large = JoinedFrames("x", 7, 1000)
    large.add(stack_of(np.broadcast_to(np.uint8(0), (1, 8000, 8000))))
    with pytest.raises(InputError, match="at most 1024 MiB"):
        large.add(stack_of(np.broadcast_to(np.float64(0), (1, 8000, 8000))))


def test_a_file_of_a_series_is_not_kept_beside_its_frames():
    joined = JoinedFrames("x", 1, 1000)
    frames = np.zeros((1, 64, 64), np.uint8)
    joined.add(replace(stack_of(frames), padding=frames > 0))
    (part,) = joined.parts
    assert part.array.base is None
    assert part.padding is not None
    assert part.padding.base is None


def stack_of(array):
    return Stack(array=array, kind="dicom", bits=8)


def test_a_file_in_a_zip_may_not_become_much(tmp_path, make_dicom):
    one = make_dicom(tmp_path / "a.dcm", np.zeros((8, 8), np.uint8))
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.dcm", one.read_bytes() + bytes(80 << 20))
    with pytest.raises(InputError, match=r"expected at most \d+ bytes, got"):
        read_stack(tmp_path / "s.zip")


def test_zip_bombs_and_what_is_no_zip(tmp_path, monkeypatch):
    monkeypatch.setattr(series_files, "_MAX_ZIP_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for index in range(9):
            archive.writestr(f"{index}", bytes(1 << 17))
    with pytest.raises(InputError, match="when unpacked, got more"):
        read_stack(tmp_path / "bomb.zip")
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_stack(tmp_path / "no.zip")


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_dicomdir(series, tmp_path):
    folder = series(
        [4, 0, 2], PatientID="P", StudyID="1", StudyDate="20200101", StudyTime="10", SeriesNumber=1
    )
    files = FileSet()
    for path in folder.iterdir():
        files.add(path)
    files.write(tmp_path / "disc")
    files._stage["t"].cleanup()  # or Python warns of it at the end
    stack = read_stack(tmp_path / "disc" / "DICOMDIR")
    np.testing.assert_array_equal(stack.array, read_stack(folder).array)
    directory = pydicom.dcmread(tmp_path / "disc" / "DICOMDIR")
    for record in directory.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "series", "00-0"]
    directory.save_as(tmp_path / "disc" / "DICOMDIR")
    with pytest.raises(InputError, match="outside of its own folder"):
        read_stack(tmp_path / "disc" / "DICOMDIR")
