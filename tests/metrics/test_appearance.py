"""Appearance: what the description holds, and that a distance in it sees what a judge of labels does not."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.appearance import appearance_distance, describe_appearance
from tests.metrics.test_texture import blurred, grain, stored, wormy


def distance(made: np.ndarray) -> float:
    real = describe_appearance(stored(grain(200, seed=3)))
    return appearance_distance(real, describe_appearance(made), real.std(0) + 1e-6)


def test_a_description_has_the_layout_and_three_numbers_a_scale() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    assert describe_appearance(colour).shape == (5, 16 * 3 + 3 * 3)
    assert describe_appearance(colour[:, :16, :16, :1]).shape == (5, 16 + 2 * 3)
    left = np.zeros((1, 32, 32, 1), np.uint8)
    left[:, :, :8] = 200
    assert describe_appearance(left)[0, :4] == pytest.approx([200, 0, 0, 0])


def test_rows_do_not_depend_on_each_other_or_on_depth() -> None:
    images = stored(grain(300))
    whole = describe_appearance(images)
    assert np.allclose(whole[257:259], describe_appearance(images[257:259]))
    assert np.allclose(whole[:3], describe_appearance(images[:3].astype(np.uint16) * 257))


def test_other_light_blur_and_worms_are_farther_than_other_real_images() -> None:
    fresh = grain(200, seed=4)
    like = distance(stored(fresh))
    for made in (fresh + 12, blurred(fresh), wormy(fresh)):
        assert distance(stored(made)) > 5 * like


def test_fewer_kinds_of_images_are_farther() -> None:
    light = np.random.default_rng(0).normal(0, 25, (200, 1, 1))
    real = describe_appearance(stored(grain(200, seed=5) + light))
    scale = real.std(0) + 1e-6
    same = describe_appearance(stored(grain(200, seed=6) + light[::-1]))
    collapsed = describe_appearance(stored(grain(200, seed=6) + light.mean()))
    assert appearance_distance(real, collapsed, scale) > 5 * appearance_distance(real, same, scale)
