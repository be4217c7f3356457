"""Bringing an image to a model's size."""

import numpy as np
import pytest

from drai_cli.errors import InputError
from drai_cli.io.image import Image, fit_to_square, is_grey, to_channels


def ramp(height: int, width: int, dtype: type = np.uint8) -> np.ndarray:
    return np.arange(height * width).reshape(height, width).astype(dtype)


def test_an_image_of_the_size_is_not_resampled():
    colour = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(fit_to_square(Image(colour), 16, 3), colour)


@pytest.mark.parametrize("shape", [(8, 14), (14, 8)])
def test_crop_takes_the_centre(shape):
    array = ramp(*shape)
    top, left = (shape[0] - 8) // 2, (shape[1] - 8) // 2
    np.testing.assert_array_equal(
        fit_to_square(Image(array), 8, 1)[..., 0], array[top : top + 8, left : left + 8]
    )


def test_pad_keeps_all_and_fills_with_black():
    array = np.full((8, 16), 200, np.uint8)
    out = fit_to_square(Image(array), 16, 1, "pad")[..., 0]
    assert (out[4:12] == 200).all()
    assert (out[:4] == 0).all()
    assert (out[12:] == 0).all()


def test_orientation_survives_resizing():
    array = np.zeros((40, 40, 3), np.uint8)
    array[:20, 20:, 0] = 255  # red, top right
    array[20:, :20, 2] = 255  # blue, bottom left
    out = fit_to_square(Image(array), 10, 3)
    assert out[1, 8].tolist() == [255, 0, 0]
    assert out[8, 1].tolist() == [0, 0, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shrinking_is_antialiased(dtype):
    largest = np.iinfo(dtype).max
    fine = (np.indices((64, 64)).sum(0) % 2 * largest).astype(dtype)  # one-pixel checkerboard
    out = fit_to_square(Image(fine), 8, 1)
    assert out.dtype == dtype
    # A decimation would give 0 or the largest value, never the mean.
    assert np.abs(out.astype(float) - largest / 2).max() < 0.03 * largest


def test_16_bit_is_kept_exactly_and_clipped():
    array = np.array([[0, 65535], [257, 300]], np.uint16)
    np.testing.assert_array_equal(fit_to_square(Image(array, bits=16), 2, 1)[..., 0], array)
    enlarged = fit_to_square(Image(np.kron(array, np.ones((4, 4), np.uint16)), bits=16), 16, 1)
    assert enlarged.max() == 65535  # bicubic overshoot neither wraps nor is lost
    assert enlarged.min() == 0


def test_channels():
    grey = ramp(4, 4)
    as_colour = fit_to_square(Image(grey), 4, 3)
    assert as_colour.shape == (4, 4, 3)
    assert is_grey(as_colour)
    np.testing.assert_array_equal(to_channels(as_colour, 1)[..., 0], grey)
    every = np.repeat(np.arange(65536, dtype=np.uint16)[:, None, None], 3, 2)
    np.testing.assert_array_equal(to_channels(every, 1), every[..., :1])
    assert to_channels(np.array([[[255, 0, 0]]], np.uint8), 1).item() == 76  # BT.601
    assert not is_grey(np.array([[[1, 1, 2]]], np.uint8))


def test_a_line_of_pixels_does_not_vanish():
    line = np.full((1, 500), 9, np.uint8)
    assert (fit_to_square(Image(line), 8, 1) == 9).all()
    assert fit_to_square(Image(line), 8, 1, "pad").sum() == 9 * 8


def test_other_samples_are_refused():
    with pytest.raises(InputError, match=r"a\.tif: expected 8- or 16-bit samples, got float32"):
        fit_to_square(Image(np.zeros((4, 4), np.float32), source="a.tif"), 4, 1)
    with pytest.raises(InputError, match="grey or RGB"):
        fit_to_square(Image(np.zeros((4, 4, 4), np.uint8)), 4, 3)
    assert fit_to_square(Image(np.ones((4, 4), bool)), 4, 1).max() == 255
