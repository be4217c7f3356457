from __future__ import annotations

import json

import numpy as np
import pytest

from drai_cli.metrics.swaps import Pairs, choose_pairs, frame_colour, measure_swaps, swap_images


def test_pairs_differ_in_label_and_are_balanced() -> None:
    labels = np.array([0] * 50 + [1] * 5 + [2] * 20)
    pairs = choose_pairs(labels, 60, seed=0)
    assert len(pairs.content) == len(pairs.style) == 60
    ordered = np.stack([labels[pairs.content], labels[pairs.style]], 1)
    kinds, counts = np.unique(ordered, axis=0, return_counts=True)
    assert (kinds[:, 0] != kinds[:, 1]).all()
    assert counts.tolist() == [10] * 6
    used = np.bincount(pairs.content, minlength=75)
    assert used[50:55].tolist() == [4] * 5
    assert used[:50].max() == 1


def test_pairs_follow_from_the_seed() -> None:
    labels = np.arange(30) % 3
    first, again, other = (choose_pairs(labels, 12, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.content, again.content)
    assert np.array_equal(first.style, again.style)
    assert not np.array_equal(first.style, other.style)


def test_one_label_makes_no_pairs() -> None:
    with pytest.raises(ValueError, match="two labels"):
        choose_pairs(np.zeros(5, np.int64), 10, 0)


def test_the_frame_is_its_outer_eighth() -> None:
    images = np.zeros((1, 16, 16, 3), np.uint8)
    images[:, 2:14, 2:14] = 255
    assert frame_colour(images).tolist() == [[0, 0, 0]]
    images[:] = 0
    images[:, :2] = 240  # 32 of the band's 112 pixels
    assert frame_colour(images)[0] == pytest.approx([240 * 32 / 112] * 3)


@pytest.fixture(scope="module")
def rows(world, judge, regressor, right, returns_a, returns_b):
    """Measured swaps of three models by name."""
    test = world.rows("test")
    images, labels, groups = world.images[test], world.labels[test], world.groups[test]
    factors = {name: values[test] for name, values in world.factors.items()}
    pairs = choose_pairs(labels, 120, seed=0)
    out = {}
    for name, model in (("right", right), ("returns_a", returns_a), ("returns_b", returns_b)):
        made = swap_images(model, images, world.conditions[test], pairs)
        out[name] = measure_swaps(
            made, images, labels, groups, pairs, judge, regressor=regressor, factors=factors, seed=0
        )
    return out


def test_a_model_that_is_right_passes_everything(rows) -> None:
    swap = rows["right"]["rows"]["swap"]
    assert swap["kept"]["value"] > 0.97
    assert swap["leaked"]["value"] < 0.03
    assert swap["followed"]["value"] > 0.99
    assert abs(swap["leftover"]["value"]) < 0.25
    for factor in ("x", "y", "tone"):
        assert swap["factors"][factor]["r2_b"]["value"] > 0.85
        assert swap["factors"][factor]["r2_a"]["value"] < 0.1
        assert swap["factors"][factor]["r2_a_linear"]["value"] < 0.1
    assert rows["right"]["cifc"]["pixels"]["twice_swapped"]["value"] < 1e-3
    assert json.loads(json.dumps(rows["right"])) == rows["right"]


def test_a_model_that_returns_a_is_the_control_row_a(rows) -> None:
    table = rows["returns_a"]["rows"]
    assert table["swap"] == table["a"]
    assert table["swap"]["kept"]["value"] > 0.97
    assert table["swap"]["leftover"]["value"] > 0.99
    assert abs(table["swap"]["followed"]["value"]) < 0.25
    assert table["swap"]["factors"]["x"]["r2_b"]["value"] < 0


def test_a_model_that_returns_b_is_the_control_row_b(rows) -> None:
    table = rows["returns_b"]["rows"]
    assert table["swap"] == table["b"]
    assert table["swap"]["kept"]["value"] < 0.03
    assert table["swap"]["leaked"]["value"] > 0.97
    assert table["swap"]["followed"]["value"] > 0.99


def test_cifc_stands_beside_reconstruction_and_distance_of_the_pair(rows) -> None:
    for space in ("features", "pixels"):
        found = rows["returns_a"]["cifc"][space]
        assert found["twice_swapped"]["value"] == pytest.approx(found["reconstruction"]["value"], abs=1e-6)
        assert found["a_to_b"]["value"] > 10 * found["reconstruction"]["value"]


def test_half_a_style_left_shows_in_the_stricter_number(world, judge, regressor, right) -> None:
    test = world.rows("test")
    images, labels, groups = world.images[test], world.labels[test], world.groups[test]
    pairs = choose_pairs(labels, 300, seed=0)
    made = swap_images(right, images, world.conditions[test], pairs, cycle=False)
    assert len(made.back_a) == 0
    tone = world.factors["tone"][test]
    mixed = images[pairs.content].copy()
    for index in range(len(mixed)):
        mixed[index] = np.round(0.5 * tone[pairs.style[index]] + 0.5 * tone[pairs.content[index]])
    half = type(made)(mixed, made.reconstruction, made.back_a, made.back_b)
    found = measure_swaps(half, images, labels, groups, pairs, judge, seed=0)
    assert "cifc" not in found
    assert found["rows"]["swap"]["followed"]["value"] == pytest.approx(0.7, abs=0.12)
    assert found["rows"]["swap"]["leftover"]["value"] == pytest.approx(0.7, abs=0.12)


def test_pairs_are_made_of_the_right_members(world, right) -> None:
    pairs = Pairs(np.array([0, 4]), np.array([7, 2]))
    made = swap_images(right, world.images, world.conditions, pairs)
    centre = made.swap.reshape(2, -1, 3).astype(int)
    for index, (a, b) in enumerate(((0, 7), (4, 2))):
        assert (made.swap[index, 0, 0] == world.factors["tone"][b]).all()
        colours = np.unique(world.images[a].reshape(-1, 3), axis=0)
        square = next(colour for colour in colours if colour.max() == 255)
        assert (centre[index] == square).all(1).any()
        assert np.array_equal(made.reconstruction[index], world.images[a])
        assert np.array_equal(made.back_a[index], world.images[a])
        assert np.array_equal(made.back_b[index], world.images[b])
