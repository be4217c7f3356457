"""Frames of one file and files of a series: sorted by place, split into volumes by what tells them apart."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from drai_cli.errors import InputError
from drai_cli.io.read import read_stack

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
MR = "1.2.840.10008.5.1.4.1.1.4"
AXIAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1)


def item(**elements):
    dataset = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def frame(height, orientation=AXIAL, **groups):
    """The functional groups of a frame at a height; `content` and others are the elements of a macro."""
    made = item(
        PlanePositionSequence=[item(ImagePositionPatient=[-12, -8, height])],
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(orientation))],
    )
    for keyword, elements in groups.items():
        setattr(made, keyword, [item(**elements)])
    return made


@pytest.fixture
def enhanced(tmp_path, make_dicom):
    """Writes a multi-frame file whose frame i has the value i."""

    def write(frames, name="e.dcm", uid="1.7", **elements):
        array = np.stack([np.full((4, 6), index, np.uint16) for index in range(len(frames))])
        shared = item(PixelMeasuresSequence=[item(PixelSpacing=[1, 0.5], SliceThickness=9)])
        return make_dicom(
            tmp_path / name, array, sop_class=ENHANCED_MR, uid=uid, Modality="MR",
            SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames, **elements,
        )  # fmt: skip

    return write


def test_packages_become_one_stack(enhanced):
    heights = [0, 12, 24, 4, 16, 28, 8, 20, 32]
    frames = [
        frame(
            height,
            FrameContentSequence={"StackID": str(1 + index // 3), "InStackPositionNumber": 1 + index % 3},
        )
        for index, height in enumerate(heights)
    ]
    stack = read_stack(enhanced(frames))
    assert stack.array[:, 0, 0].tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    assert stack.spacing_mm == (4.0, 1.0, 0.5)
    assert (stack.volumes, stack.notes) == (1, ())
    np.testing.assert_allclose(stack.geometry.affine[:3, 3], [-12, -8, 0])


@pytest.mark.parametrize(
    ("macro", "keyword"),
    [
        ("MREchoSequence", "EffectiveEchoTime"),
        ("MRDiffusionSequence", "DiffusionBValue"),
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    ],
)
def test_what_tells_volumes_apart(enhanced, macro, keyword):
    # The file's order is of no use: slices backwards, the second volume first in every other place.
    frames = [
        frame(height, **{macro: {keyword: value}})
        for height in (8, 4, 0)
        for value in ((10, 30) if height == 4 else (30, 10))
    ]
    stack = read_stack(enhanced(frames))
    assert stack.volumes == 2
    assert stack.array[:, 0, 0].tolist() == [5, 2, 1, 4, 3, 0]
    assert stack.frame(3).geometry.affine[2, 3] == stack.frame(0).geometry.affine[2, 3] == 0


def test_dimension_indices_tell_volumes_apart(enhanced):
    pointers = [item(DimensionIndexPointer=tag) for tag in (0x00209056, 0x00209057, 0x20051011)]
    frames = [
        frame(height, FrameContentSequence={"DimensionIndexValues": [1, number, kind]})
        for number, height in ((1, 0), (2, 5))
        for kind in ((2, 1) if number == 1 else (1, 2))
    ]
    stack = read_stack(enhanced(frames, DimensionIndexSequence=pointers))
    assert stack.array[:, 0, 0].tolist() == [1, 2, 0, 3]
    assert stack.volumes == 2


def test_stacks_of_several_orientations_stay_as_they_are(enhanced):
    stack = read_stack(enhanced([frame(4), frame(0), frame(0, SAGITTAL), frame(4, SAGITTAL)]))
    assert stack.array[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert stack.geometry is None
    assert "several orientations" in stack.notes[0]


def test_frames_that_make_no_whole_volumes_are_all_kept(enhanced):
    stack = read_stack(enhanced([frame(4), frame(0), frame(0)]))
    assert stack.array[:, 0, 0].tolist() == [0, 1, 2]
    assert stack.geometry is None
    assert "no whole volumes" in stack.notes[0]


def test_files_of_frames_in_the_same_place_are_volumes(enhanced, tmp_path):
    for number, echo in enumerate((5, 20)):
        frames = [frame(height, MREchoSequence={"EffectiveEchoTime": echo}) for height in (4, 0)]
        enhanced(frames, f"s/{number}.dcm", f"1.7.{number}", InstanceNumber=number)
    stack = read_stack(tmp_path / "s")
    assert (len(stack.array), stack.volumes) == (4, 2)
    assert stack.geometry.spacing_mm[0] == 4
    enhanced([frame(0), frame(9)], "s/3.dcm", "1.7.3")
    with pytest.raises(InputError, match="volumes in the same place, got 3 files"):
        read_stack(tmp_path / "s")


def write_slices(folder, make_dicom, place, rows):
    for index, (height, elements) in enumerate(rows):
        make_dicom(
            folder / f"{index}", np.full((4, 5), index, np.uint16), sop_class=MR, uid=f"1.2.{index}",
            InstanceNumber=index, **place((0, 0, height)), **elements,
        )  # fmt: skip
    return folder


def test_echoes_of_a_series_of_files(tmp_path, make_dicom, place):
    rows = [(height, {"EchoTime": echo}) for height in (0, 3) for echo in ((9, 2) if height else (2, 9))]
    stack = read_stack(write_slices(tmp_path / "s", make_dicom, place, rows))
    assert (stack.volumes, stack.array[:, 0, 0].tolist()) == (2, [0, 3, 1, 2])


def test_phases_of_one_slice_are_volumes_and_an_unfinished_volume_is_said(tmp_path, make_dicom, place):
    stack = read_stack(write_slices(tmp_path / "cine", make_dicom, place, [(0, {})] * 5))
    assert (len(stack.array), stack.volumes, stack.notes) == (5, 5, ())
    rows = [(height, {"TemporalPositionIdentifier": time}) for time in (1, 2, 3) for height in (0, 3, 6)]
    stack = read_stack(write_slices(tmp_path / "fmri", make_dicom, place, rows[:-1]))
    assert (len(stack.array), stack.volumes) == (6, 2)
    assert stack.notes == ("2 images are left out: they make no whole volume",)


def test_a_frame_that_is_missing_in_the_middle_moves_no_other(tmp_path, make_dicom, place):
    rows = [(height, {"TemporalPositionIdentifier": time}) for time in (1, 2, 3) for height in (0, 3, 6)]
    del rows[4]
    stack = read_stack(write_slices(tmp_path / "fmri", make_dicom, place, rows))
    assert (stack.volumes, stack.array[:, 0, 0].tolist()) == (2, [0, 1, 2, 5, 6, 7])


def test_against_simpleitk(tmp_path, make_dicom, place):
    simpleitk = pytest.importorskip("SimpleITK")
    tilted = (0.8, 0.6, 0, -0.48, 0.64, 0.6)
    normal = np.cross(tilted[:3], tilted[3:])
    generator = np.random.default_rng(0)
    for index in (3, 0, 2, 4, 1):
        make_dicom(
            tmp_path / "s" / f"{index}.dcm", generator.integers(0, 900, (6, 7), np.uint16), sop_class=MR,
            uid=f"1.2.{index}", InstanceNumber=9 - index, **place(tuple(2.5 * index * normal), tilted, (1.5, 0.75)),
        )  # fmt: skip
    reader = simpleitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "s")))
    image = reader.Execute()
    stack = read_stack(tmp_path / "s")
    np.testing.assert_array_equal(stack.array, simpleitk.GetArrayFromImage(image))
    np.testing.assert_allclose(stack.geometry.spacing_mm[::-1], image.GetSpacing(), rtol=1e-5)
    directions = stack.geometry.affine[:3, :3] / np.array(stack.geometry.spacing_mm[::-1])
    np.testing.assert_allclose(directions, np.array(image.GetDirection()).reshape(3, 3), atol=1e-6)
    np.testing.assert_allclose(stack.geometry.affine[:3, 3], image.GetOrigin(), atol=1e-6)
