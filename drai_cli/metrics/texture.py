"""Texture: how much power images have at coarse, middle and fine scales, and how strongly their texture is oriented.

No network is involved, so nothing that was trained can flatter these numbers. A blurred model lacks fine power, a
checkered one has too much; one that draws worms where there is grain has about the right power, but its texture has a
direction at every place.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy.lib.stride_tricks import sliding_window_view

from drai_cli.metrics.frechet import match_counts
from drai_cli.metrics.intervals import estimate_two, group_weights, mean
from drai_cli.metrics.mapping import Images, batches
from drai_cli.metrics.source import SampleSource, drawable

BANDS = ("coarse", "middle", "fine")
"""Thirds of the frequencies up to half a cycle per pixel; the diagonal ones beyond, up to a checkerboard, are fine."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_SMOOTHING = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
_NEIGHBOURHOOD = 7
_ROUNDING = 1 / 12  # variance of a level's rounding: there is no less power in stored images

Grey = Float[np.ndarray, "n height width"]


def measure_texture(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    source: SampleSource,
    *,
    part: str,
    seed: int,
) -> dict[str, Any]:
    """Texture of synthetic and of training images, relative to the part's images, at equal class counts.

    Args:
        images: Stored images of all parts.
        labels: Of those.
        parts: Of those.
        groups: Of those: intervals resample them.
        source: Of the synthetic images.
        part: Real images to compare with: `test` or `validation`.
        seed: Of the draw and the bootstrap.

    Returns:
        `power`: by band, `samples` and `real` (training images), each the difference of the mean log power to that of
        the part's images in nats, with its interval; `coherence`: `samples` and `real`, the difference of the mean
        coherence; `n`. Empty if no label is on all sides.
    """
    rows, train = np.flatnonzero(parts == part), np.flatnonzero(parts == "train")
    chosen, pool = match_counts(labels[rows], labels[train], seed)
    possible = drawable(source, rows[chosen], labels[rows[chosen]])
    chosen, pool = rows[chosen[possible]], train[pool[possible]]
    if not len(chosen):
        return {}
    sides = {
        "samples": (source.draw(chosen, seed + 1000), np.arange(len(chosen))),
        "real": (images[pool], groups[pool]),
    }
    here = texture_of(images[chosen])
    weights = group_weights(groups[chosen], seed)
    found: dict[str, dict[str, Any]] = {name: {} for name in here}
    for side, (others, other_groups) in sides.items():
        theirs, other_weights = texture_of(others), group_weights(other_groups, seed + 1)
        for name, values in here.items():
            difference = _difference(theirs[name], values)
            found[name][side] = estimate_two(difference, other_weights, weights).to_json()
    coherence = found.pop("coherence")
    return {"power": found, "coherence": coherence, "n": len(chosen)}


def texture_of(images: Images) -> dict[str, Float[np.ndarray, " n"]]:
    """Per image, the log power of each band in nats, and the `coherence` of its texture."""
    out: dict[str, list[np.ndarray]] = {name: [] for name in (*BANDS, "coherence")}
    for rows in batches(len(images)):
        grey = to_grey(images[rows])
        for name, values in zip(BANDS, log_power(grey), strict=True):
            out[name].append(values)
        out["coherence"].append(coherence(grey))
    return {name: np.concatenate(values) for name, values in out.items()}


def to_grey(images: Images) -> Grey:
    """Luma of stored images in levels of 8 bits, 0 to 255."""
    scaled = images.astype(np.float64) * (255 / np.iinfo(images.dtype).max)
    out: np.ndarray = scaled @ np.array(_LUMA) if images.shape[3] == 3 else scaled[..., 0]
    return out


def log_power(grey: Grey) -> Float[np.ndarray, "3 n"]:
    """Natural log of the mean power per frequency in each band, coarse to fine, of images under a Hann window.

    White noise of variance v has the power v at every frequency. The mean of each image does not count.
    """
    height, width = grey.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    centred = grey - (grey * window).sum((1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(centred * window)) ** 2 / np.square(window).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    edges = [*np.linspace(0, 0.5, len(BANDS) + 1)[:-1], 1.0]
    bands = [(radius > low) & (radius <= high) for low, high in itertools.pairwise(edges)]
    return np.stack([np.log(power[:, band].mean(1) + _ROUNDING) for band in bands])


def coherence(grey: Grey) -> Float[np.ndarray, " n"]:
    """How strongly the texture of images has a direction locally: 0 for noise, 1 for parallel lines.

    (λ1 - λ2) / (λ1 + λ2) of the structure tensor in neighbourhoods of seven pixels (Bigün and Granlund 1987), weighted
    by its energy. What is coarser than about five pixels is removed first: the outline of an object is no texture.
    """
    detail = grey - smooth(smooth(grey))
    along_rows = (detail[:, 1:-1, 2:] - detail[:, 1:-1, :-2]) / 2
    along_columns = (detail[:, 2:, 1:-1] - detail[:, :-2, 1:-1]) / 2
    xx, yy, xy = (
        _local_sum(product) for product in (along_rows**2, along_columns**2, along_rows * along_columns)
    )
    strength = np.sqrt((xx - yy) ** 2 + 4 * xy**2).sum((1, 2))
    energy = (xx + yy).sum((1, 2))
    return strength / np.maximum(energy, 1e-9)


def smooth(grey: Grey) -> Grey:
    """A binomial filter of five by five, continued by reflection."""
    reach = len(_SMOOTHING) // 2
    padded = np.pad(grey, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    for axis in (1, 2):
        padded = sliding_window_view(padded, len(_SMOOTHING), axis=axis) @ _SMOOTHING
    return padded


def _local_sum(values: Grey) -> Grey:
    for axis in (1, 2):
        values = sliding_window_view(values, min(_NEIGHBOURHOOD, values.shape[axis]), axis=axis).sum(-1)
    return values


def _difference(
    samples: Float[np.ndarray, " n"], real: Float[np.ndarray, " m"]
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The weighted mean of the first minus that of the second."""
    of_samples, of_real = mean(samples), mean(real)

    def statistic(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        out: np.ndarray = of_samples(first) - of_real(second)
        return out

    return statistic
