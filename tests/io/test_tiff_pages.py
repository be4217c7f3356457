"""TIFF: every layout of grey samples, orientation, and which pages are images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.io.read import read_image, read_stack
from drai_cli.workflows.inspect import inspect
from tests.support.tiff_file import page, tiff

RANDOM = np.random.default_rng(0)
SHAPE = (5, 8)


def some(dtype: str, bits: int = 0) -> np.ndarray:
    """Numbers from one end of the type, or of its bits, to the other."""
    if dtype.startswith("f"):
        return RANDOM.normal(0, 1e4, SHAPE).astype(dtype)
    info = np.iinfo(dtype)
    low, high = (0, (1 << bits) - 1) if bits else (info.min, info.max)
    array = RANDOM.integers(low, high, SHAPE, dtype, endpoint=True)
    array[0, :2] = low, high
    return array


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        ("u1", 8),
        ("i1", 8),
        ("u2", 12),
        ("u2", 16),
        ("i2", 16),
        ("u4", 32),
        ("i4", 32),
        ("f4", 32),
        ("f8", 64),
    ],
)
def test_grey_of_every_layout_is_read_exactly(tmp_path: Path, dtype, bits, white_is_zero, deflate, order):
    array = some(dtype, bits if bits == 12 else 0)
    path = tmp_path / "a.tif"
    path.write_bytes(
        tiff([page(array, bits=bits, white_is_zero=white_is_zero, deflate=deflate, order=order)], order)
    )
    stack = read_stack(path)
    expected = array
    if white_is_zero:
        top, low = (4095, 0) if bits == 12 else (0, 0)
        if array.dtype.kind != "f" and bits != 12:
            top, low = np.iinfo(dtype).max, np.iinfo(dtype).min
        expected = (top + low - array.astype(object)).astype(dtype)
    if dtype == "f8":
        np.testing.assert_allclose(stack.array[0], expected, rtol=1e-6)
    else:
        np.testing.assert_array_equal(stack.array[0], expected)
        assert stack.array.dtype == np.dtype(dtype)
    assert stack.bits == bits
    assert read_image(path).array.dtype.kind == "u"


def test_bilevel_white_is_zero(tmp_path: Path):
    bits = RANDOM.integers(0, 2, (8, 8), np.uint8).astype(bool)
    for compression in ("raw", "group4"):
        for photometric in (0, 1):
            path = tmp_path / "a.tif"
            PillowImage.fromarray(bits).save(path, compression=compression, tiffinfo={262: photometric})
            with PillowImage.open(path) as picture:
                is_white_zero = picture.tag_v2[262] == 0
                expected = np.asarray(picture)
            assert is_white_zero in (True, False)
            np.testing.assert_array_equal(read_stack(path).array[0] > 0, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}), ("jpg", {"quality": 100, "subsampling": 0}), ("webp", {"lossless": True}),
        ("tif", {}), ("tif", {"compression": "tiff_lzw"}), ("tif", {"compression": "tiff_adobe_deflate"}),
        ("tif", {"compression": "packbits"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("depth", ["RGB", "L", "I;16"])
def test_orientation_is_applied_once(tmp_path: Path, orientation, suffix, options, depth):
    if depth == "I;16" and suffix in ("jpg", "webp"):
        pytest.skip("the format has 8 bits")
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8, 0] = 255  # red at the top left
    upright[:8, -8:, 1] = 200
    upright[-8:, :8] = 90
    picture = PillowImage.fromarray(upright)
    if depth != "RGB":
        picture = picture.convert("L")
    if depth == "I;16":
        picture = PillowImage.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        picture.save(path, tiffinfo={274: orientation}, **options)
    else:
        picture.save(path, exif=exif, **options)
    plain = tmp_path / "plain.png"
    (picture.convert("RGB") if suffix == "webp" else picture).save(plain, exif=exif)
    with PillowImage.open(plain) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
    for array in (read_image(path).array, read_stack(path).array[0]):
        assert array.shape == expected.shape
        scale = 257 if depth == "I;16" else 1
        assert np.abs(array.astype(int) - expected).max() <= 12 * scale, "turned otherwise"
    measure = registry.find_format(path).measure
    if measure is not None:
        assert measure(path).extents == (1, 1, *expected.shape[:2])


def test_each_page_is_turned_by_its_own_tag(tmp_path: Path):
    array = RANDOM.integers(0, 255, SHAPE, np.uint8)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([page(array, tags={274: 3}), page(array), page(array, tags={274: 2})]))
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.array, [array[::-1, ::-1], array, array[:, ::-1]])
    for frame in range(3):
        np.testing.assert_array_equal(read_image(path, frame=frame).array, stack.array[frame])


def test_thumbnails_masks_and_other_sizes_are_set_aside(tmp_path: Path):
    array = RANDOM.integers(0, 255, (3, *SHAPE), np.uint8)
    small = array[0, :2, :2]
    path = tmp_path / "a.tif"
    path.write_bytes(
        tiff([
            page(small), page(array[0]), page(array[1], tags={254: 1}), page(small, tags={254: 1}),
            page(array[2]), page(array[2], tags={254: 4}), page(small, tags={255: 2}),
        ])
    )  # fmt: skip
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.array, array[[0, 2]])
    assert stack.notes == (
        "4 thumbnails, overviews or masks in it are set aside",
        "1 pages of another size or type are set aside",
    )
    assert registry.find_format(path).measure(path).extents == (1, 2, *SHAPE)
    np.testing.assert_array_equal(read_image(path, frame=1).array, array[2])
    # A pyramid whose pages do not say so: the largest is the image.
    path.write_bytes(tiff([page(small), page(array[0])]))
    np.testing.assert_array_equal(read_image(path).array, array[0])


def test_a_page_that_cannot_be_decoded_is_set_aside(tmp_path: Path):
    array = RANDOM.integers(0, 255, (2, *SHAPE), np.uint8)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([page(array[0]), page(array[1], tags={262: 9}), page(array[1])]))
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.array, array)
    assert stack.notes == ("1 pages of another size or type are set aside",)


def test_what_pillow_cannot_decode_is_named(tmp_path: Path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([page(some("u2"), tags={339: 5})]))
    with pytest.raises(
        InputError, match="expected a TIFF that Pillow decodes, got one of 16 bits, complex"
    ) as caught:
        read_stack(path)
    assert "save it as TIFF or PNG" in caught.value.hint


def test_no_numbers_become_black(tmp_path: Path):
    array = RANDOM.normal(10, 1, SHAPE).astype(np.float32)
    array[1, 2], array[3, 4] = np.nan, np.inf
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([page(array)]))
    stack = read_stack(path)
    assert np.isfinite(stack.array).all()
    assert stack.padding.sum() == 2
    assert "2 pixels are no numbers: now the least value" in stack.notes
    assert read_image(path).array[1, 2] == read_image(path).array[3, 4] == 0
    assert inspect(path).dtype == "float32"


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("drai_cli.io.tiff_pages.MAX_PAGES", 3)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([page(some("u1"))] * 5))
    with pytest.raises(InputError, match="at most 3 pages"):
        read_stack(path)


def test_pages_that_are_too_large_in_all_are_refused_before_decoding(tmp_path: Path):
    blank = io.BytesIO()
    PillowImage.new("L", (8000, 8000)).save(
        blank, "TIFF", compression="tiff_adobe_deflate", strip_size=1 << 30
    )
    frames = PillowImage.new("L", (8000, 8000))
    path = tmp_path / "a.tif"
    frames.save(
        path, compression="tiff_adobe_deflate", strip_size=1 << 30, save_all=True, append_images=[frames] * 8
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="at most 1024 MiB"):
        read_stack(path)
