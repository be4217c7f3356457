"""A user's images as input of a model: read, resized to its size, encoded; changes are reported. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt

from drai_cli.errors import InputError
from drai_cli.inference.codes import InferredCodes
from drai_cli.io.geometry import Geometry
from drai_cli.io.grey import GreyWindow, is_deep
from drai_cli.io.image import Fit, Image, cropped_share, fit_to_square, frame_square
from drai_cli.io.intensity import Intensity
from drai_cli.io.read import choose_frame, read_frame, read_image, read_stack
from drai_cli.io.registry import find_format
from drai_cli.io.stack import Spacing, Stack
from drai_cli.io.window import Window, choose_scale, frame_image, parse_window
from drai_cli.machine.memory import raise_if_short
from drai_cli.model_file.header import ModelHeader, model_intensity
from drai_cli.progress import SILENT, Reporter

if TYPE_CHECKING:
    from drai_cli.inference.torch_model import Inference

_MAX_UNREADABLE = 0.01
_WHOLE = 1e-6
"""A crop of no more than this share is the error of rounding in a spacing."""


@dataclass(frozen=True)
class InputImage:
    """An image as a model sees it.

    Attributes:
        name: Its file name without folders.
        suffix: Of the file, lower case.
        kind: What the file is.
        height: Of the file's image, in pixels.
        width: Of the file's image, in pixels.
        changes: What was done to it beyond resizing, in words.
        pixels: At the model's size; empty where only the codes are kept.
        sha256: Of the pixels at the model's size.
        intensity: What the levels mean, where a window made them of values.
        geometry: Where the file's image lies, None where it does not say.
        spacing_mm: (slice, row, column) of the file's image, None where it does not say.
        aspect: Height of a pixel of the file's image over its width.
    """

    name: str
    suffix: str
    kind: str
    height: int
    width: int
    changes: tuple[str, ...]
    pixels: UInt[np.ndarray, "size size channels"]
    sha256: str
    intensity: Intensity | None = None
    geometry: Geometry | None = None
    spacing_mm: Spacing | None = None
    aspect: float = 1.0


@dataclass(frozen=True)
class EncodedImages:
    """Images and their codes, row by row, and the files that could not be read with the reason."""

    images: tuple[InputImage, ...]
    paths: tuple[Path, ...]
    codes: InferredCodes
    skipped: tuple[tuple[str, str], ...]


def read_for_model(
    path: Path, header: ModelHeader, fit: Fit, *, frame: int | None = None, window: str | None = None
) -> InputImage:
    """Reads an image for a model.

    Args:
        path: A file, or a folder or zip with one DICOM series.
        header: Of the model.
        fit: How it is made square.
        frame: Which frame of several, from 0.
        window: As `parse_window` takes it; if not given, that of a model of values, else `auto`.

    Raises:
        InputError: It cannot be read, or it has several frames and none is chosen.
        UsageError: No window.
    """
    format = find_format(path)
    if format is None or format.is_medical:
        return fit_stack(read_stack(path), path, header, fit, frame=frame, window=window)
    intensity = model_intensity(header)
    own = model_window(header)
    if window is None and own is not None and intensity.stored_offset is not None:
        # The model was trained on the numbers of such files.
        grey = GreyWindow(
            own, intensity.stored_offset, intensity.unit, is_deep_only=intensity.dtype == "uint16"
        )
        stack = read_frame(path, frame)
        notes = (
            () if is_deep(stack) or not grey.is_deep_only else ("8 bits, the model is for values of more",)
        )
        return _fit(grey.image(stack), path, header, fit, kind=format.name, notes=notes)
    image = read_image(path, frame=frame, window=parse_window(window))
    unit = intensity.unit
    notes = (f"its levels have no unit, they are taken as the model's {unit}",) if unit else ()
    return _fit(image, path, header, fit, kind=format.name, notes=notes)


def fit_stack(
    stack: Stack,
    path: Path,
    header: ModelHeader,
    fit: Fit,
    *,
    frame: int | None = None,
    window: str | None = None,
) -> InputImage:
    """One frame, however it was read, as a model sees it; arguments and errors as in `read_for_model`."""
    wanted = parse_window(window)
    own = model_window(header)
    notes: tuple[str, ...] = ()
    if window is None and stack.channels == 1 and own is not None:
        unit = model_intensity(header).unit
        if unit == stack.unit or not stack.unit:
            wanted = own
        if unit != stack.unit:
            notes = (f"its values are in {stack.unit or 'no unit'}, the model's in {unit or 'none'}",)
    index = choose_frame(stack, frame)
    image = frame_image(stack, index, wanted, choose_scale(stack, wanted))
    one = stack.frame(index)
    return _fit(image, path, header, fit, one.kind, notes, one.geometry, one.spacing_mm)


def _fit(
    image: Image,
    path: Path,
    header: ModelHeader,
    fit: Fit,
    kind: str,
    notes: tuple[str, ...],
    geometry: Geometry | None = None,
    spacing_mm: Spacing | None = None,
) -> InputImage:
    architecture = header.architecture
    pixels = fit_to_square(image, architecture.image_size, architecture.image_channels, fit)
    return InputImage(
        name=path.name,
        suffix=path.suffix.lower(),
        kind=kind,
        height=image.height,
        width=image.width,
        changes=(*image.notes, *notes, *_changes(image, architecture.image_channels, fit)),
        pixels=pixels,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        intensity=image.intensity,
        geometry=geometry,
        spacing_mm=spacing_mm,
        aspect=image.aspect,
    )


def model_window(header: ModelHeader) -> Window | None:
    """The window of a model that was trained on values by one window; None for one of plain levels."""
    intensity = model_intensity(header)
    if intensity == Intensity(high=float(intensity.top), dtype=intensity.dtype):
        return None
    return Window("range", low=intensity.low, high=intensity.high)


def fit_geometry(image: InputImage, size: int, fit: Fit) -> Geometry | None:
    """Where the pixels of an image at a model's size lie: `fit_to_square` undone."""
    if image.geometry is None:
        return None
    (down, row), (across, column) = _fit_grid(image, size, fit)
    to_source = np.eye(4)
    to_source[0, 0], to_source[0, 3] = across, column
    to_source[1, 1], to_source[1, 3] = down, row
    return Geometry(image.geometry.affine @ to_source)


def fit_spacing(image: InputImage, size: int, fit: Fit) -> Spacing | None:
    """Spacing of an image at a model's size."""
    if image.spacing_mm is None:
        return None
    (down, _), (across, _) = _fit_grid(image, size, fit)
    return image.spacing_mm[0], image.spacing_mm[1] * down, image.spacing_mm[2] * across


def _fit_grid(image: InputImage, size: int, fit: Fit) -> tuple[tuple[float, float], tuple[float, float]]:
    """For rows and columns: step and start, in pixels of the file's image, of the pixels at a model's size.

    Pixels are areas: the centre of pixel i of n over a length L is at (i + 1/2) L / n - 1/2.
    """
    framing = frame_square(image.height, image.width, size, fit, image.aspect)
    grids = []
    for first, kept, made in (
        (framing.top, framing.height, framing.made_height),
        (framing.left, framing.width, framing.made_width),
    ):
        step = kept / made
        grids.append((step, first - (size - made) // 2 * step + step / 2 - 0.5))
    return grids[0], grids[1]


def encode_files(
    inference: Inference,
    paths: Sequence[Path],
    fit: Fit,
    *,
    may_skip: bool = False,
    keep_pixels: bool = False,
    frame: int | None = None,
    window: str | None = None,
    reporter: Reporter = SILENT,
) -> EncodedImages:
    """Codes of image files, read as many at a time as are computed at once.

    Args:
        inference: The model.
        paths: The files.
        fit: How each is made square.
        may_skip: Leave out files that cannot be read, up to one in a hundred.
        keep_pixels: Keep the images as well as their codes.
        frame: Of files with several frames: which one.
        window: Which values become black and white, as `read_for_model` has it.
        reporter: Shown what reading changed, and the files left out.

    Raises:
        InputError: A file cannot be read (or, with `may_skip`, more than one in a hundred).
        WeightsError: The model has no encoder.
    """
    inference.model.require_encoder()
    images: list[InputImage] = []
    kept: list[Path] = []
    codes: list[InferredCodes] = []
    skipped: list[tuple[str, str]] = []
    waiting: list[np.ndarray] = []
    at_once = inference.micro_batch * inference.at_once

    def flush() -> None:
        if waiting:
            codes.append(inference.encode(stack_pixels(waiting)))
            waiting.clear()

    with reporter.task("encoding", len(paths), "images") as task:
        for path in paths:
            try:
                image = read_for_model(path, inference.header, fit, frame=frame, window=window)
            except InputError as error:
                if not may_skip:
                    raise
                raise_if_short(error, str(path))
                skipped.append((str(path), error.message))
                reporter.warn(f"{path}: left out, {error.message}")
                if len(skipped) > max(_MAX_UNREADABLE * len(paths), 0):
                    raise InputError(
                        f"{len(skipped)} of {len(paths)} images",
                        "cannot be read; at most one in a hundred may be left out",
                        "repair or remove them; they are named above",
                    ) from error
            else:
                waiting.append(image.pixels)
                images.append(image if keep_pixels else replace(image, pixels=image.pixels[:0].copy()))
                kept.append(path)
            if len(waiting) == at_once:
                flush()
            task.advance()
        flush()
    _report_changes(images, reporter)
    return EncodedImages(tuple(images), tuple(kept), _join(codes), tuple(skipped))


def _report_changes(images: Sequence[InputImage], reporter: Reporter) -> None:
    """One warning for each kind of change, with the first image's name."""
    changed: dict[str, list[str]] = {}
    for image in images:
        for change in image.changes:
            changed.setdefault(change, []).append(image.name)
    for change, names in changed.items():
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        reporter.warn(f"{names[0]}{more}: {change}")


def _changes(image: Image, channels: int, fit: Fit) -> list[str]:
    changes = []
    if image.aspect != 1:
        changes.append("its pixels are not square: resampled to square ones by their spacing")
    if fit == "crop" and cropped_share(image.height, image.width, image.aspect) > _WHOLE:
        changes.append("not square, only the centre is used (--fit pad keeps all)")
    if image.channels < channels:
        changes.append("grey, but the model is for colour: its levels become red, green and blue alike")
    elif image.channels > channels:
        changes.append("colour, but the model is for grey: only its luminance is used")
    return changes


def stack_pixels(images: Sequence[np.ndarray]) -> UInt[np.ndarray, "images size size channels"]:
    """Images of one size as one array; if some have 16 bits, all become 16-bit."""
    deepest = np.result_type(*images)
    return np.stack([i if i.dtype == deepest else i.astype(np.uint16) * np.uint16(257) for i in images])


def _join(codes: Sequence[InferredCodes]) -> InferredCodes:
    parts = [(c.style, c.style_log_variance, c.content, c.content_log_variance) for c in codes]
    columns = zip(*parts, strict=True)
    return InferredCodes(*(None if column[0] is None else np.concatenate(column) for column in columns))  # type: ignore[arg-type]
