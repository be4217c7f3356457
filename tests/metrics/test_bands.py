"""Power by spatial period: blur lowers the fine band, dots raise it, and equal images give 1."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.bands import power_ratios

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(40, 216, (30, 32, 32, 3)).astype(np.uint8)


def test_equal_images_give_one():
    assert power_ratios(NOISE, NOISE) == {"coarse": 1, "middle": 1, "fine": 1}
    deep = NOISE.astype(np.uint16) * 257
    assert power_ratios(deep, NOISE) == pytest.approx({"coarse": 1, "middle": 1, "fine": 1})


def test_blur_lowers_the_fine_band():
    blurred = NOISE.reshape(30, 16, 2, 16, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2).astype(np.uint8)
    ratios = power_ratios(blurred, NOISE)
    assert ratios["fine"] < 0.3 < ratios["coarse"]


def test_a_checkerboard_is_in_the_fine_band():
    flat = np.full((4, 32, 32, 1), 128, np.uint8)
    board = flat + ((np.indices((32, 32)).sum(0) % 2) * 20).astype(np.uint8)[None, :, :, None]
    coarse = flat + (20 * np.sin(np.arange(32) * 2 * np.pi / 16)).astype(np.int8)[None, :, None, None]
    ratios = power_ratios(board, coarse.astype(np.uint8))
    assert ratios["fine"] > 10
    assert ratios["coarse"] < 0.1


def test_brightness_is_in_no_band():
    assert power_ratios(NOISE + np.uint8(20), NOISE) == pytest.approx({"coarse": 1, "middle": 1, "fine": 1})
