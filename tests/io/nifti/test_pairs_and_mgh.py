"""Colour in five dimensions, pairs of header and voxels, and FreeSurfer's volumes, compared with nibabel."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer.mghformat import MGHImage

from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import walk
from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.io.read import read_stack
from drai_cli.workflows.inspect import inspect

RANDOM = np.random.default_rng(0)
AFFINE = np.array([[0, 0, 1.5, -10], [-2.0, 0, 0, 4], [0, 3.0, 0, 7], [0, 0, 0, 1]])
SHAPE = (4, 5, 6)


def in_lps(image) -> np.ndarray:
    """What nibabel makes of a file, as frames in the one orientation."""
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt("LPS")
    )
    data = nibabel.apply_orientation(np.asanyarray(image.dataobj), turn)
    data = data if data.ndim > 3 else data[..., None]
    return data.transpose(3, 2, 1, 0).reshape(-1, data.shape[1], data.shape[0])


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("times", [1, 2])
def test_colour_in_the_fifth_dimension(tmp_path: Path, channels, times):
    voxels = RANDOM.integers(0, 256, (*SHAPE, times, channels), np.uint8)
    image = nibabel.Nifti1Image(voxels, np.diag([-1, -2, 3, 1.0]))
    image.header.set_intent("vector")
    nibabel.save(image, tmp_path / "a.nii.gz")
    stack = read_stack(tmp_path / "a.nii.gz")
    assert stack.channels == 3
    expected = voxels[..., :3].transpose(3, 2, 1, 0, 4).reshape(-1, *SHAPE[1::-1], 3)
    np.testing.assert_array_equal(stack.array, expected)
    assert stack.spacing_mm == (3, 2, 1)
    assert ("its alpha channel is left out" in stack.notes) == (channels == 4)
    assert registry.find_format(tmp_path / "a.nii.gz").measure(tmp_path / "a.nii.gz").extents == (
        times,
        6,
        5,
        4,
    )


def test_vectors_are_volumes(tmp_path: Path):
    voxels = RANDOM.normal(size=(*SHAPE, 1, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), tmp_path / "a.nii")
    stack = read_stack(tmp_path / "a.nii")
    assert (stack.volumes, stack.channels) == (3, 1)


@pytest.mark.parametrize("ends", [(".hdr", ".img"), (".hdr.gz", ".img.gz"), (".HDR", ".IMG")])
@pytest.mark.parametrize("kind", ["Nifti1Pair", "Nifti2Pair", "AnalyzeImage"])
def test_pairs(tmp_path: Path, kind, ends):
    voxels = RANDOM.integers(-500, 500, SHAPE).astype(np.int16)
    image = getattr(nibabel, kind)(voxels, AFFINE)
    if kind == "AnalyzeImage":
        image.header.set_zooms((1, 2, 3))
    nibabel.save(image, tmp_path / "saved.img")
    expected = nibabel.load(tmp_path / "saved.img")
    for name, end in zip((".hdr", ".img"), ends, strict=True):
        raw = (tmp_path / f"saved{name}").read_bytes()
        (tmp_path / f"a{end}").write_bytes(gzip.compress(raw) if end.endswith("gz") else raw)
    for end in ends:
        stack = read_stack(tmp_path / f"a{end}")
        np.testing.assert_array_equal(stack.array, in_lps(expected))
        assert stack.kind == "analyze"
        if kind.startswith("Nifti"):
            np.testing.assert_allclose(stack.geometry.spacing_mm, (3, 2, 1.5))
            assert stack.geometry.orientation == "LPS"
        else:
            assert stack.geometry is None
            assert any("does not say how it lies" in note for note in stack.notes)
    header = tmp_path / f"a{ends[0]}"
    assert registry.find_format(header).measure(header).extents == (1, *stack.array.shape)


def test_a_pair_that_lacks_its_voxels_or_links_to_them(tmp_path: Path):
    nibabel.save(nibabel.Nifti1Pair(np.zeros(SHAPE, np.uint8), AFFINE), tmp_path / "b.img")
    (tmp_path / "b.img").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="expected its voxels beside it"):
        read_stack(tmp_path / "b.hdr")
    (tmp_path / "b.img").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"its voxels \(\.img\) are a symbolic link"):
        read_stack(tmp_path / "b.hdr")


def test_the_orientation_in_spm_s_own_file_is_said_not_to_be_read(tmp_path: Path):
    voxels = RANDOM.integers(0, 99, SHAPE).astype(np.int16)
    nibabel.save(nibabel.AnalyzeImage(voxels, np.diag([-1, 1, 1, 1.0])), tmp_path / "a.img")
    (tmp_path / "a.mat").write_bytes(b"")
    assert any(".mat file (SPM)" in note for note in read_stack(tmp_path / "a.hdr").notes)


def test_a_set_of_pairs_and_other_files_of_that_suffix(tmp_path: Path):
    for index in range(4):
        path = tmp_path / "ab"[index % 2] / f"{index}.img"
        path.parent.mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Pair(RANDOM.integers(0, 99, SHAPE).astype(np.int16), AFFINE), path)
    (tmp_path / "a" / "panorama.hdr").write_bytes(b"#?RADIANCE\n" + bytes(400))
    tree = walk(tmp_path)
    assert tree.medical["analyze"] == ["a/0.hdr", "a/2.hdr", "b/1.hdr", "b/3.hdr"]
    found = find_image_set(tmp_path)
    assert (found.kind, len(found.entries)) == ("analyze", 4 * 5)
    assert inspect(tmp_path).unreadable == ()


@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
@pytest.mark.parametrize(("dtype", "times"), [("uint8", 1), ("int16", 1), ("float32", 2), ("int32", 1)])
def test_mgh(tmp_path: Path, suffix, dtype, times):
    shape = SHAPE if times == 1 else (*SHAPE, times)
    voxels = (RANDOM.normal(0, 50, shape) + 100).astype(dtype)
    path = tmp_path / f"a{suffix}"
    nibabel.save(MGHImage(voxels, AFFINE), path)
    stack = read_stack(path)
    saved = MGHImage(voxels, AFFINE)
    np.testing.assert_array_equal(stack.array, in_lps(saved))
    assert stack.kind == "mgh"
    np.testing.assert_allclose(stack.geometry.spacing_mm, (3, 2, 1.5))
    expected = nibabel.as_closest_canonical(saved).affine
    corner = stack.geometry.to_ras() @ [stack.array.shape[2] - 1, stack.array.shape[1] - 1, 0, 1]
    np.testing.assert_allclose(corner, expected @ [0, 0, 0, 1], atol=1e-5)
    assert registry.find_format(path).measure(path).extents == (times, 5, 4, 6)


def test_mgh_that_claims_too_much_or_ends_early(tmp_path: Path):
    path = tmp_path / "a.mgz"
    nibabel.save(MGHImage(np.zeros(SHAPE, np.uint8), AFFINE), path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    for at, value, message in (
        (4, 10**8, "pixels a frame"), (16, 10**8, "1024 MiB"), (12, 50, "ends early"), (20, 7, "another type"),
    ):  # fmt: skip
        changed = bytearray(raw)
        changed[at : at + 4] = value.to_bytes(4, "big")
        path.write_bytes(gzip.compress(changed))
        with pytest.raises(InputError, match=message):
            read_stack(path)
