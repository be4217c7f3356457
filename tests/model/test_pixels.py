from __future__ import annotations

import numpy as np
import pytest
import torch

from drai_cli.model.pixels import from_unit, to_unit


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_comes_back(dtype: type) -> None:
    levels = np.arange(256, dtype=dtype) * (np.iinfo(dtype).max // 255)
    images = levels.reshape(1, 16, 16, 1)
    unit = to_unit(images)
    assert unit.min() == -1
    assert unit.max() == 1
    assert np.array_equal(from_unit(unit, np.dtype(dtype)), images)


def test_rows_and_channels_stay_in_place() -> None:
    images = np.zeros((2, 3, 5, 3), np.uint8)
    images[1, 2, 4, 0] = 255
    unit = to_unit(images)
    assert unit.shape == (2, 3, 3, 5)
    assert torch.nonzero(unit > 0).tolist() == [[1, 0, 2, 4]]


def test_values_out_of_range_are_clipped() -> None:
    assert from_unit(torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2), np.dtype(np.uint8)).ravel().tolist() == [
        0,
        255,
    ]
