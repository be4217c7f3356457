"""Images that a user hands to a model: read, brought to the model's size and channels, and what that changed said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt

from drai_cli.checkpoint import ModelHeader
from drai_cli.io.image import Fit, Image, fit_to_square
from drai_cli.io.raster import read_image
from drai_cli.progress import SILENT, Reporter


@dataclass(frozen=True)
class InputImage:
    """An image as a model sees it.

    Attributes:
        name: Its file name without folders.
        suffix: Of the file, lower case.
        height: Of the file's image, in pixels.
        width: Of the file's image, in pixels.
        pixels: At the model's size.
    """

    name: str
    suffix: str
    height: int
    width: int
    pixels: UInt[np.ndarray, "size size channels"]


def read_for_model(path: Path, header: ModelHeader, fit: Fit, reporter: Reporter = SILENT) -> InputImage:
    """Reads an image for a model; every change beyond resizing is one warning line.

    Raises:
        InputError: It cannot be read.
    """
    image = read_image(path)
    architecture = header.architecture
    for change in (*image.notes, *_changes(image, architecture.image_channels, fit)):
        reporter.warn(f"{path.name}: {change}")
    pixels = fit_to_square(image, architecture.image_size, architecture.image_channels, fit)
    return InputImage(path.name, path.suffix.lower(), image.height, image.width, pixels)


def _changes(image: Image, channels: int, fit: Fit) -> list[str]:
    changes = []
    if image.height != image.width and fit == "crop":
        side = min(image.height, image.width)
        changes.append(f"only the central {side} × {side} of {image.width} × {image.height} pixels is used")
    if image.channels < channels:
        changes.append("grey, but the model is for colour: its grey levels go into red, green and blue alike")
    elif image.channels > channels:
        changes.append("colour, but the model is for grey: only its luminance is used")
    return changes
