"""`drai swap-style`: the content of one image in the style of another, for two images or a table of pairs."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.data.table import read_table
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.files import shown
from drai_cli.io.image import Fit, Image, fit_to_square
from drai_cli.io.png import encode_png
from drai_cli.io.stored import Stored
from drai_cli.io.tiff import is_storable
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.figure import draw_figure
from drai_cli.workflows.file_names import safe_stems
from drai_cli.workflows.image_files import About, image_bytes
from drai_cli.workflows.inference import Inference, model_fit, model_intensity
from drai_cli.workflows.input_images import (
    EncodedImages,
    InputImage,
    encode_files,
    fitted_geometry,
    fitted_spacing,
)
from drai_cli.workflows.marks import synthetic_marks
from drai_cli.workflows.options import IMAGE_SUFFIXES, SwapOptions
from drai_cli.workflows.sample_files import check_compression

FIGURE = "figure.png"
_TIFF_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class Swap:
    """One image to make: rows of the encoded images, and the file name without suffix."""

    content: int
    style: int
    stem: str


@dataclass(frozen=True)
class SwapResult:
    """What a `swap-style` command did.

    Attributes:
        out: The folder.
        images: File names of the images in it.
        sidecars: File names of what lies beside NIfTI images.
        figure: The figure's file name; empty with pairs.
        metadata: The table's file name; empty for two images.
        device: Where it was computed.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    out: Path
    images: tuple[str, ...]
    sidecars: tuple[str, ...]
    figure: str
    metadata: str
    device: str
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


def swap_style(options: SwapOptions, reporter: Reporter = SILENT) -> SwapResult:
    """Swaps the styles of two images both ways, or makes one image for each row of a table.

    All inputs are read before anything is written.

    Raises:
        UsageError: Neither or both of two images and a table.
        InputError: An image or the table cannot be used, or OUT cannot be written.
        WeightsError, NetworkError: A model that cannot be found or used, or has no encoder.
        OverwriteError: OUT holds something.
    """
    if options.compression != "none" and options.format is not None:
        check_compression(options.format, options.compression)
    pairs = _read_pairs(options)
    out = options.out or Path(_default_name(options))
    _check_out(out, options.overwrite)
    inference = Inference.open(options.weights, options.device, options.precision, reporter)
    fit = options.fit or model_fit(inference.header)
    paths = list(dict.fromkeys(path for pair in pairs for path in pair))
    is_two = options.pairs is None
    encoded = encode_files(
        inference, paths, fit,
        keep_pixels=is_two, frame=options.frame, window=options.window, reporter=reporter,
    )  # fmt: skip
    if options.size == "input":
        reporter.warn(
            f"scaled from {inference.header.architecture.image_size} px to the inputs' sizes: no detail is added"
            + (", and what was cropped is black" if _is_cropped(encoded.images, fit) else "")
        )
    swaps = _plan_swaps(pairs, paths, is_two)
    with _staged(out, options.overwrite) as stage:
        names, sidecars, made = _write_swaps(stage, swaps, encoded, inference, fit, options, reporter)
        if is_two:
            _write_figure(stage, swaps, encoded, made, inference)
        else:
            _write_metadata(stage, swaps, encoded, names)
    return SwapResult(
        out=out,
        images=tuple(names),
        sidecars=tuple(sidecars),
        figure=FIGURE if is_two else "",
        metadata="" if is_two else "metadata.csv",
        device=str(inference.device),
        weights_sha256=inference.model.sha256,
    )


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


def _read_pairs(options: SwapOptions) -> list[tuple[Path, Path]]:
    """Content and style of each image to make."""
    if options.pairs is None:
        if options.content is None or options.style is None:
            raise UsageError("swap-style", "expected two images or --pairs", "drai swap-style a.png b.png")
        return [(options.content, options.style), (options.style, options.content)]
    if options.content is not None or options.style is not None:
        raise UsageError("--pairs", "contradicts two images", "give one of them")
    table = read_table(options.pairs)
    absent = [name for name in ("content", "style") if name not in table.columns]
    if absent:
        raise InputError(shown(options.pairs), f"expected a column {absent[0]!r}, got none", "content,style")
    pairs = []
    for number, row in enumerate(table.rows, 1):
        found = []
        for name in ("content", "style"):
            given = Path(row[name])
            beside = options.pairs.parent / given
            path = beside if row[name] and beside.exists() else given
            if not row[name] or not path.exists():
                what = f"no such file: {shown(row[name])}" if row[name] else "no file is named"
                raise InputError(
                    f"{shown(options.pairs)}, row {number}, {name}",
                    what,
                    "paths count from the table's folder",
                )
            found.append(path)
        pairs.append((found[0], found[1]))
    return pairs


def _default_name(options: SwapOptions) -> str:
    if options.pairs is not None:
        return f"swap_{safe_stems([options.pairs.name])[0]}"
    assert options.content is not None
    assert options.style is not None
    a, b = (safe_stems([path.name])[0] for path in (options.content, options.style))
    return f"swap_{a}_{b}"


def _plan_swaps(pairs: Sequence[tuple[Path, Path]], paths: Sequence[Path], is_two: bool) -> list[Swap]:
    rows = {path: row for row, path in enumerate(paths)}
    if is_two:
        first, second = pairs[0]
        a, b = safe_stems([first.name, second.name])
        return [
            Swap(rows[first], rows[second], f"{a}_in_style_of_{b}"),
            Swap(rows[second], rows[first], f"{b}_in_style_of_{a}"),
        ]
    swaps = []
    for number, (content, style) in enumerate(pairs):
        a, b = (safe_stems([path.name])[0] for path in (content, style))
        swaps.append(Swap(rows[content], rows[style], f"{number:06d}_{a}_in_style_of_{b}"))
    return swaps


def _is_cropped(images: Sequence[InputImage], fit: Fit) -> bool:
    return fit == "crop" and any(image.height != image.width for image in images)


def _check_out(out: Path, overwrite: bool) -> None:
    try:
        if out.exists() and not out.is_dir():
            raise OverwriteError(shown(out), "it is a file", "choose another --out")
        if out.exists() and not overwrite and any(True for _ in out.iterdir()):
            raise OverwriteError(
                shown(out), "the folder is not empty", "choose another --out, or --overwrite"
            )
    except OSError as error:
        raise InputError(shown(out), f"cannot be looked at ({error.strerror})") from error


@contextmanager
def _staged(out: Path, overwrite: bool) -> Iterator[Path]:
    """A hidden folder inside `out` whose files move into it at the end, all or none."""
    is_new = not out.exists()
    stage: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".swap-", dir=out))
        yield stage
        _check_foreign(out, stage, overwrite)
        for path in sorted(stage.iterdir()):
            os.replace(path, out / path.name)
        stage.rmdir()
    except BaseException as error:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                out.rmdir()  # only if nothing is in it
        if isinstance(error, OSError):
            raise InputError(
                shown(error.filename or out),
                f"cannot be written ({(error.strerror or str(error)).lower()})",
                "look at the free space and the permissions",
            ) from error
        raise


def _check_foreign(out: Path, stage: Path, overwrite: bool) -> None:
    """Whether, since the start, somebody else put something there."""
    others = [path for path in out.iterdir() if not path.name.startswith(".swap-")]
    if others and not overwrite:
        raise OverwriteError(shown(out), "the folder is not empty any more", "choose another --out")


def _write_swaps(
    stage: Path,
    swaps: Sequence[Swap],
    encoded: EncodedImages,
    inference: Inference,
    fit: Fit,
    options: SwapOptions,
    reporter: Reporter,
) -> tuple[list[str], list[str], list[np.ndarray]]:
    """Writes the images; returns their names, those of sidecars and, for two inputs, pixels at the model's size."""
    names: list[str] = []
    sidecars: list[str] = []
    kept: list[np.ndarray] = []
    size = inference.micro_batch
    with reporter.task("swapping", len(swaps), "images") as task:
        for start in range(0, len(swaps), size):
            batch = swaps[start : start + size]
            pixels = inference.generate(
                encoded.codes.content[[swap.content for swap in batch]],
                encoded.codes.style[[swap.style for swap in batch]],
            )
            for swap, made in zip(batch, pixels, strict=True):
                if options.pairs is None:
                    kept.append(made)
                content, style = encoded.images[swap.content], encoded.images[swap.style]
                files = _files_of(made, content, style, inference, fit, options)
                for suffix, data in files.items():
                    (stage / (swap.stem + suffix)).write_bytes(data)
                first, *beside = (swap.stem + suffix for suffix in files)
                names.append(first)
                sidecars += beside
            task.advance(len(batch))
    return names, sidecars, kept


def _files_of(
    made: np.ndarray,
    content: InputImage,
    style: InputImage,
    inference: Inference,
    fit: Fit,
    options: SwapOptions,
) -> dict[str, bytes]:
    """Suffix to bytes of the files of one image: of the content image's kind, where the content image lies."""
    geometry, spacing_mm = content.geometry, content.spacing_mm
    if options.size == "input":
        made = scale_back(made, content.height, content.width, fit)
    else:
        size = inference.header.architecture.image_size
        geometry, spacing_mm = fitted_geometry(content, size, fit), fitted_spacing(content, size, fit)
    kind = options.format or _kind_for(content, made)
    deciding = {
        "weights_sha256": inference.model.sha256,
        "made_by": "swap-style",
        "content_sha256": content.sha256,
        "style_sha256": style.sha256,
        "shape": made.shape,
        "precision": options.precision,
    }
    files = image_bytes(
        kind,
        Stored.of_levels(made, model_intensity(inference.header)),
        About(_marks(inference), deciding),
        geometry=geometry,
        spacing_mm=spacing_mm,
        compression=options.compression if kind == "dicom" else "none",
        level=6,
    )
    suffixes = IMAGE_SUFFIXES[kind]
    if kind == "tiff" and content.suffix in _TIFF_SUFFIXES:
        suffixes = (content.suffix,)
    return dict(zip(suffixes, files, strict=True))


def _kind_for(content: InputImage, made: np.ndarray) -> str:
    """The kind that keeps the input's: PNG for JPEG, GIF and BMP, which have no place for marks or lose."""
    if content.kind in ("dicom", "nifti"):
        return content.kind
    return "tiff" if content.kind == "tiff" and is_storable(made) else "png"


def _marks(inference: Inference) -> dict[str, str]:
    """What every image says of itself; not the inputs' names, which may name people."""
    return synthetic_marks(inference.model.sha256, made_by="swap-style")


def _write_figure(
    stage: Path,
    swaps: Sequence[Swap],
    encoded: EncodedImages,
    made: Sequence[np.ndarray],
    inference: Inference,
) -> None:
    a, b = encoded.images[swaps[0].content], encoded.images[swaps[0].style]
    panels = [
        (f"a: {a.name}", a.pixels),
        (f"b: {b.name}", b.pixels),
        ("a's content, b's style (synthetic)", made[0]),
        ("b's content, a's style (synthetic)", made[1]),
    ]
    (stage / FIGURE).write_bytes(encode_png(draw_figure(panels), _marks(inference), level=6))


def _write_metadata(stage: Path, swaps: Sequence[Swap], encoded: EncodedImages, names: Sequence[str]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file_name", "content", "style"])
    for swap, name in zip(swaps, names, strict=True):
        table.writerow([name, encoded.images[swap.content].name, encoded.images[swap.style].name])
    (stage / "metadata.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
