"""Whole numbers and their line: exact where it can be, and what is lost is said."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.io.intensity import Intensity
from drai_cli.io.stored import Stored
from tests.support.levels import values_of

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.integers(0, 256, (2, 3, 4), np.uint8),
        RANDOM.integers(0, 65536, (2, 3, 4), np.uint16),
        RANDOM.integers(-1024, 3072, (2, 3, 4), np.int16),
        RANDOM.integers(-32768, 32768, (2, 3, 4)).astype(np.int16),
        RANDOM.integers(-70000, -60000, (2, 3, 4), np.int32),
        RANDOM.integers(-1024, 3072, (2, 3, 4)).astype(np.float64),
        RANDOM.integers(0, 9000, (2, 3, 4)) * 0.0125 - 7.0,
        np.full((1, 2, 2), 3.25),
        np.array([[[True, False]]]),
    ],
    ids=lambda values: f"{values.dtype}",
)
def test_values_that_fit_sixteen_bits_are_exact(values):
    stored = Stored.of_values(values)
    assert stored.error == 0
    expected = values.astype(np.uint8) * 255 if values.dtype == np.bool_ else values
    np.testing.assert_allclose(stored.values(), expected, rtol=1e-6, atol=1e-9)
    if values.dtype.kind in "iu":
        np.testing.assert_array_equal(stored.values(), values)


def test_other_values_are_rounded_and_say_so():
    values = RANDOM.standard_normal((1, 50, 50))
    stored = Stored.of_values(values)
    assert 0 < stored.error <= stored.slope
    assert np.abs(stored.values() - values).max() == stored.error


def test_values_that_nothing_can_hold():
    for wrong in (np.array([[[np.nan]]]), np.zeros((1, 2, 2, 3), np.float32)):
        with pytest.raises(ValueError):
            Stored.of_values(wrong)


def test_a_models_levels_mean_what_its_convention_says():
    intensity = Intensity("HU", -1000.0, 600.0)
    levels = RANDOM.integers(0, 256, (4, 5, 1), np.uint8)
    stored = Stored.of_levels(levels, intensity)
    np.testing.assert_array_equal(stored.array, levels[None, :, :, 0])
    np.testing.assert_allclose(stored.values()[0], values_of(intensity, levels)[..., 0])
    assert (stored.unit, stored.bits, stored.has_line) == ("HU", 8, True)
    assert not Stored.of_levels(levels, Intensity()).has_line
