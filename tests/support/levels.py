"""The values that the levels of images stand for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt

from drai_cli.io.intensity import Intensity


def values_of(intensity: Intensity, levels: UInt[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The inverse of `Intensity.to_levels`, in float64."""
    return levels * ((intensity.high - intensity.low) / intensity.top) + intensity.low
