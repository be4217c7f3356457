"""Images that a user hands to a model: read, brought to the model's size, encoded; and what that changed, said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt

from drai_cli.checkpoint import ModelHeader
from drai_cli.errors import InputError
from drai_cli.io.display import apply_window, full_window
from drai_cli.io.files import shown
from drai_cli.io.geometry import Geometry
from drai_cli.io.image import Fit, Image, fit_to_square
from drai_cli.io.intensity import Intensity
from drai_cli.io.read import read_stack
from drai_cli.io.stack import Kind, Stack
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.inference import Codes, Inference, model_intensity

_MAX_UNREADABLE = 0.01


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
        geometry: Where the file's image lies, None where it does not say.
        spacing_mm: (slice, row, column) of the file's image, None where it does not say.
    """

    name: str
    suffix: str
    kind: Kind
    height: int
    width: int
    changes: tuple[str, ...]
    pixels: UInt[np.ndarray, "size size channels"]
    sha256: str
    geometry: Geometry | None = None
    spacing_mm: tuple[float | None, float, float] | None = None


@dataclass(frozen=True)
class EncodedImages:
    """Images and their codes, row by row, and the files that could not be read with the reason."""

    images: tuple[InputImage, ...]
    paths: tuple[Path, ...]
    codes: Codes
    skipped: tuple[tuple[str, str], ...]


def read_for_model(path: Path, header: ModelHeader, fit: Fit, frame: int | None = None) -> InputImage:
    """Reads an image for a model.

    Args:
        path: A file of any kind that is read.
        header: Of the model.
        fit: How it is made square.
        frame: Which frame of a file that holds several, from 0.

    Raises:
        InputError: It cannot be read, or holds several frames and none is chosen.
    """
    return fit_stack(_one_frame(read_stack(path), path, frame), path, header, fit)


def fit_stack(stack: Stack, path: Path, header: ModelHeader, fit: Fit) -> InputImage:
    """One frame, however it was read, as a model sees it."""
    stack, turned = to_model_levels(stack, model_intensity(header))
    architecture = header.architecture
    image = stack.image()
    changes = (*stack.notes, *turned, *_changes(image, architecture.image_channels, fit))
    pixels = fit_to_square(image, architecture.image_size, architecture.image_channels, fit)
    return InputImage(
        name=path.name,
        suffix=path.suffix.lower(),
        kind=stack.kind,
        height=image.height,
        width=image.width,
        changes=changes,
        pixels=pixels,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        geometry=stack.geometry,
        spacing_mm=stack.spacing_mm,
    )


def to_model_levels(stack: Stack, intensity: Intensity) -> tuple[Stack, tuple[str, ...]]:
    """A stack of values as levels that a model may see, and what that changed, in words.

    Values in the model's own unit become the levels that they were in training. Other values are seen through the
    window that the file suggests, else through one from the least to the greatest.
    """
    is_plain = not stack.unit and stack.array.dtype in (np.uint8, np.uint16, np.bool_)
    if intensity.unit and stack.unit == intensity.unit:
        return replace(stack, array=intensity.to_levels(stack.array), unit=""), ()
    if is_plain:
        note = f"its levels have no unit, they are taken as the model's {intensity.unit}"
        return stack, (note,) if intensity.unit else ()
    window = stack.window or full_window(stack.array)
    levels = apply_window(stack.array, window, np.uint8)
    return replace(stack, array=levels, unit=""), (f"seen through the window {window[0]:g},{window[1]:g}",)


def fitted_geometry(image: InputImage, size: int, fit: Fit) -> Geometry | None:
    """Where the pixels of an image at a model's size lie: `fit_to_square` undone."""
    if image.geometry is None:
        return None
    (down, row), (across, column) = _fitted_grid(image.height, image.width, size, fit)
    to_source = np.eye(4)
    to_source[0, 0], to_source[0, 3] = across, column
    to_source[1, 1], to_source[1, 3] = down, row
    return Geometry(image.geometry.affine @ to_source)


def fitted_spacing(image: InputImage, size: int, fit: Fit) -> tuple[float | None, float, float] | None:
    """Spacing of an image at a model's size."""
    if image.spacing_mm is None:
        return None
    (down, _), (across, _) = _fitted_grid(image.height, image.width, size, fit)
    return image.spacing_mm[0], image.spacing_mm[1] * down, image.spacing_mm[2] * across


def _fitted_grid(
    height: int, width: int, size: int, fit: Fit
) -> tuple[tuple[float, float], tuple[float, float]]:
    """For rows and columns: step and start, in pixels of the file's image, of the pixels at a model's size.

    Pixels are areas: the centre of pixel i of n over a length L is at (i + 1/2) L / n - 1/2.
    """
    side = min(height, width) if fit == "crop" else max(height, width)
    grids = []
    for length in (height, width):
        kept = side if fit == "crop" else length
        made = max(1, round(kept * size / side))
        step = kept / made
        start = (length - kept) // 2 - (size - made) // 2 * step + step / 2 - 0.5
        grids.append((step, start))
    return grids[0], grids[1]


def _one_frame(stack: Stack, path: Path, frame: int | None) -> Stack:
    count = len(stack.array)
    if frame is None and count > 1:
        raise InputError(shown(path), f"expected one frame, got {count}", "pick one with --frame N")
    if frame is not None and frame >= count:
        raise InputError(shown(path), f"expected a frame from 0 to {count - 1}, got {frame}")
    return stack.frame(frame or 0)


def encode_files(
    inference: Inference,
    paths: Sequence[Path],
    fit: Fit,
    *,
    may_skip: bool = False,
    keep_pixels: bool = False,
    frame: int | None = None,
    reporter: Reporter = SILENT,
) -> EncodedImages:
    """Codes of image files, read a micro-batch at a time.

    Args:
        inference: The model.
        paths: The files.
        fit: How each is made square.
        may_skip: Leave out files that cannot be read, up to one in a hundred.
        keep_pixels: Keep the images beside their codes.
        frame: Which frame of files that hold several, from 0.
        reporter: Told what was changed in reading, and of files left out.

    Raises:
        InputError: A file cannot be read (or, with `may_skip`, more than one in a hundred).
        WeightsError: The model has no encoder.
    """
    inference.model.require_encoder()
    images: list[InputImage] = []
    kept: list[Path] = []
    codes: list[Codes] = []
    skipped: list[tuple[str, str]] = []
    waiting: list[np.ndarray] = []

    def flush() -> None:
        if waiting:
            codes.append(inference.encode(stack_pixels(waiting)))
            waiting.clear()

    with reporter.task("encoding", len(paths), "images") as task:
        for path in paths:
            try:
                image = read_for_model(path, inference.header, fit, frame)
            except InputError as error:
                if not may_skip:
                    raise
                skipped.append((shown(path), error.message))
                reporter.warn(f"{shown(path)}: left out, {error.message}")
                if len(skipped) > max(_MAX_UNREADABLE * len(paths), 0):
                    raise InputError(
                        f"{len(skipped)} of {len(paths)} images",
                        "cannot be read; at most one in a hundred may be left out",
                        "mend or remove them; they are named above",
                    ) from error
            else:
                waiting.append(image.pixels)
                images.append(image if keep_pixels else replace(image, pixels=image.pixels[:0]))
                kept.append(path)
            if len(waiting) == inference.micro_batch:
                flush()
            task.advance()
        flush()
    _report_changes(images, reporter)
    return EncodedImages(tuple(images), tuple(kept), _joined(codes), tuple(skipped))


def _report_changes(images: Sequence[InputImage], reporter: Reporter) -> None:
    """One warning a kind of change, with the first image's name."""
    changed: dict[str, list[str]] = {}
    for image in images:
        for change in image.changes:
            changed.setdefault(change, []).append(image.name)
    for change, names in changed.items():
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        reporter.warn(f"{shown(names[0])}{more}: {change}")


def _changes(image: Image, channels: int, fit: Fit) -> list[str]:
    changes = []
    if image.height != image.width and fit == "crop":
        changes.append("not square, only the centre is used (--fit pad keeps all)")
    if image.channels < channels:
        changes.append("grey, but the model is for colour: its levels go into red, green and blue alike")
    elif image.channels > channels:
        changes.append("colour, but the model is for grey: only its luminance is used")
    return changes


def stack_pixels(images: Sequence[np.ndarray]) -> UInt[np.ndarray, "images size size channels"]:
    """Images of one size as one array; where 8- and 16-bit ones stand side by side, all become 16-bit."""
    deepest = np.result_type(*images)
    return np.stack([i if i.dtype == deepest else i.astype(np.uint16) * np.uint16(257) for i in images])


def _joined(codes: Sequence[Codes]) -> Codes:
    parts = [(c.content, c.style, c.content_log_variance, c.style_log_variance) for c in codes]
    return Codes(*(np.concatenate(column) for column in zip(*parts, strict=True)))
