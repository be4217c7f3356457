"""PNGs encoded here, decoded by Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.io.png import encode_png


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3), (1, 1, 3), (64, 64, 3)])
@pytest.mark.parametrize("level", [1, 9])
def test_pixels_come_back(shape, level):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    picture = PillowImage.open(io.BytesIO(encode_png(image, {}, level=level)))
    picture.load()
    assert picture.mode == {1: "L", 3: "RGB"}[shape[2]]
    np.testing.assert_array_equal(np.array(picture).reshape(shape), image)


def test_sixteen_bits_come_back():
    image = np.random.default_rng(0).integers(0, 65536, (9, 4, 1), np.uint16)
    picture = PillowImage.open(io.BytesIO(encode_png(image, {})))
    np.testing.assert_array_equal(np.array(picture), image[..., 0])


def test_strided_views_are_written_as_they_look():
    image = np.random.default_rng(0).integers(0, 256, (3, 6, 5), np.uint8).transpose(1, 2, 0)
    picture = PillowImage.open(io.BytesIO(encode_png(image, {})))
    np.testing.assert_array_equal(np.array(picture), image)


def test_text_comes_back_in_any_script():
    text = {"synthetic": "yes", "label": "naïve", "name": "肺 µ €", "empty": ""}
    picture = PillowImage.open(io.BytesIO(encode_png(np.zeros((2, 2, 1), np.uint8), text)))
    picture.load()
    assert dict(picture.text) == text


@pytest.mark.parametrize(
    "call",
    [
        lambda: encode_png(np.zeros((2, 2), np.uint8), {}),
        lambda: encode_png(np.zeros((2, 2, 4), np.uint8), {}),
        lambda: encode_png(np.zeros((0, 2, 1), np.uint8), {}),
        lambda: encode_png(np.zeros((2, 2, 1), np.float32), {}),
        lambda: encode_png(np.zeros((2, 2, 1), np.uint8), {"": "x"}),
        lambda: encode_png(np.zeros((2, 2, 1), np.uint8), {"x": "a\0b"}),
    ],
)
def test_what_a_png_cannot_hold_is_refused(call):
    with pytest.raises(ValueError):
        call()
