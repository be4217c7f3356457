"""Files of an image that was made from a user's: of its kind, where it lies, at the model's size or scaled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from drai_cli.inference.input_images import InputImage, fit_geometry, fit_spacing
from drai_cli.inference.torch_model import Inference
from drai_cli.io.about import About
from drai_cli.io.image import Fit, Image, fit_to_square
from drai_cli.io.registry import format_named
from drai_cli.io.stored import Stored
from drai_cli.io.tiff import is_storable
from drai_cli.io.write import encode_image
from drai_cli.model_file.header import model_intensity
from drai_cli.output.marks import synthetic_marks
from drai_cli.settings.image_options import IMAGE_SUFFIXES, Compression, ImageFormat

_TIFF_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class DerivedImages:
    """How images that a command makes from the user's are written.

    Attributes:
        inference: The model that made them.
        made_by: The command's name.
        fit: How the user's images were made square.
        format: Kind of file; None: that of the image made from.
        size: `model`, or `input` for the size of the image made from.
        compression: Of DICOM pixels.
    """

    inference: Inference
    made_by: str
    fit: Fit
    format: ImageFormat | None = None
    size: Literal["model", "input"] = "model"
    compression: Compression = "none"

    @property
    def marks(self) -> dict[str, str]:
        """What every image says of itself; not the inputs' names, which may name people."""
        return synthetic_marks(self.inference.model.sha256, made_by=self.made_by)

    @property
    def figure_marks(self) -> dict[str, str]:
        """What a figure says of itself that shows the user's images beside what was made of them."""
        return {**self.marks, "shows": "real images beside synthetic ones"}

    def files(
        self,
        made: np.ndarray,
        source: InputImage | None,
        deciding: Mapping[str, Any],
        number: int = 1,
        **marks: str,
    ) -> dict[str, bytes]:
        """Suffix to bytes of the files of one image.

        Args:
            made: Its levels, `[size, size, channels]`.
            source: The user's image whose kind it keeps and where it lies; None for one made of no image.
            deciding: What decides the image, beside model, command, shape and precision.
            number: Of the image in its series, from 1.
            **marks: What it says of itself beyond those of every image.
        """
        geometry, spacing_mm = None, None
        if source is not None and self.size == "input":
            geometry, spacing_mm = source.geometry, source.spacing_mm
            made = scale_back(made, source.height, source.width, self.fit)
        elif source is not None:
            size = self.inference.header.architecture.image_size
            geometry = fit_geometry(source, size, self.fit)
            spacing_mm = fit_spacing(source, size, self.fit)
        kind = self.format or _kind_for(source, made)
        decided_by = {
            "weights_sha256": self.inference.model.sha256,
            "made_by": self.made_by,
            **deciding,
            "shape": made.shape,
            "precision": self.inference.precision,
        }
        files = encode_image(
            kind,
            Stored.of_levels(made, model_intensity(self.inference.header)),
            About({**self.marks, **marks}, decided_by, number),
            geometry=geometry,
            spacing_mm=spacing_mm,
            compression=self.compression if kind == "dicom" else "none",
            level=6,
        )
        suffixes = IMAGE_SUFFIXES[kind]
        if source is not None and kind == "tiff" and source.suffix in _TIFF_SUFFIXES:
            suffixes = (source.suffix,)
        return dict(zip(suffixes, files, strict=True))


def _kind_for(source: InputImage | None, made: np.ndarray) -> str:
    """The kind that keeps the input's: PNG for JPEG, GIF and BMP, which have no place for marks or lose."""
    if source is None:
        return "png"
    if format_named(source.kind).encode is None or (source.kind == "tiff" and not is_storable(made)):
        return "png"
    return source.kind


def scale_back(pixels: np.ndarray, height: int, width: int, fit: Fit) -> np.ndarray:
    """An image of a model's size in the frame of the image it was made from; the inverse of `fit_to_square`.

    What a crop left out is black, so that every pixel stands where it stood in the input.
    """
    side = min(height, width) if fit == "crop" else max(height, width)
    square = fit_to_square(Image(pixels), side, pixels.shape[2])
    if fit == "pad":
        top, left = (side - height) // 2, (side - width) // 2
        return square[top : top + height, left : left + width]
    out = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
    top, left = (height - side) // 2, (width - side) // 2
    out[top : top + side, left : left + side] = square
    return out
