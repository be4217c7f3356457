"""NIfTI files as stacks, and that they agree with DICOM on left and right."""

from __future__ import annotations

import gzip
import itertools

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from drai_cli.errors import InputError
from drai_cli.io.read import is_readable, read_image, read_stack

RANDOM = np.random.default_rng(0)
RAS = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, 5], [0, 0, 4.0, 7], [0, 0, 0, 1]])


def save(path, array, affine=RAS, cls=nibabel.Nifti1Image, **header):
    image = cls(array, affine)
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)
    return path


AXES = [
    codes
    for order in itertools.permutations(("LR", "PA", "SI"))
    for codes in itertools.product(*order)
]  # fmt: skip


@pytest.mark.parametrize("axes", AXES[::5], ids="".join)
@pytest.mark.parametrize("cls", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_every_orientation_gives_the_same_stack(tmp_path, axes, cls):
    array = RANDOM.integers(-500, 500, (3, 4, 5)).astype(np.int16)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(axes))
    turned, affine = apply_orientation(array, turn), RAS @ inv_ornt_aff(turn, array.shape)
    stack = read_stack(save(tmp_path / "a.nii.gz", turned, affine, cls))
    np.testing.assert_array_equal(stack.array, array[::-1, ::-1].transpose(2, 1, 0))
    assert stack.geometry.orientation == "LPS"
    assert stack.spacing_mm == (4.0, 3.0, 2.0)
    # The first sample lies where RAS puts the last of x and y.
    np.testing.assert_allclose(stack.geometry.affine[:3, 3], [-(-10 + 2 * 2), -(5 + 3 * 3), 7])


def test_dicom_and_nifti_agree_on_left_and_right(tmp_path, make_dicom, place):
    """A bright sample at the patient's left, front and foot is there in both."""
    volume = np.zeros((3, 4, 5), np.int16)  # [slice, row, column] of axial DICOM slices: S, P and L grow
    volume[0, 0, 4] = 100
    for index, plane in enumerate(volume):
        make_dicom(
            tmp_path / "dicom" / str(index), plane, uid=f"1.{index + 1}",
            **place((-20, -30, 40 + 2 * index), spacing=(0.5, 0.25)),
        )  # fmt: skip
    dicom = read_stack(tmp_path / "dicom")
    affine = np.array([[0.25, 0, 0, 19], [0, 0.5, 0, 28.5], [0, 0, 2.0, 40], [0, 0, 0, 1]])
    ras = volume.transpose(2, 1, 0)[::-1, ::-1]  # x to the right, y to the front, z to the head
    nifti = read_stack(save(tmp_path / "a.nii", ras, affine))
    np.testing.assert_array_equal(dicom.array, volume)
    np.testing.assert_array_equal(nifti.array, dicom.array)
    np.testing.assert_allclose(nifti.geometry.affine, dicom.geometry.affine)
    assert nifti.geometry.orientation == dicom.geometry.orientation == "LPS"


def test_oblique_affines_are_kept(tmp_path):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    affine = turn @ RAS
    stack = read_stack(save(tmp_path / "a.nii", np.zeros((3, 4, 5), np.uint8), affine))
    np.testing.assert_allclose(stack.geometry.to_ras() @ [2, 3, 0, 1], affine @ [0, 0, 0, 1], atol=1e-5)


def test_scale(tmp_path):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    image = nibabel.Nifti1Image(array, RAS)
    image.header.set_slope_inter(0.5, -3)
    image.to_filename(tmp_path / "a.nii")
    stack = read_stack(tmp_path / "a.nii")
    reference = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    np.testing.assert_array_equal(stack.array, reference[::-1, ::-1].transpose(2, 1, 0))
    assert stack.bits == 16


def test_numbers_that_are_none_are_counted(tmp_path):
    array = np.ones((3, 4, 5), np.float32)
    array[0, 0, 0], array[1, 1, 1], array[2, 2, 2] = np.nan, np.inf, -5
    stack = read_stack(save(tmp_path / "a.nii", array))
    assert stack.notes == ("2 voxels are no numbers: now the least value",)
    assert np.isfinite(stack.array).all()
    assert (stack.array == -5).sum() == 3
    assert stack.padding.sum() == 2


def test_four_dimensions_are_volume_after_volume(tmp_path):
    array = RANDOM.integers(0, 99, (3, 4, 5, 2)).astype(np.uint8)
    stack = read_stack(save(tmp_path / "a.nii", array))
    assert (stack.volumes, len(stack.array)) == (2, 10)
    np.testing.assert_array_equal(stack.array[5:], array[::-1, ::-1, :, 1].transpose(2, 1, 0))
    assert stack.frame(6).geometry.affine[2, 3] == stack.frame(1).geometry.affine[2, 3]


def test_rgb(tmp_path):
    rgb = RANDOM.integers(0, 256, (3, 4, 1, 3), np.uint8)
    packed = np.ascontiguousarray(rgb).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    stack = read_stack(save(tmp_path / "a.nii", packed))
    np.testing.assert_array_equal(stack.array[0], rgb[::-1, ::-1, 0].transpose(1, 0, 2))


def test_a_file_that_does_not_say_how_it_lies(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((3, 4, 5), np.uint8))
    raw = bytearray(path.read_bytes())
    raw[252:256] = bytes(4)  # qform_code and sform_code
    path.write_bytes(raw)
    stack = read_stack(path)
    assert stack.geometry is None
    assert stack.spacing_mm == (4.0, 3.0, 2.0)
    assert "does not say how it lies" in stack.notes[0]


def test_without_suffix(tmp_path):
    path = save(tmp_path / "a.nii", np.arange(60, dtype=np.uint8).reshape(3, 4, 5)).rename(
        tmp_path / "volume"
    )
    assert is_readable(path)
    assert read_stack(path).kind == "nifti"


def test_a_volume_is_not_one_image(tmp_path):
    path = save(tmp_path / "a.nii", np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    with pytest.raises(InputError, match="expected one frame, got 5") as caught:
        read_image(path)
    assert caught.value.hint == "pick one with --frame N"
    assert read_image(path, frame=2).array.dtype == np.uint16


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "pixels a frame, got"),
        ({"dim": [3, 300, 300, 30000, 1, 1, 1, 1]}, "expected at most 1024 MiB"),
        ({"dim": [3, -1, 4, 5, 1, 1, 1, 1]}, "expected 2 to 4 dimensions"),
        ({"dim": [5, 3, 4, 5, 2, 2, 1, 1]}, "expected vectors of one volume, got 2 volumes"),
        ({"dim": [6, 3, 4, 5, 1, 2, 2, 1]}, "expected 2 to 4 dimensions"),
        ({"datatype": 32}, "expected whole or real numbers or RGB, got complex64"),
        ({"vox_offset": 1e30}, "impossible position of the voxels"),
        ({"dim": [3, 30, 40, 5, 1, 1, 1, 1]}, "ends early: expected 6000 bytes of voxels"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_refused_in_one_line(tmp_path, header, message, suffix):
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.uint8), RAS)
    raw = bytearray(image.to_bytes())
    changed = nibabel.Nifti1Header(bytes(raw[:348]), check=False)
    for name, value in header.items():
        changed[name] = value
    raw[:348] = changed.binaryblock
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix.endswith("gz") else raw)
    with pytest.raises(InputError, match=message):
        read_stack(path)


def test_what_is_no_nifti(tmp_path):
    for name, content in (("a.nii", b"no"), ("b.nii.gz", b"\x1f\x8bno"), ("c.nii.gz", gzip.compress(b"no"))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"no NIfTI|expected a NIfTI file"):
            read_stack(tmp_path / name)
