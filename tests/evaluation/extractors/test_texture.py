"""`--features texture`: statistics of grey levels and texture."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drai_cli.errors import UsageError
from drai_cli.evaluation.extractors.texture import TextureFeatures
from drai_cli.evaluation.remembered import LazyFeatures
from drai_cli.metrics.blur import blurred
from drai_cli.metrics.frechet import frechet_distance
from drai_cli.settings.model_options import EvaluateOptions


def grains(count: int, seed: int, dtype: type = np.uint8) -> np.ndarray:
    peak = np.iinfo(dtype).max
    values = np.random.default_rng(seed).normal(0.5, 0.15, (count, 24, 24, 1)).clip(0, 1)
    return np.round(values * peak).astype(dtype)


def test_a_blur_is_farther_than_other_real_images_whatever_the_depth() -> None:
    pytest.importorskip("mahotas")
    real, other = grains(40, 0), grains(40, 1)
    space = TextureFeatures(real)
    rows = space.features(real)
    assert rows.dtype == np.float32
    assert np.abs(rows.mean(0)).max() < 1e-4
    near, far = (frechet_distance(rows, space.features(images)) for images in (other, blurred(other)))
    assert far > 10 * near
    deep = TextureFeatures(grains(40, 0, np.uint16)).features(grains(4, 1, np.uint16))
    assert np.abs(deep - space.features(other[:4])).mean() < 0.2


def test_a_blank_image_has_finite_features_and_colours_count_each() -> None:
    pytest.importorskip("mahotas")
    blank = np.full((3, 16, 16, 3), 7, np.uint8)
    rows = TextureFeatures(blank).features(blank)
    assert np.isfinite(rows).all()
    assert rows.shape[1] == 3 * TextureFeatures(blank[..., :1]).features(blank[..., :1]).shape[1]


def _lazy(tmp_path: Path) -> LazyFeatures:
    images = grains(12, 0)
    real = SimpleNamespace(images=images, parts=np.repeat(["train", "test"], 6), key="k")
    options = EvaluateOptions(tmp_path, features=Path("texture"))
    return LazyFeatures(options, real, SimpleNamespace(device="cpu"), tmp_path)  # type: ignore[arg-type]


def test_the_word_texture_needs_no_file_and_real_images_are_measured_once(tmp_path: Path) -> None:
    pytest.importorskip("mahotas")
    space = _lazy(tmp_path)()
    assert space.name == "texture"
    assert "not with published FRD" in space.comparable_with
    first = space.features(grains(12, 0))
    space.save()
    again = _lazy(tmp_path)()
    assert again.is_done.all()
    np.testing.assert_array_equal(again.features(grains(12, 0)), first)


def test_without_mahotas_the_line_to_install_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mahotas", "mahotas.features"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="needs mahotas") as caught:
        _lazy(tmp_path)
    assert caught.value.hint == "pip install 'drai-cli[texture]'"
