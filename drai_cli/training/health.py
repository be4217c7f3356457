"""Signs that training fails, and advice on what to change. Numbers in, sentences out."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drai_cli.errors import DraiError

_SPREAD_FLOOR = 0.1
_MEMORY_GAP = 0.6


class DivergenceError(DraiError):
    """A loss is no longer finite. The checkpoint of the last tick is complete."""


def check_finite(terms: Mapping[str, float], images_seen: int) -> None:
    """Checks that every term is finite.

    Raises:
        DivergenceError: Some are not; it names them.
    """
    broken = sorted(name for name, value in terms.items() if not math.isfinite(value))
    if broken:
        raise DivergenceError(
            "training",
            f"the loss is not finite after {images_seen} images ({', '.join(broken)})",
            "start again with half the --learning-rate, twice the --r1-gamma, or --precision fp32",
        )


def warnings(
    *, spread: float, real_sign: float, held_out_sign: float, augment_probability: float
) -> list[str]:
    """Warnings of a tick.

    Args:
        spread: Mean pixel deviation of samples of a label, divided by that of real images.
        real_sign: Mean sign of D_x on training images.
        held_out_sign: Mean sign of D_x on validation images.
        augment_probability: Current probability of the adaptive augmentation.
    """
    out = []
    if spread < _SPREAD_FLOOR:
        out.append(
            f"the generator has collapsed: its images vary {spread:.2f} times as much as real ones; "
            "try half the --learning-rate or twice the --r1-gamma"
        )
    if real_sign - held_out_sign > _MEMORY_GAP:
        out.append(
            f"the discriminator has memorised the training set (it calls {(1 + real_sign) / 2:.0%} of it real, but "
            f"{(1 + held_out_sign) / 2:.0%} of held-out images; augmentation is at {augment_probability:.2f}): "
            "more images, --augment ada, a larger --r1-gamma or --init help"
        )
    return out
