"""`drai interpolate`: walks between two images or two labels, and grids of contents and styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import UsageError
from drai_cli.inference.input_images import EncodedImages, InputImage, encode_files
from drai_cli.inference.noise import draw_noise
from drai_cli.inference.torch_model import Inference, check_use
from drai_cli.inference.walk import Frames, Walk, make_frames, measure_distances
from drai_cli.io.files import atomic_writer
from drai_cli.io.image import Fit
from drai_cli.metrics.perceptual import unevenness
from drai_cli.model_file.header import model_fit
from drai_cli.output.derived_images import DerivedImages
from drai_cli.output.folder import check_file, check_folder, make_parent, open_stage
from drai_cli.output.names import safe_stems
from drai_cli.output.real_masks import say_images_alone
from drai_cli.output.walk_pictures import MOVING, Picture, animate, draw_grid, draw_strip, write_folder
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.rendering import check_compression
from drai_cli.settings.image_options import InterpolateOptions
from drai_cli.settings.typed import check_ranges

_FILES = (".png", *MOVING)
_STEPS = 8
_STEPS_MOVING = 30


@dataclass(frozen=True)
class InterpolateResult:
    """What an `interpolate` command did.

    Attributes:
        out: The file or folder.
        images: File names in the folder; empty if OUT is one file.
        positions: Of each frame, from 0 to 1; empty for a grid.
        distances: Perceptual distance of each frame to the next, by the model's own encoder.
        unevenness: Their standard deviation over their mean; None without distances.
        device: Where the images were computed.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    out: Path
    images: tuple[str, ...]
    positions: tuple[float, ...]
    distances: tuple[float, ...]
    unevenness: float | None
    device: str
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


def interpolate(options: InterpolateOptions, reporter: Reporter = SILENT) -> InterpolateResult:
    """Makes a walk or a grid; all inputs are read before any file is written.

    Raises:
        UsageError: Options that contradict each other or the model.
        InputError: An image cannot be used, or OUT cannot be written.
        WeightsError, NetworkError: A model that cannot be found or used, or has no encoder.
        OverwriteError: OUT exists already.
    """
    out = check_interpolate(options, reporter)
    inference = Inference.open(options.weights, options.device, options.precision, reporter)
    if out.suffix.lower() in _FILES:
        what = "an animation" if out.suffix.lower() in MOVING else "one picture"
        say_images_alone(inference.header, what, "--out FOLDER writes both", reporter)
    if options.images:
        inference.model.require_content("walk between labels: --from-label A --to-label B --style-from IMG")
    fit = options.fit or model_fit(inference.header)
    encoded = _encode(options, inference, fit, reporter)
    frames, distances = None, None
    if options.grid:
        assert encoded is not None
        pictures = _make_grid(options, inference, encoded)
    else:
        walk, decided_by = _make_walk(options, inference, encoded)
        steps = options.steps or (_STEPS_MOVING if out.suffix.lower() in MOVING else _STEPS)
        frames = make_frames(inference, walk, steps, options.even, reporter)
        distances = measure_distances(inference, walk, frames.positions)
        pictures = _make_frame_pictures(options, encoded, frames, decided_by)
    derived = DerivedImages(inference, "interpolate", fit, options.format, "model", options.compression)
    names = _write(out, pictures, encoded, derived, options)
    return InterpolateResult(
        out=out,
        images=tuple(names),
        positions=() if frames is None else tuple(frames.positions.tolist()),
        distances=() if distances is None else tuple(distances.tolist()),
        unevenness=None if distances is None else unevenness(distances),
        device=str(inference.device),
        weights_sha256=inference.model.sha256,
    )


def check_interpolate(options: InterpolateOptions, reporter: Reporter = SILENT) -> Path:
    """Checks the options and OUT as `interpolate` does before its work; raises what it raises, returns OUT."""
    check_ranges(options)
    _check(options)
    out = options.out or Path(_name_output(options))
    _check_out(out, options)
    styles = options.style if options.style_from is None else (options.style_from,)
    check_use(options.weights, options.device, [*options.images, *styles], reporter)
    return out


def _check(options: InterpolateOptions) -> None:
    """Checks that the options say, once, what to make."""
    labels = [label for label in (options.from_label, options.to_label) if label is not None]
    example = "drai interpolate a.png b.png"
    if options.grid:
        if labels:
            raise UsageError("--grid", "contradicts interpolation between labels", "give one of them")
        if not options.images:
            raise UsageError("--grid", "expected images, got none", "drai interpolate --grid a.png b.png")
        if options.style_from is not None:
            raise UsageError("--style-from", "is for interpolation between labels", "--style IMG in a grid")
    else:
        if options.style:
            raise UsageError(
                "--style", "is for a grid", "--grid, or --style-from for interpolation between labels"
            )
        if len(labels) == 1:
            raise UsageError("interpolate", "expected both labels, got one", "--from-label nv --to-label mel")
        if labels and options.images:
            raise UsageError(
                "interpolate", "expected two images or two labels, got both", "give two of one kind"
            )
        if not labels and len(options.images) != 2:
            got = len(options.images)
            raise UsageError("interpolate", f"expected two images or two labels, got {got} images", example)
        if not labels and options.style_from is not None:
            raise UsageError(
                "--style-from", "is for interpolation between labels", "--along content keeps a's style"
            )
        if labels and options.along != "both":
            raise UsageError(
                f"--along {options.along}", "only content changes between labels", "leave it out"
            )
    if options.compression != "none" and options.format is not None:
        check_compression(options.format, options.compression)


def _name_output(options: InterpolateOptions) -> str:
    if options.from_label is not None and options.to_label is not None:
        names = [options.from_label, options.to_label]
    else:
        names = [path.name for path in options.images[:2]]
    stems = safe_stems(names)
    return "_".join([("grid" if options.grid else "walk"), *stems]) + ".png"


def _check_out(out: Path, options: InterpolateOptions) -> None:
    suffix = out.suffix.lower()
    if suffix not in _FILES:
        if suffix and not out.is_dir() and suffix[1:].isalpha():
            raise UsageError(
                f"--out {out}", f"expected one of {', '.join(_FILES)}, or a folder", "--out walk.gif"
            )
        check_folder(out, options.overwrite)
        return
    if options.format is not None:
        raise UsageError(f"--format {options.format}", "is for frames in a folder", "--out FOLDER")
    if suffix in MOVING and options.grid:
        raise UsageError(f"--out {out}", "a grid cannot be an animation", "--out grid.png, or a folder")
    check_file(out, options.overwrite)


def _encode(
    options: InterpolateOptions, inference: Inference, fit: Fit, reporter: Reporter
) -> EncodedImages | None:
    """Encodes all images given, each once; None if there is none."""
    styles = [options.style_from] if options.style_from is not None else list(options.style)
    paths = list(dict.fromkeys([*options.images, *styles]))
    if not paths:
        return None
    return encode_files(
        inference, paths, fit,
        keep_pixels=options.grid, frame=options.frame, window=options.window, reporter=reporter,
    )  # fmt: skip


def _make_walk(
    options: InterpolateOptions, inference: Inference, encoded: EncodedImages | None
) -> tuple[Walk, dict[str, Any]]:
    """The walk, and what decides it."""
    if options.from_label is None or options.to_label is None:
        assert encoded is not None
        assert encoded.codes.content is not None
        ends = [encoded.paths.index(path) for path in options.images]
        walk = Walk.along(options.along, encoded.codes.content[ends], encoded.codes.style[ends])
        hashes = [encoded.images[end].sha256 for end in ends]
        return walk, {"from_sha256": hashes[0], "to_sha256": hashes[1], "along": options.along}
    schema = inference.header.schema
    conditions = [
        {schema.label.name: schema.label.resolve(label)} for label in (options.from_label, options.to_label)
    ]
    shape = inference.header.architecture
    # One draw for both labels: the ends differ in the label alone.
    noise, style = draw_noise(options.seed, conditions[0], [0], shape.content_dim, shape.style_dim)
    content = inference.draw_content(schema.encode(conditions), noise[[0, 0]])
    labels = [condition[schema.label.name] for condition in conditions]
    decided_by = {"from_label": labels[0], "to_label": labels[1], "seed": options.seed}
    if encoded is not None:
        style = encoded.codes.style
        decided_by["style_sha256"] = encoded.images[0].sha256
    return Walk.along("content", content, style[[0, 0]]), decided_by


def _make_frame_pictures(
    options: InterpolateOptions,
    encoded: EncodedImages | None,
    frames: Frames,
    decided_by: Mapping[str, Any],
) -> list[Picture]:
    source: InputImage | None = None
    along: str = options.along
    if options.from_label is None:
        assert encoded is not None
        ends = [encoded.images[encoded.paths.index(path)] for path in options.images]
        source = ends[0]
        names, captions = [end.name for end in ends], _caption_ends(along)
    else:
        source, along = (None if encoded is None else encoded.images[0]), "label"
        names = captions = [str(decided_by["from_label"]), str(decided_by["to_label"])]
    pictures = []
    for index, (pixels, levels, position) in enumerate(
        zip(frames.images, frames.levels, frames.positions.tolist(), strict=True)
    ):
        marks = {"position": f"{position:.6g}", "along": along}
        pictures.append(
            Picture(
                pixels,
                levels,
                f"frame_{index:06d}",
                {0: captions[0], len(frames.images) - 1: captions[1]}.get(index, f"{position:.2f}"),
                source,
                {**marks, "from": names[0], "to": names[1]},
                marks,
                {**decided_by, "position": position},
            )
        )
    return pictures


def _caption_ends(along: str) -> list[str]:
    """Without the inputs' names, which may name people: a walk shows nothing but synthetic images."""
    ends = {
        "both": "b, reconstructed",
        "style": "content of a, style of b",
        "content": "content of b, style of a",
    }
    return ["a, reconstructed", ends[along]]


def _make_grid(options: InterpolateOptions, inference: Inference, encoded: EncodedImages) -> list[Picture]:
    """All pairs, row by row: a style per row, a content per column."""
    contents = [encoded.paths.index(path) for path in options.images]
    styles = [encoded.paths.index(path) for path in options.style or options.images]
    pairs = [(content, style) for style in styles for content in contents]
    assert encoded.codes.content is not None
    images = inference.generate(
        encoded.codes.content[[content for content, _ in pairs]],
        encoded.codes.style[[style for _, style in pairs]],
        with_masks=True,
    )
    count = inference.header.architecture.image_channels
    pictures = []
    for index, (levels, (content, style)) in enumerate(zip(images, pairs, strict=True)):
        pixels = np.ascontiguousarray(levels[..., :count])
        a, b = encoded.images[content], encoded.images[style]
        row, column = divmod(index, len(contents))
        pictures.append(
            Picture(
                pixels,
                levels,
                f"style_{row:03d}_content_{column:03d}",
                "",
                a,
                {"content": a.name, "style": b.name},
                {},
                {"content_sha256": a.sha256, "style_sha256": b.sha256},
            )
        )
    return pictures


def _write(
    out: Path,
    pictures: Sequence[Picture],
    encoded: EncodedImages | None,
    derived: DerivedImages,
    options: InterpolateOptions,
) -> list[str]:
    """Writes one file or a folder; returns the names of the images in the folder."""
    suffix = out.suffix.lower()
    if suffix not in _FILES:
        with open_stage(out, options.overwrite, "drai interpolate") as stage:
            return write_folder(stage, pictures, derived)
    if suffix in MOVING:
        data = animate(pictures, suffix, options.fps, derived)
    elif options.grid:
        assert encoded is not None
        contents, styles = (
            [encoded.images[encoded.paths.index(path)] for path in paths]
            for paths in (options.images, options.style or options.images)
        )
        data = draw_grid(pictures, contents, styles, derived)
    else:
        data = draw_strip(pictures, derived)
    make_parent(out)
    with atomic_writer(out) as file:
        file.write(data)
    return []
