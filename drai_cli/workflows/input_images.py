"""Images that a user hands to a model: read, brought to the model's size, encoded; and what that changed, said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt

from drai_cli.checkpoint import ModelHeader
from drai_cli.errors import InputError
from drai_cli.io.files import shown
from drai_cli.io.geometry import Geometry
from drai_cli.io.image import Fit, Image, fit_to_square
from drai_cli.io.intensity import Intensity
from drai_cli.io.raster import is_raster
from drai_cli.io.read import chosen_frame, read_image, read_stack
from drai_cli.io.stack import Kind
from drai_cli.io.window import Window, chosen_scale, frame_image, parse_window
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.inference import Codes, Inference

_MAX_UNREADABLE = 0.01
_RASTER_KINDS: dict[str, Kind] = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".gif": "gif",
}  # fmt: skip


@dataclass(frozen=True)
class InputImage:
    """An image as a model sees it.

    Attributes:
        name: Its file name without folders.
        suffix: Of the file, lower case.
        height: Of the file's image, in pixels.
        width: Of the file's image, in pixels.
        changes: What was done to it beyond resizing, in words.
        pixels: At the model's size; empty where only the codes are kept.
        kind: What the file is.
        intensity: What the levels mean, where a window made them of values.
        geometry: Where the file's image lies, as it was before it was made square.
        spacing_mm: (slice, row, column) of the file's image, where it is known.
    """

    name: str
    suffix: str
    height: int
    width: int
    changes: tuple[str, ...]
    pixels: UInt[np.ndarray, "size size channels"]
    kind: Kind
    intensity: Intensity | None = None
    geometry: Geometry | None = None
    spacing_mm: tuple[float | None, float, float] | None = None


@dataclass(frozen=True)
class EncodedImages:
    """Images and their codes, row by row, and the files that could not be read with the reason."""

    images: tuple[InputImage, ...]
    paths: tuple[Path, ...]
    codes: Codes
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
    wanted = parse_window(window)
    geometry, spacing_mm, mismatch = None, None, ""
    if is_raster(path) and not path.is_dir():
        image = read_image(path, frame=frame, window=wanted)
        kind = _RASTER_KINDS[path.suffix.lower()]
    else:
        stack = read_stack(path)
        kind = stack.kind
        if window is None and stack.channels == 1 and (own := model_window(header)) is not None:
            unit = str(header.intensity.get("unit", ""))
            if unit == stack.unit or not stack.unit:
                wanted = own
            if unit != stack.unit:
                mismatch = f"its values are in {stack.unit or 'no unit'}, the model's in {unit or 'none'}"
        index = chosen_frame(stack, frame)
        image = frame_image(stack, index, wanted, chosen_scale(stack, wanted))
        one = stack.frame(index)
        geometry, spacing_mm = one.geometry, one.spacing_mm
    architecture = header.architecture
    changes = (*image.notes, *filter(None, [mismatch]), *_changes(image, architecture.image_channels, fit))
    pixels = fit_to_square(image, architecture.image_size, architecture.image_channels, fit)
    return InputImage(
        path.name, path.suffix.lower(), image.height, image.width, changes, pixels,
        kind, image.intensity, geometry, spacing_mm,
    )  # fmt: skip


def model_window(header: ModelHeader) -> Window | None:
    """The window of a model that was trained on values by one window; None for one of plain levels."""
    intensity = header.intensity
    low, high = intensity.get("low"), intensity.get("high")
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not low < high:
        return None
    top = int(np.iinfo(str(intensity.get("dtype", "uint8"))).max)
    is_plain = not intensity.get("unit") and (low, high) == (0, top)
    return None if is_plain else Window("range", low=float(low), high=float(high))


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
    """Codes of image files, read a micro-batch at a time.

    Args:
        inference: The model.
        paths: The files.
        fit: How each is made square.
        may_skip: Leave out files that cannot be read, up to one in a hundred.
        keep_pixels: Keep the images beside their codes.
        frame: Of files with several frames: which one.
        window: Which values become black and white, as `read_for_model` has it.
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
                image = read_for_model(path, inference.header, fit, frame=frame, window=window)
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
