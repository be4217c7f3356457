"""Power of images in bands of spatial period: shows blur and checkerboards that other measures hardly see."""

from __future__ import annotations

import numpy as np

from drai_cli.metrics.mapping import Images

BANDS = {"coarse": (8.0, np.inf), "middle": (4.0, 8.0), "fine": (0.0, 4.0)}
"""Periods of each band, in pixels; the mean of an image belongs to none. A checkerboard has a period of 1.4."""
_MOST = 420


def power_ratios(made: Images, real: Images) -> dict[str, float]:
    """For each band the power of generated images over that of real ones; 1 is as real, less is blurred."""
    own, other = (_powers(images[:_MOST]) for images in (made, real))
    return {name: own[name] / max(other[name], 1e-12) for name in BANDS}


def _powers(images: Images) -> dict[str, float]:
    levels = images.astype(np.float64).mean(3) / np.iinfo(images.dtype).max
    height, width = levels.shape[1:]
    # Windowed, so that the jump from one edge to the other is no frequency.
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    centred = (levels - levels.mean((1, 2), keepdims=True)) * window
    power = (np.abs(np.fft.rfft2(centred)) ** 2).mean(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    with np.errstate(divide="ignore"):
        period = 1 / frequency
    return {
        name: float(power[(period >= low) & (period < high) & (frequency > 0)].sum())
        for name, (low, high) in BANDS.items()
    }
