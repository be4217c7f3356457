"""A user's own rules: what they may say, and the share of images that keep to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drai_cli.metrics.rules import QUANTITIES, Rule, measure_rules, quantities


def discs(radii: list[float], level: int = 200) -> np.ndarray:
    rows, columns = np.mgrid[:32, :32] - 15.5
    images = np.full((len(radii), 32, 32, 3), 60, np.uint8)
    for image, radius in zip(images, radii, strict=True):
        image[np.hypot(rows, columns) < radius * 32] = level
    return images


def test_a_rule_is_a_range_with_one_end_or_two() -> None:
    assert Rule.parse("radius=0.05..0.4") == Rule("radius", 0.05, 0.4, "radius=0.05..0.4")
    assert Rule.parse("x=-0.1..").high == math.inf
    assert Rule.parse("brightness=..0.9").low == -math.inf


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("radius", "QUANTITY=LOW..HIGH"), ("radius=0.4", "QUANTITY=LOW..HIGH"), ("size=1..2", "one of: brightness"),
        ("radius=a..2", "numbers"), ("radius=3..2", "LOW not above HIGH"), ("radius=..", "LOW not above HIGH"),
        ("radius=nan..1", "LOW not above HIGH"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rule.parse(text)


def test_quantities_are_those_of_the_image() -> None:
    found = quantities(discs([0.1, 0.3]), [*QUANTITIES])
    assert found["radius"] == pytest.approx([0.1, 0.3], abs=0.02)
    assert found["x"] == pytest.approx([0, 0], abs=0.03)
    assert found["brightness"][1] > found["brightness"][0] > 60 / 255
    assert (found["contrast"] > 0.05).all()
    assert (found["edges"] > 0).all()


def test_shares_stand_beside_those_of_real_images() -> None:
    made, real = discs([0.1] * 5 + [0.4] * 15), discs([0.1] * 30)
    rules = [Rule.parse("radius=0.05..0.2"), Rule.parse("brightness=..1")]
    found = measure_rules(rules, made, real, np.arange(30), 0)
    assert found["radius=0.05..0.2"]["samples"]["value"] == pytest.approx(0.25)
    assert found["radius=0.05..0.2"]["real"]["value"] == pytest.approx(1)
    assert found["radius=0.05..0.2"]["samples"]["high"] < 0.6
    assert found["brightness=..1"]["samples"]["value"] == pytest.approx(1)
