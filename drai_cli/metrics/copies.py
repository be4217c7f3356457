"""Which images count as copies of training images. Knows nothing of how images were generated.

A copy is closer to a training image than nearly all images that the model has not seen (METHOD.md section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from drai_cli.metrics import intervals
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.nearest import Features, Nearest, PixelFeatures, search_spaces
from drai_cli.metrics.symmetries import Symmetry

Thresholds = Mapping[str, float] | Mapping[str, Float64[np.ndarray, "draws 1"]]

PIXELS = "pixels"
QUANTILE = 0.01  # of the distances of images that the model has not seen
SURE = 0.5  # of the threshold in pixels
IDENTICAL = 1e-5  # root mean square of pixels in 0..1: rounding errors, less than a level of 16 bits


def spaces_of(extractors: Mapping[str, Features]) -> dict[str, Features]:
    """The spaces in which copies are searched for: pixels, then the extractors.

    Raises:
        ValueError: An extractor has the pixels' name.
    """
    if PIXELS in extractors:
        raise ValueError(f"an extractor cannot be called {PIXELS!r}")
    return {PIXELS: PixelFeatures(), **extractors}


def threshold(distances: Float[np.ndarray, " n"]) -> float:
    """The distance below which 1 % of unseen images lie, from their distances to the nearest training image."""
    return float(intervals.quantile(distances, QUANTILE)(np.ones((1, len(distances))))[0])


def is_copy(
    distances: Mapping[str, Float64[np.ndarray, " n"]], thresholds: Thresholds
) -> Bool[np.ndarray, "*draws n"]:
    """Which images are copies, by their distance to the nearest training image in each space.

    A copy is below the threshold in pixels and in at least one feature space, or below half the threshold in pixels,
    or equal in pixels. One space alone is not enough: images with little detail (much skin, much black) are close to
    others in pixels, two lesions with similar features need not be one image, and each space alone flags 1 % of all
    unseen images. Half the threshold is enough, and is needed: extractors react to fine texture, which blur or JPEG
    changes beyond their threshold while the pixels stay several times closer than those of other images. The nearest
    training images may differ between spaces, as there may be several of one lesion. Without a feature space, pixels
    decide.

    Args:
        distances: To the nearest training image, by space.
        thresholds: By space; a column of several gives a row of results each.
    """
    pixels = distances[PIXELS]
    close = pixels < thresholds[PIXELS]
    others = [distances[name] < thresholds[name] for name in distances if name != PIXELS]
    if others:
        close = close & np.any(others, axis=0)
    out: np.ndarray = close | (pixels < SURE * thresholds[PIXELS]) | (pixels <= IDENTICAL)
    return out


@dataclass(frozen=True)
class CopyFilter:
    """Finds copies of training images; made by `calibrated` or `of_thresholds`.

    Attributes:
        spaces: Pixels and extractors by name.
        references: Features of the training images in each.
        thresholds: Distance in each below which an image is suspected.
        symmetry: Flips and rotations under which a copy is still a copy.
    """

    spaces: Mapping[str, Features]
    references: Mapping[str, Float[np.ndarray, "m d"]]
    thresholds: Mapping[str, float]
    symmetry: Symmetry

    @classmethod
    def of_thresholds(
        cls,
        train: Images,
        thresholds: Mapping[str, float],
        *,
        extractors: Mapping[str, Features],
        symmetry: Symmetry,
    ) -> CopyFilter:
        """A filter with known thresholds, as `measure_privacy` returns them.

        Raises:
            ValueError: No training images, or a space without a threshold.
        """
        spaces = spaces_of(extractors)
        missing = [name for name in spaces if name not in thresholds]
        if missing or not len(train):
            raise ValueError(f"{len(train)} training images, no threshold for {missing}")
        return cls(spaces, _references(train, spaces), dict(thresholds), symmetry)

    @classmethod
    def calibrated(
        cls, train: Images, held_out: Images, *, extractors: Mapping[str, Features], symmetry: Symmetry
    ) -> CopyFilter:
        """A filter whose thresholds come from real images that the model has not seen.

        Raises:
            ValueError: No training images, or none held out.
        """
        if not len(train) or not len(held_out):
            raise ValueError(f"{len(train)} training images and {len(held_out)} held out")
        spaces = spaces_of(extractors)
        references = _references(train, spaces)
        nearest = _nearest(held_out, spaces, references, symmetry)
        thresholds = {name: threshold(near.distance) for name, near in nearest.items()}
        return cls(spaces, references, thresholds, symmetry)

    def find(self, images: Images) -> Bool[np.ndarray, " n"]:
        """Which of the images are copies, by `is_copy`."""
        nearest = _nearest(images, self.spaces, self.references, self.symmetry)
        return is_copy({name: near.distance for name, near in nearest.items()}, self.thresholds)


def _references(train: Images, spaces: Mapping[str, Features]) -> dict[str, np.ndarray]:
    return {name: space.features(train) for name, space in spaces.items()}


def _nearest(
    images: Images,
    spaces: Mapping[str, Features],
    references: Mapping[str, np.ndarray],
    symmetry: Symmetry,
) -> dict[str, Nearest]:
    """The nearest training image in each space."""
    return search_spaces(images, spaces, references, symmetry)
