"""What counts as a copy of a training image, and which images are one. Knows nothing of how images were made.

A copy is nearer to a training image than nearly all images are that the model has not seen (METHOD.md section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Integer

from drai_cli.metrics import intervals
from drai_cli.metrics.nearest import Features, Nearest, PixelFeatures, Symmetry, find_nearest

Images = Integer[np.ndarray, "n h w c"]
Thresholds = Mapping[str, float] | Mapping[str, Float64[np.ndarray, "draws 1"]]

PIXELS = "pixels"
QUANTILE = 0.01  # of the distances of images that the model has not seen
SURE = 0.5  # of the threshold in pixels
IDENTICAL = 1e-5  # root mean square of pixels in 0..1: rounding, and less than a level of 16 bits


def spaces_of(extractors: Mapping[str, Features]) -> dict[str, Features]:
    """The spaces in which copies are looked for: pixels, then the extractors.

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
    or equal in pixels. A threshold alone does not do: images of few details (much skin, much black) are near to
    others in pixels, and two lesions alike to the extractor need not be one image; and each space alone calls 1 % of
    all unseen images a copy. Half the threshold does, and has to: extractors look at fine texture, which a blur or a
    JPEG file changes beyond their threshold while the pixels stay several times nearer than those of other images.
    The nearest training images of the spaces need not agree, as there may be several of one lesion. Without any
    feature space the pixels decide.

    Args:
        distances: To the nearest training image, by space.
        thresholds: By space; columns of several for as many answers.
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
    """Tells which images are copies of training images; made by `calibrated` or `of_thresholds`.

    Attributes:
        spaces: Pixels and extractors by name.
        references: Features of the training images in each.
        thresholds: Distance in each below which an image is suspected.
        symmetry: Under which mirrored and turned copies are copies.
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
        """A filter with thresholds measured before, as `measure_privacy` gives them.

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
        found = _nearest(held_out, spaces, references, symmetry)
        thresholds = {name: threshold(near.distance) for name, near in found.items()}
        return cls(spaces, references, thresholds, symmetry)

    def find(self, images: Images) -> Bool[np.ndarray, " n"]:
        """Which of the images are copies, by `is_copy`."""
        found = _nearest(images, self.spaces, self.references, self.symmetry)
        return is_copy({name: near.distance for name, near in found.items()}, self.thresholds)


def _references(train: Images, spaces: Mapping[str, Features]) -> dict[str, np.ndarray]:
    return {name: space.features(train) for name, space in spaces.items()}


def _nearest(
    images: Images,
    spaces: Mapping[str, Features],
    references: Mapping[str, np.ndarray],
    symmetry: Symmetry,
) -> dict[str, Nearest]:
    """The nearest training image in each space."""
    return {
        name: find_nearest(images, space, [references[name]], symmetry)[0] for name, space in spaces.items()
    }
