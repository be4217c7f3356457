"""Windows: the formula of the standard, and which one is meant."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.errors import UsageError
from drai_cli.io.display import apply_window, choose_window, full_window
from drai_cli.io.stack import Stack


def test_linear_window_of_the_standard():
    # PS3.3 C.11.2.1.2.1 with centre 2048 and width 4096 maps 0 to the least level and 4095 to the greatest.
    levels = apply_window(np.array([-5, 0, 4095, 9000]), (2048, 4096), np.uint8)
    assert levels.tolist() == [0, 0, 255, 255]
    assert apply_window(np.array([99, 100, np.nan]), (100, 1), np.uint8).tolist() == [0, 255, 0]


def test_the_full_window_uses_all_levels():
    for values in (np.array([-1024, 0, 3071]), np.array([0.25, 0.5, 0.75])):
        levels = apply_window(values, full_window(values), np.uint8)
        assert (levels[0], levels[-1]) == (0, 255)


def test_which_window_is_meant():
    windows = (("BRAIN", 40.0, 80.0), ("BONE", 500.0, 2000.0))
    stack = Stack(np.array([[[0, 9]]]), "dicom", window=(40.0, 80.0), windows=windows)
    assert choose_window(stack, "bone") == (500, 2000)
    assert choose_window(stack, "auto") == (40, 80)
    assert choose_window(stack, "full") == (5, 10)
    assert choose_window(stack, "-600, 1500") == (-600, 1500)
    with pytest.raises(UsageError, match="BRAIN, BONE"):
        choose_window(stack, "lung")
    for wrong in ("1,0", "1,nan", "3"):
        with pytest.raises(UsageError):
            choose_window(stack, wrong)
