"""Rules of a user's own that images must keep to: a range for a quantity that is measured on each image.

Arrays in, shares out. Knows nothing of anatomy: what is possible is the user's to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from drai_cli.metrics import intervals
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.measured_style import measured_style
from drai_cli.metrics.ranges import plain_features

QUANTITIES: dict[str, str] = {
    "brightness": "mean level, 0 to 1",
    "contrast": "standard deviation of levels, 0 to 1",
    "edges": "mean difference between neighbouring pixels, 0 to 1",
    "x": "place of the object from the middle, -0.5 left to 0.5 right",
    "y": "place of the object from the middle, -0.5 top to 0.5 bottom",
    "radius": "of a disc of the object's area, as a fraction of the frame",
}
"""What a rule can be about. The object is what differs in colour from the frame (`measured_style`)."""
_PLAIN = ("brightness", "contrast", "edges")
_OBJECT = ("x", "y", "radius")


@dataclass(frozen=True)
class Rule:
    """A range, both ends included.

    Attributes:
        quantity: One of `QUANTITIES`.
        low: Least value; -inf for none.
        high: Largest value; inf for none.
        text: As the user wrote it.
    """

    quantity: str
    low: float
    high: float
    text: str

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Reads `QUANTITY=LOW..HIGH`; either end may be missing.

        Raises:
            ValueError: It is no such text; the message says what is wrong.
        """
        name, is_there, span = text.partition("=")
        low, dots, high = span.partition("..")
        if not is_there or not dots:
            raise ValueError("expected QUANTITY=LOW..HIGH")
        if name not in QUANTITIES:
            raise ValueError(f"no such quantity; one of: {', '.join(QUANTITIES)}")
        try:
            ends = float(low) if low else -math.inf, float(high) if high else math.inf
        except ValueError as error:
            raise ValueError("expected numbers as LOW and HIGH") from error
        if math.isnan(ends[0]) or math.isnan(ends[1]) or ends[0] > ends[1] or not (low or high):
            raise ValueError("expected LOW not above HIGH")
        return cls(name, *ends, text)


def quantities(images: Images, names: Sequence[str]) -> dict[str, Float[np.ndarray, " n"]]:
    """These quantities of each image."""
    out: dict[str, np.ndarray] = {}
    if set(names) & set(_PLAIN):
        looks = plain_features(images).reshape(len(images), 3, -1).mean(2)
        out |= {name: looks[:, place] for place, name in enumerate(_PLAIN)}
    if set(names) & set(_OBJECT):
        places = measured_style(images)[:, images.shape[3] :]
        out |= {name: places[:, place] for place, name in enumerate(_OBJECT)}
    return {name: out[name] for name in names}


def measure_rules(
    rules: Sequence[Rule], made: Images, real: Images, groups: np.ndarray, seed: int
) -> dict[str, dict[str, Any]]:
    """By rule's text the share of `samples`, and of `real` images of the evaluated part, that keep to it."""
    names = list(dict.fromkeys(rule.quantity for rule in rules))
    sides = {
        "samples": (quantities(made, names), np.arange(len(made))),
        "real": (quantities(real, names), groups),
    }
    out: dict[str, dict[str, Any]] = {}
    for rule in rules:
        for side, (values, of) in sides.items():
            value = values[rule.quantity]
            keeps = ((value >= rule.low) & (value <= rule.high)).astype(np.float64)
            share = intervals.estimate(intervals.mean(keeps), intervals.group_weights(of, seed))
            out.setdefault(rule.text, {})[side] = share.to_json()
    return out
