"""The figure of a swap."""

from __future__ import annotations

import numpy as np

from drai_cli.output.swap_figure import draw_masks


def test_masks_in_a_figure_are_told_apart() -> None:
    levels = np.zeros((2, 2, 5), np.uint8)
    levels[0, :, 3], levels[:, 0, 4] = 200, 255
    assert draw_masks(levels, 3)[..., 0].tolist() == [[255, 127], [255, 0]]
