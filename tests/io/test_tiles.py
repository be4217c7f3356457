"""Sheets of images: each at its place, white elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.io.tiles import tile_images, to_eight_bit


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_lie_in_rows_on_white(dtype):
    images = np.random.default_rng(0).integers(0, 200, (5, 4, 3, 1)).astype(dtype)
    sheet = tile_images([images[:3], images[3:]], (2, 1))
    assert sheet.shape == (4 + 2 + 4, 3 + 1 + 3 + 1 + 3, 1)
    assert sheet.dtype == dtype
    expected = np.full_like(sheet, np.iinfo(dtype).max)
    for number, image in enumerate(images):
        top, left = number // 3 * 6, number % 3 * 4
        expected[top : top + 4, left : left + 3] = image
    assert (sheet == expected).all()


def test_sixteen_bits_become_eight():
    assert to_eight_bit(np.array([0, 256, 257, 65535], np.uint16)).tolist() == [0, 0, 1, 255]
    assert to_eight_bit(np.array([7], np.uint8)).tolist() == [7]
