"""Figures: what stands where."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.output.figure import add_row_names
from drai_cli.training.grid import row_names


@pytest.mark.parametrize("channels", [1, 3])
def test_each_row_has_its_name_to_its_left(channels):
    sheet = np.random.default_rng(0).integers(0, 256, (3 * 18 - 2, 40, channels), np.uint8)
    named = add_row_names(
        sheet, ["nv", "", "a very long name of a lesion that no margin of a grid has room for"], 18
    )
    margin = named.shape[1] - sheet.shape[1]
    assert (named[:, margin:] == sheet).all()
    assert 0 < margin < 200
    has_ink = [bool((named[row * 18 : row * 18 + 16, :margin] < 128).any()) for row in range(3)]
    assert has_ink == [True, False, True]


def test_rows_without_an_encoder_are_samples_alone():
    assert row_names(["mel", "nv"], has_encoder=False) == ["mel", "nv"]
    assert row_names(["nv"], has_encoder=True) == [
        "nv", "real", "reconstructed", "content of 1", "content of 2", "content of 3",
    ]  # fmt: skip
    assert len(row_names([str(k) for k in range(40)], has_encoder=True)) == 12 + 5
