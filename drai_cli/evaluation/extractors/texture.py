"""`--features texture`: grey levels and textures of images as a radiologist's software counts them, by mahotas.

First-order statistics and Haralick's thirteen of co-occurring grey levels (Haralick et al. 1973), per channel: no
network, so nothing that was trained on other images. They are a small part of the features of pyradiomics and are
measured over whole images, not in outlined regions: a distance in them is not the published radiomics distance (FRD).
Knows nothing of paths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from drai_cli.errors import UsageError
from drai_cli.metrics.mapping import Images

NAME = "texture"
"""What `--features` is given in place of a file."""
VERSION = 1  # changes with the definition of any feature
_LEVELS = 32
"""Grey levels of co-occurrence, of 256: with more, most pairs of a small image never occur."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class TextureFeatures:
    """Stored images, grey or RGB, to rows of texture in units of the spread among reference images.

    Args:
        reference: Stored images whose mean and standard deviation scale the rows, so that every feature counts alike.

    Raises:
        UsageError: mahotas is not installed.
    """

    def __init__(self, reference: Images) -> None:
        self._haralick = _haralick()
        rows = self._rows(reference)
        self._mean = rows.mean(0)
        deviation = rows.std(0)
        self._deviation = np.where(deviation > 1e-9, deviation, 1.0)

    @property
    def name(self) -> str:
        """Identifies these features next to numbers measured in them."""
        return NAME

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in one line."""
        return "numbers in these features of the same data set and of as many images; not with published FRD or FID"

    def features(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """First-order statistics and texture of each channel, standardised."""
        out: np.ndarray = ((self._rows(images) - self._mean) / self._deviation).astype(np.float32)
        return out

    def _rows(self, images: Images) -> Float64[np.ndarray, "n d"]:
        peak = np.iinfo(images.dtype).max
        levels = np.round(images * (255 / peak)).astype(np.uint8)
        return np.stack(
            [
                np.concatenate([self._of_channel(image[..., index]) for index in range(image.shape[-1])])
                for image in levels
            ]
        )

    def _of_channel(self, grey: UInt8[np.ndarray, "h w"]) -> Float64[np.ndarray, " d"]:
        values = grey.astype(np.float64) / 255
        mean, deviation = values.mean(), values.std()
        coarse = (grey.astype(np.int64) * _LEVELS // 256).astype(np.uint8)
        shares = np.bincount(coarse.ravel(), minlength=_LEVELS) / grey.size
        known = shares[shares > 0]
        around = (values - mean) / max(deviation, 1e-6)
        first = [
            mean, deviation, (around**3).mean(), (around**4).mean(), -(known * np.log2(known)).sum(),
            (shares**2).sum(), *np.quantile(values, _QUANTILES),
        ]  # fmt: skip
        # A channel of one level has no correlation: 0 in place of NaN.
        texture = np.nan_to_num(self._haralick(coarse, return_mean=True))
        return np.concatenate([first, texture])


def _haralick() -> Any:
    try:
        from mahotas.features import haralick
    except ImportError as error:
        raise UsageError(
            f"--features {NAME}", "needs mahotas, which is not installed", "pip install 'drai-cli[texture]'"
        ) from error
    return haralick
