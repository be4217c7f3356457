"""A fixed description of how images look: light, colour and layout, and texture at several scales. No network.

Distances in it depend on nothing that was ever trained, so no training can flatter them: they complete the features of
a judge, which classifies swirls of the right colours as confidently as real images.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drai_cli.metrics.frechet import frechet_distance
from drai_cli.metrics.mapping import Images, batches
from drai_cli.metrics.texture import coherence, smooth, to_grey

_CELLS = 4  # of the layout, along either side
_LEAST_SIDE = 8  # of the coarsest scale


def describe_appearance(images: Images) -> Float[np.ndarray, "n d"]:
    """One row per stored image.

    The mean of each channel in 4 x 4 cells, then at each scale (the image, halved until eight pixels are left): the log
    deviation of its finest detail, how heavy that detail's tails are, and its coherence.
    """
    return np.concatenate([_describe(images[rows]) for rows in batches(len(images))])


def appearance_distance(
    real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], scale: Float[np.ndarray, " d"]
) -> float:
    """The Fréchet distance of two sets of descriptions, each entry divided by `scale`: its deviation on real images."""
    return frechet_distance(real / scale, other / scale)


def _describe(images: Images) -> Float[np.ndarray, "n d"]:
    levels = images.astype(np.float64) * (255 / np.iinfo(images.dtype).max)
    side = images.shape[1] // _CELLS
    cells = levels[:, : side * _CELLS, : side * _CELLS]
    cells = cells.reshape(len(images), _CELLS, side, _CELLS, side, -1).mean((2, 4))
    columns = [cells.reshape(len(images), -1)]
    grey = to_grey(images)
    while grey.shape[1] >= _LEAST_SIDE:
        detail = grey - smooth(grey)
        square = np.square(detail).mean((1, 2)) + 1 / 12  # of rounding to levels
        tails = np.power(detail, 4).mean((1, 2)) / square**2
        columns.append(np.stack([0.5 * np.log(square), np.log1p(tails), coherence(grey)], axis=1))
        even = grey[:, : grey.shape[1] // 2 * 2, : grey.shape[2] // 2 * 2]
        grey = (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
    return np.concatenate(columns, axis=1)
