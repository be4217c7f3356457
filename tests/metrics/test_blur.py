"""A planted blur, and the range of real images."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.blur import blurred, plain_blur_px
from drai_cli.metrics.ranges import in_range, measure_ranges


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_blur_spreads_a_point_and_keeps_what_is_flat(dtype) -> None:
    peak = np.iinfo(dtype).max
    images = np.zeros((2, 33, 33, 1), dtype)
    images[0, 16, 16] = peak
    images[1] = peak // 3
    found = blurred(images, 2.0)
    assert found.dtype == dtype
    assert (abs(found[1].astype(int) - peak // 3) <= peak // 255 + 1).all()
    levels = found[0, :, :, 0] / peak
    place = np.arange(33) - 16
    across = levels.sum(0)
    assert across.argmax() == 16
    assert (across * place**2).sum() / across.sum() == pytest.approx(4, rel=0.2)
    assert np.allclose(levels, levels.T, atol=1 / 255)


def test_a_plain_blur_is_two_pixels_of_64_and_never_less_than_one() -> None:
    assert [plain_blur_px(side) for side in (16, 64, 256)] == [1, 2, 8]


def test_images_outside_the_range_of_real_ones_are_counted() -> None:
    generator = np.random.default_rng(0)
    real = (100 + generator.normal(0, 20, (400, 8, 8, 3))).clip(0, 255).astype(np.uint8)
    made = real[:100].copy()
    made[:10] = 255  # too bright
    made[10:20] = 100  # without contrast
    flags = in_range(made, real[100:])
    assert not flags[:20].any()
    assert flags[20:].mean() > 0.9
    found = measure_ranges(made, real[:100], np.arange(100), real[100:], 0)
    assert found["samples"]["high"] < found["real"]["low"]
