"""MetaImage and NRRD: values, spacing and orientation compared with SimpleITK; files of strangers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, UsageError
from drai_cli.io.read import read_image, read_stack
from drai_cli.io.registry import find_format
from drai_cli.settings.image_options import ConvertOptions
from drai_cli.workflows.convert import convert
from drai_cli.workflows.inspect import inspect

sitk = pytest.importorskip("SimpleITK")
RANDOM = np.random.default_rng(0)
SHAPE = (4, 5, 6)  # slice, row, column
ENDS = [".mha", ".mhd", ".nrrd", ".nhdr"]
TURNED = {
    "identity": np.eye(3),
    "flipped": np.diag([-1.0, 1.0, -1.0]),
    "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]),
    "oblique": np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1.0]]),
}


def volume(dtype: str = "int16", direction: str = "identity", components: int = 1):
    shape = SHAPE if components == 1 else (*SHAPE, components)
    image = sitk.GetImageFromArray(RANDOM.integers(0, 120, shape).astype(dtype), isVector=components > 1)
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetOrigin((-10.0, 20.0, 30.0))
    image.SetDirection(TURNED[direction].ravel().tolist())
    return image


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("direction", TURNED)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_voxel_lies_where_simpleitk_says(tmp_path: Path, end, direction, compressed):
    image = volume(direction=direction)
    path = tmp_path / f"a{end}"
    sitk.WriteImage(image, str(path), compressed)
    stack = read_stack(path)
    assert stack.kind == find_format(path).name
    for _ in range(20):
        frame, row, column = (int(RANDOM.integers(extent)) for extent in stack.array.shape)
        place = stack.geometry.affine @ [column, row, frame, 1]
        index = image.TransformPhysicalPointToIndex(place[:3].tolist())
        assert stack.array[frame, row, column] == image.GetPixel(*index)
    assert stack.geometry.orientation == "LPS"
    assert find_format(path).measure(path).extents == (1, *stack.array.shape)
    oriented = sitk.DICOMOrient(image, "LPS")
    np.testing.assert_array_equal(stack.array, sitk.GetArrayFromImage(oriented))
    np.testing.assert_allclose(stack.spacing_mm, oriented.GetSpacing()[::-1])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_every_type(tmp_path: Path, end, dtype):
    image = volume(dtype)
    sitk.WriteImage(image, str(tmp_path / f"a{end}"))
    array = read_stack(tmp_path / f"a{end}").array
    np.testing.assert_array_equal(array, sitk.GetArrayFromImage(image))
    assert array.dtype == dtype


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("components", [2, 3, 4])
def test_colour_and_components(tmp_path: Path, end, components):
    image = volume("uint8", components=components)
    path = tmp_path / f"a{end}"
    sitk.WriteImage(image, str(path))
    stack, array = read_stack(path), sitk.GetArrayFromImage(image)
    if components == 2:
        assert stack.volumes == 2
        np.testing.assert_array_equal(stack.array, np.moveaxis(array, 3, 0).reshape(-1, *SHAPE[1:]))
    else:
        np.testing.assert_array_equal(stack.array, array[..., :3])
    assert find_format(path).measure(path).extents == (stack.volumes, *SHAPE)


@pytest.mark.parametrize("end", ENDS)
def test_four_dimensions_are_volumes(tmp_path: Path, end):
    array = RANDOM.integers(0, 99, (3, *SHAPE)).astype(np.int16)
    path = tmp_path / f"a{end}"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=False), str(path))
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.array, array.reshape(-1, *SHAPE[1:]))
    assert stack.volumes == 3
    assert find_format(path).measure(path).extents == (3, *SHAPE)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("components", [1, 3])
def test_two_dimensions_are_an_image(tmp_path: Path, end, components):
    shape = (5, 6) if components == 1 else (5, 6, 3)
    array = RANDOM.integers(0, 99, shape).astype(np.uint8)
    image = sitk.GetImageFromArray(array, isVector=components > 1)
    image.SetSpacing((0.2, 0.4))
    image.SetDirection([-1, 0, 0, 1])
    path = tmp_path / f"a{end}"
    sitk.WriteImage(image, str(path))
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.array, array[None])
    assert (stack.spacing_mm, stack.geometry, stack.volumes) == ((None, 0.4, 0.2), None, 1)
    assert find_format(path).measure(path).extents == (1, 1, 5, 6)
    assert read_image(path).array.shape == shape


def test_no_numbers_are_padding(tmp_path: Path):
    array = RANDOM.normal(size=SHAPE).astype(np.float32)
    array[1, 2, 3] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "a.mha"))
    stack = read_stack(tmp_path / "a.mha")
    assert stack.padding.sum() == 1
    assert "1 voxels are no numbers: now the least value" in stack.notes


def test_nrrd_in_other_spaces(tmp_path: Path):
    image = volume()
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    raw = (tmp_path / "a.nrrd").read_bytes()
    ras = raw.replace(b"left-posterior-superior", b"right-anterior-superior")
    (tmp_path / "ras.nrrd").write_bytes(ras)
    stack = read_stack(tmp_path / "ras.nrrd")
    np.testing.assert_array_equal(stack.array, sitk.GetArrayFromImage(image)[:, ::-1, ::-1])
    bare = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n\n" + bytes(range(24))
    (tmp_path / "bare.nrrd").write_bytes(bare)
    stack = read_stack(tmp_path / "bare.nrrd")
    assert stack.geometry is None
    assert any("does not say how it lies" in note for note in stack.notes)
    np.testing.assert_array_equal(stack.array, np.arange(24, dtype=np.uint8).reshape(4, 3, 2))


MHA_HEADER = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = False\nDimSize = 6 5 4\n"
    "ElementType = MET_UCHAR\n"
)
NRRD_HEADER = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 6 5 4\nencoding: raw\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../out.raw", "leads out of its folder"), ("/etc/passwd", "leads out of its folder"),
        ("sub/../../out.raw", "leads out of its folder"), ("..\\out.raw", "leads out of its folder"),
        ("C:out.raw", "leads out of its folder"), ("absent.raw", "no such file"), ("link.raw", "symbolic link"),
        ("linked/out.raw", "symbolic link"), ("LIST", "in several files"), ("a%03d.raw 1 4 1", "in several files"),
        ("pipe", "expected a file, got a pipe"), ("short.raw", "ends early: expected 120 bytes of voxels, got 7"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [".mhd", ".nhdr"])
def test_voxels_elsewhere_are_refused(tmp_path: Path, name, message, end):
    import os

    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "out.raw").write_bytes(bytes(120))
    (inside / "link.raw").symlink_to(tmp_path / "out.raw")
    (inside / "linked").symlink_to(tmp_path)
    (inside / "short.raw").write_bytes(bytes(7))
    os.mkfifo(inside / "pipe")
    header = (
        f"{MHA_HEADER}ElementDataFile = {name}\n" if end == ".mhd" else f"{NRRD_HEADER}data file: {name}\n"
    )
    (inside / f"a{end}").write_text(header)
    for read in (read_stack, find_format(inside / f"a{end}").measure):
        with pytest.raises(InputError, match=message) as caught:
            read(inside / f"a{end}")
        assert "passwd" not in str(caught.value)
    assert (inside / f"a{end}").read_text() == header


@pytest.mark.parametrize("end", [".mhd", ".nhdr"])
def test_voxels_in_a_file_beside_the_header(tmp_path: Path, end):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.raw").write_bytes(bytes(range(120)))
    name = "sub/a.raw"
    header = (
        f"{MHA_HEADER}ElementDataFile = {name}\n" if end == ".mhd" else f"{NRRD_HEADER}data file: {name}\n"
    )
    (tmp_path / f"a{end}").write_text(header)
    np.testing.assert_array_equal(read_stack(tmp_path / f"a{end}").array.ravel(), np.arange(120))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (MHA_HEADER.replace("6 5 4", "60000 50000 40000"), "expected at most 1024 MiB"),
        (MHA_HEADER.replace("6 5 4", "6 5 0"), "one without voxels"),
        (MHA_HEADER.replace("6 5 4", "6 5"), "expected 2 to 4 dimensions"),
        (MHA_HEADER.replace("6 5 4", "6 5 x"), "expected whole numbers as its DimSize"),
        (MHA_HEADER.replace("MET_UCHAR", "MET_STRING"), "expected whole or real numbers"),
        (MHA_HEADER.replace("MET_UCHAR", "MET_UCHAR\nElementNumberOfChannels = 99999"), "one without voxels"),
        (MHA_HEADER.replace("NDims", "DimSize = 1 1 1\nNDims"), "got something else or a broken one"),
        (MHA_HEADER.replace("Image\n", "Tube\n"), "another object of MetaIO's"),
        (MHA_HEADER.replace("Data = False", "Data = True\nCompressedDataSize = 99999999999"), "ends early"),
        (MHA_HEADER.replace("Data = False", "Data = True"), "compressed voxels are broken"),
        (MHA_HEADER + "HeaderSize = 5\n", "impossible position of the voxels"),
        (MHA_HEADER + "Comment = x ElementDataFile = /etc/passwd\n", "got something else or a broken one"),
    ],
)  # fmt: skip
def test_mha_headers_that_are_refused(tmp_path: Path, header, message):
    path = tmp_path / "a.mha"
    path.write_bytes(header.encode() + b"ElementDataFile = LOCAL\n" + bytes(119) + b"x")
    with pytest.raises(InputError, match=message):
        read_stack(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (NRRD_HEADER.replace("6 5 4", "60000 50000 40000"), "expected at most 1024 MiB"),
        (NRRD_HEADER.replace("uint8", "block"), "expected whole or real numbers"),
        (NRRD_HEADER.replace("raw", "bzip2"), "another encoding"),
        (NRRD_HEADER.replace("raw", "gzip"), "compressed voxels are broken"),
        (NRRD_HEADER + "byte skip: 5\n", "bytes to skip"),
        (NRRD_HEADER + "sizes: 1 1 1\n", "got something else or a broken one"),
        (NRRD_HEADER.replace("0004", "0009"), "got something else or a broken one"),
    ],
)  # fmt: skip
def test_nrrd_headers_that_are_refused(tmp_path: Path, header, message):
    path = tmp_path / "a.nrrd"
    path.write_bytes(header.encode() + b"\n" + bytes(119) + b"x")
    with pytest.raises(InputError, match=message):
        read_stack(path)


def test_compressed_voxels_that_end_early(tmp_path: Path):
    for end in (".mha", ".nrrd"):
        path = tmp_path / f"a{end}"
        sitk.WriteImage(volume(), str(path), True)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(InputError, match=r"ends early|broken"):
            read_stack(path)


@pytest.mark.parametrize("end", [".mha", ".mhd", ".nrrd"])
def test_a_set_of_volumes(tmp_path: Path, end):
    for index in range(4):
        path = tmp_path / "ab"[index % 2] / f"{index}{end}"
        path.parent.mkdir(exist_ok=True)
        sitk.WriteImage(volume(), str(path))
    found = find_image_set(tmp_path, axis="coronal", slices="central")
    assert (found.kind, len(found.entries)) == (find_format(path).name, 4)
    assert found.read(found.entries[0]).array.shape == (4, 6)
    report = inspect(tmp_path)
    assert (report.count, report.unreadable) == (16, ())
    convert(ConvertOptions(tmp_path / "a" / f"0{end}", tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(
        read_stack(tmp_path / "out.nii.gz").array, read_stack(tmp_path / "a" / f"0{end}").array
    )


def test_without_simpleitk_the_line_to_install_it_is_named(tmp_path: Path, monkeypatch):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        sitk.WriteImage(volume(), str(tmp_path / label / "0.mha"))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    for path in (tmp_path / "a" / "0.mha", tmp_path):
        with pytest.raises(UsageError, match="read by SimpleITK, which is not installed") as caught:
            inspect(path)
        assert caught.value.hint == "pip install 'drai-cli[itk]'"
