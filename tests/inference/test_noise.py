"""Codes depend on (seed, condition, index) alone; labels are drawn in proportion."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.inference.noise import draw_label_counts, draw_noise, spherical_path, straight_path

MEL = {"dx": "mel"}


def test_noise_is_the_same_for_any_grouping_and_order():
    content, style = draw_noise(0, MEL, range(10), 4, 6)
    assert content.shape == (10, 4)
    assert style.shape == (10, 6)
    assert content.dtype == style.dtype == np.float32
    some_content, some_style = draw_noise(0, MEL, [7, 2], 4, 6)
    np.testing.assert_array_equal(some_content, content[[7, 2]])
    np.testing.assert_array_equal(some_style, style[[7, 2]])


def test_noise_is_pinned():
    # A change here changes every image ever sampled: never adapt the numbers, mend the code.
    content, style = draw_noise(0, MEL, [0], 2, 2)
    np.testing.assert_array_equal(
        np.concatenate([content, style], 1)[0],
        np.array([-0.64683229, 0.66720587, 0.57641822, -0.91069591], np.float32),
    )


@pytest.mark.parametrize(
    ("seed", "condition", "index"),
    [
        (1, MEL, 0),
        (0, {"dx": "nv"}, 0),
        (0, {"label": "mel"}, 0),
        (0, {"dx": "mel", "age": "60"}, 0),
        (0, MEL, 1),
        (0, {"dx": 'mel"], ["age", "60'}, 0),
    ],
)
def test_anything_else_gives_other_noise(seed, condition, index):
    first = np.concatenate(draw_noise(0, MEL, [0], 4, 6), 1)
    other = np.concatenate(draw_noise(seed, condition, [index], 4, 6), 1)
    assert not (first == other).any()


def test_attribute_order_does_not_matter():
    a = draw_noise(3, {"dx": "mel", "age": "60"}, [5], 4, 6)
    b = draw_noise(3, {"age": "60", "dx": "mel"}, [5], 4, 6)
    np.testing.assert_array_equal(a[1], b[1])


def test_noise_is_standard_normal():
    content, style = draw_noise(0, MEL, range(4000), 8, 8)
    noise = np.concatenate([content, style], 1)
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    correlation = np.corrcoef(noise.T) - np.eye(16)
    assert np.abs(correlation).max() < 0.08


def test_label_counts_follow_the_weights():
    weights = {"nv": 670, "mel": 110, "df": 9, "none": 0}
    for seed in range(50):
        counts = draw_label_counts(seed, weights, 100)
        assert sum(counts.values()) == 100
        assert counts["none"] == 0
        for label, weight in weights.items():
            assert abs(counts[label] - 100 * weight / 789) < 1
    assert draw_label_counts(4, weights, 100) == draw_label_counts(4, weights, 100)


def test_rare_labels_are_drawn_as_often_as_they_are():
    drawn = sum(draw_label_counts(seed, {"nv": 95, "df": 5}, 4)["df"] for seed in range(2000))
    assert abs(drawn / 8000 - 0.05) < 0.01


def test_weights_without_mass_are_refused():
    with pytest.raises(ValueError):
        draw_label_counts(0, {"a": 0}, 5)


def test_paths_have_their_ends_exactly_and_straight_ones_are_straight():
    random = np.random.default_rng(0)
    start, end = random.standard_normal((2, 7)).astype(np.float32)
    positions = np.linspace(0, 1, 5)
    for path in (straight_path(start, end, positions), spherical_path(start, end, positions)):
        assert path.dtype == np.float32
        assert (path[0] == start).all()
        assert (path[-1] == end).all()
    np.testing.assert_allclose(straight_path(start, end, positions)[2], (start + end) / 2, rtol=1e-6)


def test_spherical_paths_turn_evenly_and_keep_their_length():
    start, end = np.array([2, 0, 0], np.float32), np.array([0, 4, 0], np.float32)
    path = spherical_path(start, end, np.linspace(0, 1, 4))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), [2, 2 + 2 / 3, 2 + 4 / 3, 4], rtol=1e-6)
    angles = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    np.testing.assert_allclose(angles, [0, 30, 60, 90], atol=1e-4)


def test_spherical_paths_without_a_direction_go_straight():
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    for start, end in ((one, zero), (one, -one), (one, one), (zero, zero)):
        path = spherical_path(start, end, np.array([0, 0.5, 1]))
        np.testing.assert_allclose(path[1], (start + end) / 2, atol=1e-6)
