"""`drai swap-style`: the content of one image in the style of another, for two images or a table of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import InputError, UsageError
from drai_cli.hub.locate import locate_weights
from drai_cli.inference.changed_labels import Contents, LabelChange, change_contents
from drai_cli.inference.given_content import check_labels, contents_of_labels
from drai_cli.inference.input_images import EncodedImages, InputImage, encode_files
from drai_cli.inference.torch_model import Inference, check_use
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.image import Fit, cropped_share
from drai_cli.model_file.header import model_fit
from drai_cli.output.derived_images import DerivedImages
from drai_cli.output.folder import check_folder, open_stage
from drai_cli.output.mask_file import mask_columns
from drai_cli.output.names import safe_stems
from drai_cli.output.swap_figure import FIGURE, write_figure
from drai_cli.output.swaps import Swap, find_members_of_series
from drai_cli.progress import SILENT, Reporter
from drai_cli.run.own_judge import find_own_judge
from drai_cli.sampling.rendering import check_compression
from drai_cli.settings.image_options import SwapOptions
from drai_cli.settings.typed import check_ranges
from drai_cli.tables.table import read_table

_MOST_SHOWN = 12
Pairs = list[tuple[Path, Path]]
"""Content and style of each image to make."""


@dataclass(frozen=True)
class SwapResult:
    """What a `swap-style` command did.

    Attributes:
        out: The folder.
        images: File names of the images in it.
        sidecars: File names of the sidecars of NIfTI images.
        figure: File name of the figure; empty with pairs.
        metadata: File name of the table; empty for two images.
        labels: By file name, the label that the content had and the one that it got; empty without `--to-label` and
            `--without`.
        device: Where the images were computed.
        weights_sha256: Of the model file.
        version: Of drai.
        masks: File names of the images' masks, if the model makes any.
    """

    out: Path
    images: tuple[str, ...]
    sidecars: tuple[str, ...]
    figure: str
    metadata: str
    labels: Mapping[str, tuple[str, str]]
    device: str
    weights_sha256: str
    version: str = __version__
    masks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


def swap_style(options: SwapOptions, reporter: Reporter = SILENT) -> SwapResult:
    """Swaps the styles of two images both ways, or makes one image for each row of a table.

    All inputs are read before any file is written.

    Raises:
        UsageError: Neither or both of two images and a table are given, or a label is missing or not needed.
        InputError: An image or the table cannot be used, or OUT cannot be written.
        WeightsError, NetworkError: A model that cannot be found or used, or has no encoder.
        OverwriteError: OUT is not empty.
    """
    out, pairs, labels = check_swap(options, reporter)
    inference = Inference.open(options.weights, options.device, options.precision, reporter)
    inference.model.require_encoder()
    is_two = options.pairs is None
    if not is_two and inference.model.infers_content:
        labels = dict.fromkeys(labels)  # a table may be used with models of both kinds
    check_labels(
        inference, labels, "--label-a {0} --label-b {1}" if is_two else "a column content_label in the table"
    )
    change = LabelChange.parse(inference.header.schema.label, options.to_label, options.without)
    fit = options.fit or model_fit(inference.header)
    paths = list(dict.fromkeys(path for pair in pairs for path in pair))
    encoded = encode_files(
        inference, paths, fit,
        keep_pixels=is_two, frame=options.frame, window=options.window, reporter=reporter,
    )  # fmt: skip
    if options.size == "input":
        reporter.warn(
            f"scaled from {inference.header.architecture.image_size} px to the inputs' sizes: no detail is added"
            + (", and cropped parts are black" if _is_cropped(encoded.images, fit) else "")
        )
    swaps = _plan_swaps(pairs, paths, list(labels.values()), is_two)
    contents = _choose_contents(swaps, encoded, inference)
    if change is not None:
        changed, swaps = _change_labels(swaps, contents, encoded, inference, change, reporter)
    derived = DerivedImages(inference, "swap-style", fit, options.format, options.size, options.compression)
    with open_stage(out, options.overwrite, "drai swap-style") as stage:
        given = contents if change is None else changed
        names, sidecars, masks, made = _write_swaps(stage, swaps, given, encoded, derived, options, reporter)
        if is_two:
            weights = locate_weights(options.weights)
            judge = find_own_judge(weights, inference.header, inference.device, reporter)
            write_figure(stage, swaps, contents, encoded, made, derived, judge)
        else:
            _write_metadata(stage, swaps, encoded, names, masks, inference.header.mask_names)
    return SwapResult(
        out=out,
        images=tuple(names),
        sidecars=tuple(sidecars),
        masks=tuple(name for one in masks for name in one),
        figure=FIGURE if is_two else "",
        metadata="" if is_two else "metadata.csv",
        labels={
            name: (swap.label_before, swap.label_after)
            for name, swap in zip(names, swaps, strict=True)
            if swap.change
        },
        device=str(inference.device),
        weights_sha256=inference.model.sha256,
    )


def check_swap(
    options: SwapOptions, reporter: Reporter = SILENT
) -> tuple[Path, Pairs, dict[str, str | None]]:
    """Checks options, table and OUT as `swap_style` does before it opens the model; raises what it raises.

    Returns:
        OUT, named after the inputs where no option names it; content and style of each image to make; and the content
        labels by the place that gives them.
    """
    check_ranges(options)
    if options.compression != "none" and options.format is not None:
        check_compression(options.format, options.compression)
    pairs, labels = _read_pairs(options)
    out = options.out or Path(_name_output(options))
    check_folder(out, options.overwrite)
    check_use(
        options.weights, options.device, dict.fromkeys(path for pair in pairs for path in pair), reporter
    )
    return out, pairs, labels


def _read_pairs(options: SwapOptions) -> tuple[Pairs, dict[str, str | None]]:
    """Content and style image of each image to make, and the content labels by the place that gives them."""
    if options.pairs is None:
        if options.content is None or options.style is None:
            raise UsageError("swap-style", "expected two images or --pairs", "drai swap-style a.png b.png")
        labels = {"--label-a": options.label_a, "--label-b": options.label_b}
        return [(options.content, options.style), (options.style, options.content)], labels
    if options.content is not None or options.style is not None:
        raise UsageError("--pairs", "contradicts two images", "give one of them")
    if options.label_a is not None or options.label_b is not None:
        raise UsageError("--pairs", "contradicts labels of two images", "a column content_label in the table")
    table = read_table(options.pairs)
    absent = [name for name in ("content", "style") if name not in table.columns]
    if absent:
        raise InputError(options.pairs, f"expected a column {absent[0]!r}, got none", "content,style")
    pairs = []
    labels = {}
    found: dict[str, Path] = {}  # a table of a million pairs names few files
    for number, row in enumerate(table.rows, 1):
        labels[f"{options.pairs}, row {number}, content_label"] = row.get("content_label") or None
        for name in ("content", "style"):
            if row[name] not in found:
                found[row[name]] = _resolve_path(options.pairs, number, name, row[name])
        pairs.append((found[row["content"]], found[row["style"]]))
    return pairs, labels


def _resolve_path(table: Path, number: int, column: str, value: str) -> Path:
    """The path that a cell of the table names, relative to the table's folder or to the working folder."""
    path = next((path for path in (table.parent / value, Path(value)) if value and path.exists()), None)
    if path is None:
        message = f"no such file: {value}" if value else "expected a file name, got none"
        raise InputError(
            f"{table}, row {number}, {column}", message, "paths are relative to the table's folder"
        )
    return path


def _name_output(options: SwapOptions) -> str:
    if options.pairs is not None:
        return f"swap_{safe_stems([options.pairs.name])[0]}"
    assert options.content is not None
    assert options.style is not None
    a, b = (safe_stems([path.name])[0] for path in (options.content, options.style))
    return f"swap_{a}_{b}"


def _plan_swaps(
    pairs: Sequence[tuple[Path, Path]], paths: Sequence[Path], labels: Sequence[str | None], is_two: bool
) -> list[Swap]:
    rows = {path: row for row, path in enumerate(paths)}
    if is_two:
        first, second = pairs[0]
        a, b = safe_stems([first.name, second.name])
        return [
            Swap(rows[first], rows[second], f"{a}_in_style_of_{b}", labels[0]),
            Swap(rows[second], rows[first], f"{b}_in_style_of_{a}", labels[1]),
        ]
    swaps = []
    for number, ((content, style), label) in enumerate(zip(pairs, labels, strict=True)):
        a, b = (safe_stems([path.name])[0] for path in (content, style))
        swaps.append(Swap(rows[content], rows[style], f"{number:06d}_{a}_in_style_of_{b}", label))
    return swaps


def _is_cropped(images: Sequence[InputImage], fit: Fit) -> bool:
    return fit == "crop" and any(
        cropped_share(image.height, image.width, image.aspect) > 1e-6 for image in images
    )


def _write_swaps(
    stage: Path,
    swaps: Sequence[Swap],
    contents: Contents,
    encoded: EncodedImages,
    derived: DerivedImages,
    options: SwapOptions,
    reporter: Reporter,
) -> tuple[list[str], list[str], list[list[str]], list[np.ndarray]]:
    """Writes the images and their masks; for two inputs it also returns the levels at the model's size, with masks.

    Returns:
        Names of the images, of the sidecars, and of each image's masks; and the levels.
    """
    names: list[str] = []
    sidecars: list[str] = []
    masks: list[list[str]] = []
    kept: list[np.ndarray] = []
    inference = derived.inference
    size = inference.micro_batch * inference.at_once
    intensities = inference.header.architecture.image_channels
    members = find_members_of_series(swaps, encoded, derived)
    with reporter.task("swapping", len(swaps), "images") as task:
        for start in range(0, len(swaps), size):
            batch = swaps[start : start + size]
            styles = encoded.codes.style[[swap.style for swap in batch]]
            pixels = inference.generate(contents[start : start + size], styles, with_masks=True)
            for swap, made in zip(batch, pixels, strict=True):
                if options.pairs is None:
                    kept.append(made)
                content, style = encoded.images[swap.content], encoded.images[swap.style]
                deciding = {"content_sha256": content.sha256, "style_sha256": style.sha256}
                if swap.label is not None:
                    deciding["content_label"] = inference.header.schema.label.resolve(swap.label)
                if swap.change:
                    deciding["change"] = swap.change
                marks = {"label": swap.label_after} if swap.change else {}
                member = members.get(swap.stem)
                image = np.ascontiguousarray(made[..., :intensities])
                name, *others = derived.write(stage, swap.stem, image, content, deciding, 1, member, **marks)
                names.append(name)
                sidecars += others
                masks.append(derived.write_masks(stage, swap.stem, made, content, deciding, **marks))
            task.advance(len(batch))
    return names, sidecars, masks, kept


def _choose_contents(swaps: Sequence[Swap], encoded: EncodedImages, inference: Inference) -> Contents:
    """Content codes: inferred, or those of the labels for a model that infers none."""
    if encoded.codes.content is None:
        return contents_of_labels(inference, [str(swap.label) for swap in swaps])
    return encoded.codes.content[[swap.content for swap in swaps]]


def _change_labels(
    swaps: Sequence[Swap],
    contents: Contents,
    encoded: EncodedImages,
    inference: Inference,
    change: LabelChange,
    reporter: Reporter,
) -> tuple[Contents, list[Swap]]:
    """The contents with their labels changed, and the swaps with what became of their labels; says what did."""
    if encoded.codes.content is None:
        before = [change.label.resolve(str(swap.label)) for swap in swaps]
        after = [change.of(label) for label in before]
        changed = contents_of_labels(inference, after)
    else:
        changed, before, after = change_contents(inference, contents, change)
    reporter.info(
        f"labels are changed ({change.text}): "
        + ", ".join(
            f"{number} × {old!r} to {new!r}" if old != new else f"{number} × {old!r} stays"
            for (old, new), number in Counter(zip(before, after, strict=True)).most_common(_MOST_SHOWN)
        )
    )
    return changed, [
        replace(swap, change=change.text, label_before=old, label_after=new)
        for swap, old, new in zip(swaps, before, after, strict=True)
    ]


def _write_metadata(
    stage: Path,
    swaps: Sequence[Swap],
    encoded: EncodedImages,
    names: Sequence[str],
    masks: Sequence[Sequence[str]],
    mask_names: Sequence[str],
) -> None:
    is_changed = any(swap.change for swap in swaps)
    of_masks = mask_columns(mask_names) if mask_names else []
    of_labels = ["content_label", "label"] if is_changed else []
    rows = [["file_name", *of_masks, "content", "style", *of_labels]]
    for swap, name, own in zip(swaps, names, masks, strict=True):
        labels = [swap.label_before, swap.label_after] if is_changed else []
        inputs = encoded.images[swap.content].name, encoded.images[swap.style].name
        rows.append([name, *own, *inputs, *labels])
    (stage / "metadata.csv").write_bytes(encode_csv(rows))
