"""Real images as a model sees them, from paths, arrays and Pillow images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import UInt

from drai_cli.errors import InputError
from drai_cli.inference.input_images import read_for_model
from drai_cli.io.image import Image, fit_to_square
from drai_cli.model_file.header import ModelHeader, model_fit

ImageLike: TypeAlias = str | Path | np.ndarray | Any
"""A path, a uint8 or uint16 array `[H, W]` or `[H, W, C]`, or a Pillow image."""


@dataclass(frozen=True)
class ModelTransform:
    """Converts images to a model's size, channels and levels, as in its training. It can be pickled.

    Attributes:
        header: The header of the model.
    """

    header: ModelHeader

    def __repr__(self) -> str:
        model = self.header.architecture
        kind = "RGB" if model.image_channels == 3 else "grey"
        return f"<ModelTransform to {model.image_size} px {kind}, fit {model_fit(self.header)}>"

    def __call__(self, image: ImageLike) -> UInt[np.ndarray, "height width channels"]:
        """Converts one image.

        Raises:
            InputError: The image cannot be read or used.
        """
        fit, architecture = model_fit(self.header), self.header.architecture
        if isinstance(image, str | Path):
            return read_for_model(Path(image), self.header, fit).pixels
        array = Image(_to_array(image), source="array")
        return fit_to_square(array, architecture.image_size, architecture.image_channels, fit)


def to_list(images: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    """Makes a list of one image or several."""
    if isinstance(images, np.ndarray):
        return list(images) if images.ndim == 4 else [images]
    if isinstance(images, list | tuple):
        if not images:
            raise InputError("images", "expected at least one, got none")
        return list(images)
    return [images]


def _to_array(image: ImageLike) -> np.ndarray:
    """Pixel values of an array or Pillow image; transparency is blended over black."""
    from PIL import Image as PillowImage

    if not isinstance(image, PillowImage.Image):
        return np.asarray(image)
    if image.mode in ("L", "RGB") or image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    black = PillowImage.new("RGBA", image.size, "black")
    return np.asarray(PillowImage.alpha_composite(black, image.convert("RGBA")).convert("RGB"))
