"""Reading image files, hostile ones among them, and writing PNG."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from drai_cli.errors import InputError
from drai_cli.io.about import About
from drai_cli.io.raster import read_raster, write_png
from drai_cli.io.read import decode_stack
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image
from tests.io.quietly import read_all_frames, read_image

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)


def dicom_of(array: np.ndarray) -> bytes:
    about = About({}, {"of": "a test"})
    return encode_image("dicom", Stored(array[None]), about)[0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".TIFF", ".PNG"])
def test_reads_colour(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    PillowImage.fromarray(COLOUR).save(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.array, COLOUR)
    assert (image.channels, image.bits, image.notes) == (3, 8, ())


def test_reads_grey_of_every_depth(tmp_path: Path):
    deep = RANDOM.integers(0, 65536, (4, 6), np.uint16)
    for suffix in ("png", "tif"):
        PillowImage.fromarray(deep).save(tmp_path / f"deep.{suffix}")
        image = read_image(tmp_path / f"deep.{suffix}")
        np.testing.assert_array_equal(image.array, deep)
        assert (image.array.dtype, image.bits) == (np.uint16, 16)
    big_endian = tmp_path / "big.tif"
    PillowImage.frombytes("I;16B", (6, 4), deep.astype(">u2").tobytes()).save(big_endian)
    np.testing.assert_array_equal(read_image(big_endian).array, deep)
    PillowImage.fromarray(deep > 30000).save(tmp_path / "one.png")
    one = read_image(tmp_path / "one.png")
    np.testing.assert_array_equal(one.array, (deep > 30000) * np.uint8(255))
    assert one.bits == 1
    PillowImage.fromarray(deep.astype(np.float32)).save(tmp_path / "float.tif")
    assert read_all_frames(tmp_path / "float.tif").array.dtype == np.float32
    windowed = read_image(tmp_path / "float.tif")
    assert windowed.array.dtype == np.uint16
    assert windowed.intensity is not None


def test_palette_becomes_rgb(tmp_path: Path):
    picture = PillowImage.fromarray(COLOUR).quantize(8)
    for name in ("p.png", "p.gif"):
        picture.save(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name).array, np.asarray(picture.convert("RGB")))


def test_alpha_is_blended_over_black_and_told(tmp_path: Path):
    rgba = np.dstack([np.full((2, 2, 3), 200, np.uint8), np.array([[0, 255], [128, 255]], np.uint8)])
    PillowImage.fromarray(rgba).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.array[..., 0].tolist() == [[0, 200], [100, 200]]
    assert image.notes == ("its transparent parts were blended over black",)
    rgba[..., 3] = 255
    PillowImage.fromarray(rgba).save(tmp_path / "opaque.png")
    assert read_image(tmp_path / "opaque.png").notes == ()
    grey = PillowImage.fromarray(np.dstack([np.full((2, 2), 100, np.uint8)] * 2))
    grey.save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png").array.tolist() == [[39, 39], [39, 39]]
    stack = read_all_frames(tmp_path / "la.png")
    assert stack.array.shape == stack.alpha.shape == (1, 2, 2)


def test_what_is_lost_is_told(tmp_path: Path):
    deep = RANDOM.integers(0, 65536, (4, 6, 3), np.uint16)
    write_png(tmp_path / "deep.png", deep)
    image = read_image(tmp_path / "deep.png")
    assert image.notes == ("16-bit colour was read as 8-bit",)
    assert np.abs(image.array.astype(int) - deep / 257).max() <= 1
    PillowImage.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert read_image(tmp_path / "print.jpg").notes == ("CMYK colour was converted to RGB",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int):
    picture = PillowImage.fromarray(COLOUR)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    picture.save(path, exif=exif)
    with PillowImage.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(read_image(path).array, expected)
    np.testing.assert_array_equal(read_all_frames(path).array[0], expected)


def test_broken_exif_turns_nothing(tmp_path: Path):
    path = tmp_path / "a.jpg"
    PillowImage.fromarray(COLOUR).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert read_image(path).array.shape == COLOUR.shape


def test_frames(tmp_path: Path):
    frames = [PillowImage.fromarray(COLOUR + np.uint8(i)) for i in range(3)]
    path = tmp_path / "stack.tif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"stack\.tif: expected one frame, got 3") as caught:
        read_image(path)
    assert caught.value.hint == "pick one with --frame N"
    np.testing.assert_array_equal(read_image(path, frame=2).array, COLOUR + np.uint8(2))
    with pytest.raises(InputError, match="expected a frame from 0 to 2, got 3"):
        read_image(path, frame=3)
    stack = read_all_frames(path)
    assert (stack.kind, stack.array.shape, stack.bits) == ("tiff", (3, 5, 7, 3), 8)
    np.testing.assert_array_equal(stack.array[1], COLOUR + np.uint8(1))


def test_narrow_grey_frames_are_not_taken_for_colour(tmp_path: Path):
    frames = [PillowImage.fromarray(np.full((5, 3), level, np.uint8)) for level in range(4)]
    path = tmp_path / "stack.tif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert read_all_frames(path).array[:, 0, 0].tolist() == [0, 1, 2, 3]


def test_a_telephone_photograph_is_one_picture(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    picture = PillowImage.fromarray(COLOUR)
    picture.save(path, format="MPO", save_all=True, append_images=[picture])
    assert read_image(path).array.shape == COLOUR.shape
    assert read_all_frames(path).kind == "jpeg"


def test_a_file_is_what_its_bytes_say(tmp_path: Path):
    saved = {"PNG": ".jpg", "JPEG": ".png", "BMP": ".tif", "GIF": ".bmp", "TIFF": ".webp", "WEBP": ".gif"}
    for kind, suffix in saved.items():
        path = tmp_path / f"a{suffix}"
        PillowImage.fromarray(COLOUR).save(path, format=kind)
        with PillowImage.open(path) as stored:
            expected = np.asarray(stored.convert("RGB"))
        image, stack = read_image(path), read_all_frames(path)
        np.testing.assert_array_equal(image.array, expected)
        np.testing.assert_array_equal(stack.array[0], expected)
        assert stack.kind == kind.lower()
        assert image.notes[0] == stack.notes[0] == f"it is a {kind} file, whatever its name says"


@pytest.mark.parametrize(
    "suffix", [".jpe", ".JFIF", ".JPG", ".dib", ".webp", ".WebP", ".Tiff", ".pgm", ".ppm"]
)
def test_every_suffix_of_a_kind_is_read_without_a_word(tmp_path: Path, suffix: str):
    kinds = {".jpe": "JPEG", ".jfif": "JPEG", ".dib": "BMP", ".pgm": "PPM"}
    path = tmp_path / f"a{suffix}"
    picture = PillowImage.fromarray(COLOUR)
    (picture.convert("L") if suffix == ".pgm" else picture).save(path, format=kinds.get(suffix.lower()))
    image = read_image(path)
    assert image.notes == ()
    assert image.array.shape[:2] == (5, 7)


def test_grey_pgm_keeps_its_numbers(tmp_path: Path):
    deep = RANDOM.integers(0, 65536, (4, 6), np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5 6 4 65535\n" + deep.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm").array, deep)


def test_a_dicom_file_called_png_and_a_png_called_dicom_are_read(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(dicom_of(COLOUR[..., 0]))
    assert decode_stack(tmp_path / "a.png").kind == "dicom"
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.array, COLOUR[..., 0])
    assert image.notes[0] == "it is a DICOM file, whatever its name says"
    write_png(tmp_path / "a.dcm", COLOUR)
    np.testing.assert_array_equal(decode_stack(tmp_path / "a.dcm").array[0], COLOUR)
    (tmp_path / "b.dcm").write_bytes(b"text" * 50)
    with pytest.raises(InputError, match="DICOM"):
        decode_stack(tmp_path / "b.dcm")


def test_png_round_trip_with_text(tmp_path: Path):
    for name, array in {
        "colour": COLOUR,
        "grey": COLOUR[..., 0],
        "channel": COLOUR[..., :1],
        "deep": RANDOM.integers(0, 65536, (4, 6), np.uint16),
    }.items():
        path = tmp_path / f"{name}.png"
        write_png(path, array, {"Software": "drai", "Comment": "künstlich · synthetic"})
        np.testing.assert_array_equal(read_image(path).array, array[..., 0] if name == "channel" else array)
        with PillowImage.open(path) as stored:
            assert stored.info["Comment"] == "künstlich · synthetic"
    with pytest.raises(ValueError):
        write_png(tmp_path / "no.png", np.zeros((4, 4, 4), np.uint8))
    assert not (tmp_path / "no.png").exists()


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.png"
    write_png(path, COLOUR)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"cannot be written \(no space left on device, .* free\)"):
        write_png(path, COLOUR + np.uint8(1))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(InputError, match="cannot be written"):
        write_png(tmp_path / "absent" / "a.png", COLOUR)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "tRNS"])
def test_a_large_picture_is_the_same_in_bands(tmp_path, monkeypatch, mode):
    numbers = np.random.default_rng(0).integers(0, 256, (23, 17, 4), np.uint8)
    if mode == "I;16":
        picture = PillowImage.fromarray(numbers.view(np.uint16)[..., 0])
    else:
        picture = PillowImage.fromarray(numbers).convert("RGB" if mode == "tRNS" else mode)
    suffix = {"CMYK": "jpg", "F": "tif"}.get(mode, "png")
    more = {"transparency": tuple(map(int, numbers[3, 3, :3]))} if mode == "tRNS" else {}
    picture.save(tmp_path / f"a.{suffix}", **more)
    whole = read_raster(tmp_path / f"a.{suffix}")
    monkeypatch.setattr("drai_cli.io.raster_pixels._BAND_PIXELS", 17 * 5)
    bands = read_raster(tmp_path / f"a.{suffix}")
    assert bands.array.dtype == whole.array.dtype
    np.testing.assert_array_equal(bands.array, whole.array)
    assert (bands.alpha is None) == (whole.alpha is None)
    if whole.alpha is not None:
        np.testing.assert_array_equal(bands.alpha, whole.alpha)
