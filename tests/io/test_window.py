"""Windows as typed, and which one is taken."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import UsageError
from drai_cli.io.read import read_image
from drai_cli.io.stack import Stack
from drai_cli.io.window import Window, choose_scale, parse_window, window_range


def test_parse():
    assert parse_window(None) == parse_window("auto") == Window()
    assert parse_window("full") == Window("full")
    assert parse_window("LUNG") == Window("name", "LUNG")
    assert parse_window("128,256") == Window("range", low=0, high=255)
    assert parse_window("0.5,1") == Window("range", low=0, high=1)
    for wrong in ("40,0", "40,-3", "1,2,3", "40", "nan,3"):
        with pytest.raises(UsageError, match="expected CENTRE,WIDTH"):
            parse_window(wrong)


def test_linear_is_dicoms():
    assert window_range(128, 256) == (0, 255)
    assert window_range(2048, 4096) == (0, 4095)


def test_percentiles_leave_padding_out():
    array = np.linspace(0, 1000, 4000).reshape(1, 50, 80).astype(np.float32)
    padding = array > 500
    scale = choose_scale(Stack(array, "nifti", 32, padding=padding))
    assert scale.intensity.high < 500
    plain = choose_scale(Stack(array, "nifti", 32))
    assert (plain.intensity.low, plain.intensity.high) == pytest.approx((5, 995), abs=0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png_keeps_its_depth_and_all_its_levels(tmp_path, dtype):
    array = (np.arange(12).reshape(3, 4) * 20).astype(dtype)
    PillowImage.fromarray(array).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array, array)
    assert image.intensity is None
    full = read_image(tmp_path / "a.png", window="full").array
    assert (full.min(), full.max()) == (0, np.iinfo(dtype).max)
