"""The nearest image: against brute force, and under mirrorings and turns."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics import nearest as module
from drai_cli.metrics.nearest import PixelFeatures, find_nearest, nearest, views


def noise(count, size=8, channels=3, dtype=np.uint8, seed=0):
    peak = np.iinfo(dtype).max
    generator = np.random.default_rng(seed)
    return generator.integers(0, peak + 1, (count, size, size, channels)).astype(dtype)


@pytest.mark.parametrize("rows", [1, 7, 2048])
def test_blocks_find_what_brute_force_finds(rows, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", rows)
    generator = np.random.default_rng(0)
    queries, reference = (generator.normal(5, 1, (n, 6)).astype(np.float32) for n in (40, 33))
    gaps = queries.astype(np.float64)[:, None] - reference.astype(np.float64)[None]
    distances = np.sqrt((gaps**2).sum(2))
    found = nearest(queries, reference)
    assert (found.row == distances.argmin(1)).all()
    assert found.distance == pytest.approx(distances.min(1), rel=1e-12)
    assert found.distance.dtype == np.float64


def test_equal_rows_are_at_no_distance_however_long_they_are():
    reference = np.random.default_rng(0).normal(1e6, 1, (50, 4))
    found = nearest(reference[::-1], reference)
    assert (found.distance == 0).all()
    assert (found.row == np.arange(50)[::-1]).all()


def test_of_equally_near_rows_the_first_counts(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 2)
    reference = np.array([[3.0], [1.0], [1.0], [3.0], [1.0]])
    assert nearest(np.array([[1.0], [3.0]]), reference).row.tolist() == [1, 0]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="among"):
        nearest(np.zeros((3, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="among"):
        nearest(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="turned"):
        next(views(np.zeros((1, 4, 5, 1), np.uint8), "dihedral"))
    with pytest.raises(ValueError, match="symmetry"):
        next(views(np.zeros((1, 4, 4, 1), np.uint8), "any"))


@pytest.mark.parametrize(("symmetry", "count"), [("none", 1), ("flip", 2), ("dihedral", 8)])
def test_views_are_different_and_the_first_is_the_image(symmetry, count):
    image = noise(1)
    seen = list(views(image, symmetry))
    assert len({view.tobytes() for view in seen}) == count
    assert (seen[0] == image).all()
    if symmetry == "flip":
        assert (seen[1][0] == np.fliplr(image[0])).all()


@pytest.mark.parametrize(("symmetry", "found_views"), [("none", 1), ("flip", 2), ("dihedral", 8)])
@pytest.mark.parametrize("size", [8, 40])
def test_copies_are_found_in_the_views_that_the_symmetry_allows(symmetry, found_views, size):
    train = noise(20, size)
    copies = np.concatenate([view[[7]] for view in views(train, "dihedral")])
    space = PixelFeatures()
    (found,) = find_nearest(copies, space, [space.features(train)], symmetry)
    assert (found.distance < 1e-6).sum() == found_views
    exact = found.distance < 1e-6
    assert (found.row[exact] == 7).all()
    for row in np.flatnonzero(exact):  # the view is the one that shows the copy as the training image
        assert (list(views(copies[[row]], symmetry))[found.view[row]][0] == train[7]).all()


def test_several_references_and_several_batches(monkeypatch):
    queries, first, second = noise(25, seed=1), noise(9, seed=2), noise(4, seed=3)
    space = PixelFeatures()
    references = [space.features(first), space.features(second)]
    whole = find_nearest(queries, space, references, "flip")
    monkeypatch.setattr(module, "_QUERIES", 4)
    parts = find_nearest(queries, space, references, "flip")
    both = space.features(queries), space.features(np.ascontiguousarray(queries[:, :, ::-1]))
    for a, b, reference in zip(whole, parts, references, strict=True):
        least = np.minimum(*(nearest(rows, reference).distance for rows in both))
        assert (a.distance == least).all()
        assert (a.distance == b.distance).all()
        assert (a.row == b.row).all()
        assert (a.view == b.view).all()


def test_pixel_distance_is_the_root_mean_square_in_unit_range():
    for dtype in (np.uint8, np.uint16):
        peak = np.iinfo(dtype).max
        black, grey = np.zeros((1, 48, 48, 1), dtype), np.full((1, 48, 48, 1), peak // 5, dtype)
        rows = [PixelFeatures().features(images) for images in (black, grey)]
        assert rows[0].shape == (1, 32 * 32)
        assert nearest(*rows).distance[0] == pytest.approx(0.2, rel=1e-4)
    images = noise(2, 16)
    gap = images[0].astype(float) / 255 - images[1].astype(float) / 255
    rows = PixelFeatures().features(images)
    assert nearest(rows[:1], rows[1:]).distance[0] == pytest.approx(np.sqrt((gap**2).mean()), rel=1e-5)


def test_shrinking_takes_noise_away_and_leaves_what_is_shown():
    generator = np.random.default_rng(0)
    flat = np.full((1, 128, 128, 1), 100, np.uint8)
    noisy = (100 + generator.normal(0, 20, flat.shape)).clip(0, 255).astype(np.uint8)
    rows = [PixelFeatures().features(images) for images in (flat, noisy, flat + 20)]
    assert nearest(rows[0], rows[1]).distance[0] < 20 / 255 / 2
    assert nearest(rows[0], rows[2]).distance[0] == pytest.approx(20 / 255, rel=1e-4)
