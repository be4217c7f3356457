from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from drai_cli.metrics.factors import FactorRegressor, factor_table, load_regressor, r_squared


def test_it_reads_place_and_tone(world, regressor: FactorRegressor) -> None:
    test = world.rows("test")
    names, table = factor_table(world.factors)
    assert regressor.names == names == ("x", "y", "tone")
    scores = r_squared(regressor.predict(world.images[test]), table[test])
    assert scores.min() > 0.9, dict(zip(names, scores, strict=True))


def test_saved_and_loaded_it_reads_the_same(world, regressor: FactorRegressor) -> None:
    again = load_regressor(json.loads(json.dumps(regressor.config_json())), regressor.state())
    images = world.images[:50]
    assert np.array_equal(again.predict(images), regressor.predict(images))


def test_an_angle_becomes_cosine_and_sine_over_its_period() -> None:
    names, table = factor_table({"rotation": np.array([0, np.pi / 2, np.pi]), "x": np.array([1.0, 2, 3])})
    assert names == ("rotation_cos", "rotation_sin", "x")
    assert table[:, 0] == pytest.approx([1, -1, 1])
    assert table[:, 1] == pytest.approx([0, 0, 0], abs=1e-12)


def test_it_fits_the_factors_that_it_was_trained_on_an_angle_too(world, regressor: FactorRegressor) -> None:
    assert regressor.fits(world.images, world.factors)
    assert not regressor.fits(world.images[:, :8, :8], world.factors)
    turned = {**world.factors, "rotation": world.factors["x"]}
    assert not regressor.fits(world.images, turned)
    turning = replace(regressor, names=(*regressor.names, "rotation_cos", "rotation_sin"))
    assert turning.fits(world.images, turned)


def test_r_squared_by_hand() -> None:
    true = np.array([[0.0], [2.0]])
    assert r_squared(true, true) == pytest.approx([1])
    assert r_squared(np.array([[1.0], [1.0]]), true) == pytest.approx([0])
    assert r_squared(np.array([[2.0], [0.0]]), true) == pytest.approx([-3])
