"""Texture: closed forms, and that blurred, checkered and wormy images are told apart from grain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drai_cli.metrics.source import FolderSource
from drai_cli.metrics.texture import BANDS, coherence, log_power, measure_texture, texture_of, to_grey

SIDE, N = 32, 60


def grain(n: int = N, seed: int = 0) -> np.ndarray:
    """Grey images of a soft disc with correlated noise, as skin or lung has."""
    generator = np.random.default_rng(seed)
    rows, columns = np.indices((SIDE, SIDE))
    disc = 60 / (1 + np.exp((np.hypot(rows - 15.5, columns - 15.5) - 9) / 2))
    noise = generator.normal(0, 14, (n, SIDE, SIDE))
    noise = 0.6 * noise + 0.2 * (np.roll(noise, 1, 1) + np.roll(noise, 1, 2))
    return 110 + disc + noise


def stored(grey: np.ndarray) -> np.ndarray:
    return grey.clip(0, 255).round().astype(np.uint8)[..., None]


def blurred(grey: np.ndarray) -> np.ndarray:
    return (grey + np.roll(grey, 1, 1) + np.roll(grey, 1, 2) + np.roll(grey, (1, 1), (1, 2))) / 4


def checkered(grey: np.ndarray) -> np.ndarray:
    return grey + 8 * (np.indices((SIDE, SIDE)).sum(0) % 2 * 2 - 1)


def wormy(grey: np.ndarray, seed: int = 1) -> np.ndarray:
    """The grain replaced by lines with a direction of each place, of about its power."""
    generator, n = np.random.default_rng(seed), len(grey)
    rows, columns = np.indices((SIDE, SIDE))
    angles = generator.uniform(0, math.pi, (n, 1, 1)) + 0.03 * generator.normal(0, 1, (n, 1, 1)) * rows
    waves = sum(
        np.cos(rate * (columns * np.cos(angles) + rows * np.sin(angles)) + generator.uniform(0, 6, (n, 1, 1)))
        for rate in (0.7, 1.4, 2.2)
    )
    smooth = grey.mean(0)
    return smooth + 9 * waves + generator.normal(0, 3, grey.shape)


def measured(made: np.ndarray) -> dict:
    """Of this folder of images beside grain."""
    real = np.concatenate([stored(grain()), stored(grain(seed=5))])
    labels = np.arange(2 * N) % 2
    parts = np.repeat(["test", "train"], N)
    source = FolderSource(stored(made), np.arange(len(made)) % 2, labels)
    return measure_texture(real, labels, parts, np.arange(2 * N), source, part="test", seed=0)


def test_white_noise_has_its_variance_at_every_frequency_and_no_direction() -> None:
    noise = np.random.default_rng(0).normal(128, 10, (400, 64, 64))
    assert np.exp(log_power(noise)).mean(1) == pytest.approx([100, 100, 100], rel=0.03)
    assert coherence(noise).mean() < 0.3


def test_parallel_lines_have_a_direction_whatever_it_is() -> None:
    rows, columns = np.indices((64, 64))
    for angle in (0.0, 0.4, 0.8, 1.57):
        lines = 128 + 40 * np.cos(1.5 * (columns * math.cos(angle) + rows * math.sin(angle)))[None]
        assert coherence(lines)[0] > 0.9


def test_flat_images_have_the_power_of_rounding() -> None:
    flat = np.full((2, 16, 16, 1), 77, np.uint8)
    found = texture_of(flat)
    assert found["fine"] == pytest.approx([math.log(1 / 12)] * 2)
    assert found["coherence"] == pytest.approx([0, 0])


def test_a_wave_is_in_its_band() -> None:
    columns = np.indices((64, 64))[1]
    for band, rate in zip(BANDS, (0.1, 0.25, 0.45), strict=True):
        wave = 128 + 40 * np.sin(2 * math.pi * rate * columns)[None]
        power = dict(zip(BANDS, log_power(wave)[:, 0], strict=True))
        assert max(power, key=power.__getitem__) == band


def test_sixteen_bits_and_colour_count_as_eight_bits_of_luma() -> None:
    grey = stored(grain(4))
    assert np.array_equal(to_grey(grey), to_grey(grey.astype(np.uint16) * 257))
    assert np.allclose(to_grey(grey), to_grey(grey.repeat(3, 3)))


def test_blurred_checkered_and_wormy_sets_are_told_apart() -> None:
    fresh = grain(seed=9)
    found = {
        name: measured(made)
        for name, made in (
            ("grain", fresh), ("blurred", blurred(fresh)), ("checkered", checkered(fresh)), ("wormy", wormy(fresh)),
        )
    }  # fmt: skip
    fine = {name: numbers["power"]["fine"]["samples"] for name, numbers in found.items()}
    direction = {name: numbers["coherence"]["samples"] for name, numbers in found.items()}
    # Like is like, and the interval says so.
    assert fine["grain"]["low"] < 0 < fine["grain"]["high"]
    assert abs(direction["grain"]["value"]) < 0.03
    assert abs(fine["grain"]["value"]) < 0.1
    # Blurred: fine power is missing.
    assert fine["blurred"]["high"] < -1
    # Checkered: there is too much of it, and no direction.
    assert fine["checkered"]["low"] > 0.3
    assert direction["checkered"]["high"] < 0.05
    # Wormy: it has a direction at each place.
    assert direction["wormy"]["low"] > 0.2
    assert direction["wormy"]["value"] > direction["blurred"]["value"] + 0.1
    real = found["wormy"]["power"]["fine"]["real"]
    assert real == found["grain"]["power"]["fine"]["real"]
    assert real["low"] < 0 < real["high"]


def test_without_a_common_label_there_is_nothing() -> None:
    images, labels = stored(grain(8)), np.array([0] * 4 + [1] * 4)
    source = FolderSource(images, labels, labels)
    parts = np.array(["test"] * 4 + ["train"] * 4)
    assert measure_texture(images, labels, parts, np.arange(8), source, part="test", seed=0) == {}
