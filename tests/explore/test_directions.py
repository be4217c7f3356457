"""Directions are found by what they change, ordered by how much, and named; on a painter whose factors are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from drai_cli.explore.directions import find_directions
from drai_cli.explore.looks import ENDS, measure_looks
from drai_cli.explore.model import ExploredModel, open_model
from drai_cli.model_file.checkpoint import read_header

SIDE = 32


def paint(background, size, across, redness):
    """Discs: brightness of the ground, radius and place in shares of the side, red minus blue."""
    rows, columns = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    count = len(background)
    images = np.repeat(np.asarray(background)[:, None, None, None], SIDE, 1).repeat(SIDE, 2).repeat(3, 3)
    inside = (rows[None] - 0.5) ** 2 + (columns[None] - across[:, None, None]) ** 2 < np.reshape(
        size, (count, 1, 1)
    ) ** 2
    images = np.where(inside[..., None], 0.25, images)
    images[..., 0] += np.reshape(redness, (count, 1, 1)) / 2
    images[..., 2] -= np.reshape(redness, (count, 1, 1)) / 2
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Painter:
    """A sampler whose style says background, place and redness (in a turned basis), and whose content says size."""

    header: object
    sha256: str = "0" * 64
    place: str = "cpu"

    def draw_content(self, conditions, noise):
        mean = np.zeros_like(noise)
        mean[:, 1] = np.where(conditions[:, 0] > 0, 1.0, -1.0)  # mel is larger than nv
        return mean + 0.3 * noise

    def generate(self, content, style):
        turned = style @ TURN
        return paint(
            0.6 + 0.14 * np.clip(turned[:, 0], -2.5, 2.5), 0.2 + 0.04 * content[:, 1],
            0.5 + 0.06 * turned[:, 1], 0.04 * turned[:, 2],
        )  # fmt: skip


TURN = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]


@pytest.fixture
def painter(tiny_model):
    header = read_header(tiny_model)
    header = replace(header, architecture=replace(header.architecture, image_size=SIDE))
    sampler = Painter(header)
    return ExploredModel(sampler, sampler, tiny_model, None, None, False, "torch")


def test_directions_are_the_factors(painter):
    found = find_directions(painter)
    style = [one for one in found if one.code == "style"]
    assert {"skin tone", "brightness"} <= {effect.name for effect in style[0].effects}
    assert style[1].effects[0].name == "left-right"
    assert abs(style[0].vector @ TURN[:, 0]) > 0.97
    assert abs(style[1].vector @ TURN[:, 1]) > 0.9
    assert "lighter skin" in style[0].ends[1]
    assert "darker skin" in style[0].ends[0]
    assert [one.share for one in style] == sorted((one.share for one in style), reverse=True)
    assert sum(one.share for one in style) == pytest.approx(1, abs=0.01)
    assert style[-1].name == ""  # nothing that it changes
    content = next(one for one in found if one.code == "content")
    assert content.labels == ("mel", "nv")
    assert "size" in content.name
    assert [end.split(", ")[0] for end in content.ends] == ["mel", "nv"]
    assert ["larger" in content.ends[0], "smaller" in content.ends[1]] == [True, True]
    assert abs(content.vector[1]) > 10 * max(abs(content.vector[i]) for i in (0, 2, 3))
    # One unit is one standard deviation over all labels: labels at 1 and -1, 0.3 within each.
    assert abs(content.vector[1]) == pytest.approx(np.hypot(1, 0.3), rel=0.05)


def test_only_skin_is_called_skin(painter):
    label = replace(painter.header.schema.label, values=("benign", "malignant"))
    schema = replace(painter.header.schema, attributes=(label, *painter.header.schema.attributes[1:]))
    quick = replace(painter.quick, header=replace(painter.header, schema=schema))
    words = " ".join(
        f"{one.name} {one.ends}" for one in find_directions(replace(painter, quick=quick, several=quick))
    )
    assert "background" in words
    assert "skin" not in words


def test_they_are_the_same_each_time(tiny_model):
    model = open_model(str(tiny_model), "cpu", "torch")
    shares = []
    first, second = find_directions(model, shares.append), find_directions(model)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [one.to_json() for one in first] == [one.to_json() for one in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.vector, other.vector)


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("skin tone", {"background": [0.5]}, {"background": [0.8]}),
        ("brightness", {"background": [0.5]}, {"background": [0.8]}),
        ("size", {"size": [0.15]}, {"size": [0.3]}),
        ("left-right", {"across": [0.4]}, {"across": [0.6]}),
        ("redness", {"redness": [0.0]}, {"redness": [0.1]}),
        ("contrast of the object", {"background": [0.4]}, {"background": [0.8]}),
    ],
)
def test_measures_say_what_was_painted(name, less, more):
    usual = {"background": [0.7], "size": [0.25], "across": [0.5], "redness": [0.02]}
    values = [
        measure_looks(paint(**{key: np.array(v) for key, v in {**usual, **one}.items()}), is_skin=True)[name][
            0
        ]
        for one in (less, more)
    ]
    assert values[0] < values[1]


def test_every_measure_has_words_for_its_ends():
    grey = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 1)).astype(np.uint8)
    names = {*measure_looks(grey), *measure_looks(grey.repeat(3, 3), is_skin=True)}
    assert names == set(ENDS)
    assert all(np.isfinite(values).all() for values in measure_looks(grey).values())
    flat = measure_looks(np.full((2, 16, 16, 3), 128, np.uint8))
    assert all(np.isfinite(values).all() for values in flat.values())
    deep = measure_looks(grey.astype(np.uint16) * 257)
    np.testing.assert_allclose(deep["brightness"], measure_looks(grey)["brightness"])


def test_a_dark_rim_is_no_dark_skin():
    plain = paint(np.array([0.7]), np.array([0.2]), np.array([0.5]), np.array([0.0]))
    rows, columns = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE - 0.5
    rimmed = np.where((np.hypot(rows, columns) > 0.55)[None, ..., None], plain // 4, plain)
    looks = [measure_looks(images, is_skin=True) for images in (plain, rimmed)]
    assert looks[1]["corners"][0] < looks[0]["corners"][0] - 0.3
    for name in ("skin tone", "size", "left-right", "elongation"):
        assert looks[1][name][0] == pytest.approx(looks[0][name][0], abs=1e-6)


def test_size_and_place_are_in_shares_of_the_side():
    looks = measure_looks(paint(np.array([0.7]), np.array([0.2]), np.array([0.6]), np.array([0.0])))
    assert looks["size"][0] == pytest.approx(np.pi * 0.2**2, abs=0.02)
    assert looks["left-right"][0] == pytest.approx(0.6, abs=0.02)
    assert looks["up-down"][0] == pytest.approx(0.5, abs=0.02)
    assert looks["elongation"][0] == pytest.approx(1, abs=0.05)
