"""Files of images made from a user's images: in the same format and geometry, at the model's size or scaled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt

from drai_cli.inference.input_images import InputImage, fit_geometry, fit_spacing
from drai_cli.inference.torch_model import Inference
from drai_cli.io.about import About, Member
from drai_cli.io.geometry import Geometry
from drai_cli.io.image import Fit, Framing, Image, fit_to_square, frame_square, resample
from drai_cli.io.registry import format_named
from drai_cli.io.stack import Spacing
from drai_cli.io.stored import Stored
from drai_cli.io.tiff import is_storable
from drai_cli.io.write import encode_image
from drai_cli.model_file.header import model_intensity
from drai_cli.output.folder import make_parent
from drai_cli.output.marks import synthetic_marks
from drai_cli.output.mask_file import encode_mask, mask_tops
from drai_cli.settings.image_options import IMAGE_SUFFIXES, Compression, ImageFormat

_TIFF_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class DerivedImages:
    """Writes images that a command makes from the user's.

    Attributes:
        inference: The model that made them.
        made_by: The command's name.
        fit: How the user's images were made square.
        format: Kind of file; None: that of the source image.
        size: `model`, or `input` for the size of the source image.
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
        """The marks of every image; without the inputs' names, which may name people."""
        return synthetic_marks(self.inference.model.sha256, made_by=self.made_by)

    @property
    def figure_marks(self) -> dict[str, str]:
        """The marks of a figure that shows the user's images next to synthetic ones."""
        return {**self.marks, "shows": "real images beside synthetic ones"}

    def write(
        self,
        folder: Path,
        stem: str,
        made: np.ndarray,
        source: InputImage | None,
        deciding: Mapping[str, Any],
        number: int = 1,
        member: Member | None = None,
        **marks: str,
    ) -> list[str]:
        """Writes the files of one image; returns their names, the image first, then its sidecars.

        Args:
            folder: Where to.
            stem: Of the file names.
            made: The image's levels, `[size, size, channels]`.
            source: The user's image whose format and geometry it keeps; None for an image made of codes alone.
            deciding: What decides the image besides model, command, shape and precision.
            number: Of the image in its series, from 1.
            member: The DICOM series that its source shares with those of others, which are written as well.
            **marks: Marks of this image besides those of every image.
        """
        made, geometry, spacing_mm = self._place(made, source)
        if member is not None:
            number = member.number
            spacing_mm = None if spacing_mm is None else (member.between_mm, *spacing_mm[1:])
        kind = self.format or _choose_format(source, made)
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
            About({**self.marks, **marks}, decided_by, number, member=member),
            geometry=geometry,
            spacing_mm=spacing_mm,
            compression=self.compression if kind == "dicom" else "none",
            level=6,
        )
        suffixes = IMAGE_SUFFIXES[kind]
        if source is not None and kind == "tiff" and source.suffix in _TIFF_SUFFIXES:
            suffixes = (source.suffix,)
        names = [stem + suffix for suffix in suffixes]
        for name, data in zip(names, files, strict=True):
            (folder / name).write_bytes(data)
        return names

    def write_masks(
        self,
        folder: Path,
        stem: str,
        made: UInt[np.ndarray, "size size channels"],
        source: InputImage | None,
        deciding: Mapping[str, Any],
        **marks: str,
    ) -> list[str]:
        """Writes a file for each mask of an image; returns their names, `masks/<stem>.<ext>` for one mask.

        A mask of a NIfTI image is a label map with the image's geometry, of any other a PNG file. What a crop removed
        is outside: the model did not see it.

        Args:
            folder: Where to.
            stem: Of the image.
            made: The image's levels with those of its masks after the intensities.
            source: As `write`.
            deciding: As `write`.
            **marks: As `write`.
        """
        header = self.inference.header
        count = header.architecture.image_channels
        kind = "nifti" if (self.format or _choose_format(source, made[..., :count])) == "nifti" else "png"
        names = []
        for place, (mask, top) in enumerate(
            zip(header.mask_names, mask_tops(header.mask_names), strict=True), count
        ):
            plane, geometry, spacing_mm = self._place(
                np.ascontiguousarray(made[..., place : place + 1]), source
            )
            inside = plane[..., 0] > np.iinfo(plane.dtype).max // 2
            decided_by = {
                "weights_sha256": self.inference.model.sha256, "made_by": self.made_by, **deciding, "mask": mask
            }  # fmt: skip
            data = encode_mask(
                kind,
                inside.astype(np.uint8) * np.uint8(255),
                About({**self.marks, **marks, "mask": mask}, decided_by),
                geometry=geometry,
                spacing_mm=spacing_mm,
                level=6,
            )
            name = f"{top}{stem}{IMAGE_SUFFIXES[kind][0]}"
            make_parent(folder / name, inside=folder)
            (folder / name).write_bytes(data)
            names.append(name)
        return names

    def _place(
        self, made: np.ndarray, source: InputImage | None
    ) -> tuple[np.ndarray, Geometry | None, Spacing | None]:
        """An image at the size it is written at, with its geometry and spacing: those of its source."""
        if source is None:
            return made, None, None
        if self.size == "input":
            whole = scale_back(made, source.height, source.width, self.fit, source.aspect)
            return whole, source.geometry, source.spacing_mm
        size = self.inference.header.architecture.image_size
        return made, fit_geometry(source, size, self.fit), fit_spacing(source, size, self.fit)


def _choose_format(source: InputImage | None, made: np.ndarray) -> str:
    """The input's format if it is lossless and can hold marks, else PNG (for JPEG, GIF and BMP)."""
    if source is None:
        return "png"
    if format_named(source.kind).encode is None or (source.kind == "tiff" and not is_storable(made)):
        return "png"
    return source.kind


def scale_back(pixels: np.ndarray, height: int, width: int, fit: Fit, aspect: float = 1.0) -> np.ndarray:
    """Scales an image of a model's size to the size of its source: the inverse of `fit_to_square`.

    Pixels that a crop removed are black, so that all others are at their place in the source. The result has pixels of
    the source's aspect.
    """
    if aspect != 1:
        return _stretch_back(pixels, height, width, frame_square(height, width, len(pixels), fit, aspect))
    side = min(height, width) if fit == "crop" else max(height, width)
    square = fit_to_square(Image(pixels), side, pixels.shape[2])
    if fit == "pad":
        top, left = (side - height) // 2, (side - width) // 2
        return square[top : top + height, left : left + width]
    out = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
    top, left = (height - side) // 2, (width - side) // 2
    out[top : top + side, left : left + side] = square
    return out


def _stretch_back(pixels: np.ndarray, height: int, width: int, framing: Framing) -> np.ndarray:
    """The same for pixels that are not square: whole pixels of the source that lie in the part that was kept."""
    size = len(pixels)
    top, left = ceil(framing.top - 1e-9), ceil(framing.left - 1e-9)
    rows = floor(framing.top + framing.height + 1e-9) - top
    columns = floor(framing.left + framing.width + 1e-9) - left
    out = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
    if rows < 1 or columns < 1:  # less than a pixel was kept
        return out
    down, across = framing.made_height / framing.height, framing.made_width / framing.width
    part = Framing(
        max(0.0, (size - framing.made_height) // 2 + (top - framing.top) * down),
        max(0.0, (size - framing.made_width) // 2 + (left - framing.left) * across),
        rows * down,
        columns * across,
        rows,
        columns,
    )
    out[top : top + rows, left : left + columns] = resample(pixels, part)
    return out
