"""`drai encode`: images to content and style codes in an `.npz`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.data.tree import walk
from drai_cli.errors import InputError, UsageError
from drai_cli.inference.input_images import encode_files
from drai_cli.inference.torch_model import Inference, check_use
from drai_cli.io.files import atomic_writer
from drai_cli.model_file.header import model_fit
from drai_cli.output.folder import check_file, check_folder, make_parent
from drai_cli.output.real_masks import require_masks, write_real_masks
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.image_options import EncodeOptions
from drai_cli.settings.typed import check_ranges


@dataclass(frozen=True)
class EncodeResult:
    """What an `encode` command did.

    Attributes:
        out: The `.npz`.
        images: Images encoded.
        skipped: Name and reason of each file that was skipped.
        content_dim: Entries of a content code; 0 for a model that infers none.
        style_dim: Entries of a style code.
        device: Where the codes were computed.
        weights_sha256: Of the model file.
        version: Of drai.
        masks: Mask files written.
    """

    out: Path
    images: int
    skipped: tuple[tuple[str, str], ...]
    content_dim: int
    style_dim: int
    device: str
    weights_sha256: str
    version: str = __version__
    masks: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


def encode(options: EncodeOptions, reporter: Reporter = SILENT) -> EncodeResult:
    """Writes `file_name`, `content`, `style` (posterior means), their log-variances, and the provenance.

    A model that infers no content writes no arrays of it. `file_name` has no folders, or is relative to a folder given.

    Raises:
        UsageError: No image is given, or OUT is no `.npz`.
        InputError: An image cannot be read, a folder has none, or OUT cannot be written.
        WeightsError, NetworkError: A model that cannot be found or used, or has no encoder.
        OverwriteError: OUT exists.
    """
    check_encode(options, reporter)
    names, paths, has_folder = _list_images(options.images, reporter)
    inference = Inference.open(options.weights, options.device, options.precision, reporter)
    if options.masks is not None:
        require_masks(inference.header)
        inference.model.require_content("use a model that was trained with --method drai")
    fit = options.fit or model_fit(inference.header)
    encoded = encode_files(
        inference, paths, fit,
        may_skip=has_folder, frame=options.frame, window=options.window, reporter=reporter,
    )  # fmt: skip
    by_path = dict(zip(paths, names, strict=True))
    make_parent(options.out)
    codes = encoded.codes
    arrays: dict[str, Any] = {
        "content": codes.content,
        "style": codes.style,
        "content_log_variance": codes.content_log_variance,
        "style_log_variance": codes.style_log_variance,
    }
    with atomic_writer(options.out) as file:
        np.savez(
            file,
            file_name=np.array([by_path[path] for path in encoded.paths]),
            **{name: array for name, array in arrays.items() if array is not None},
            weights_sha256=np.array(inference.model.sha256),
            version=np.array(__version__),
        )
    masks = 0
    if options.masks is not None:
        own = [by_path[path] for path in encoded.paths]
        masks = write_real_masks(options.masks, encoded, own, inference, fit, reporter)
    return EncodeResult(
        out=options.out,
        images=len(encoded.images),
        skipped=encoded.skipped,
        content_dim=0 if codes.content is None else codes.content.shape[1],
        style_dim=codes.style.shape[1],
        device=str(inference.device),
        weights_sha256=inference.model.sha256,
        masks=masks,
    )


def check_encode(options: EncodeOptions, reporter: Reporter = SILENT) -> None:
    """Checks the options and OUT as `encode` does before its work; raises what it raises."""
    check_ranges(options)
    if not options.images:
        raise UsageError("IMG", "expected images, got none", "drai encode a.png b.png --out codes.npz")
    if options.out.suffix != ".npz":
        raise UsageError(
            f"--out {options.out}", "expected a name that ends in .npz", f"--out {options.out}.npz"
        )
    check_file(options.out, options.overwrite)
    if options.masks is not None:
        check_folder(options.masks, options.overwrite)
    check_use(options.weights, options.device, options.images, reporter)


def _list_images(images: Sequence[Path], reporter: Reporter) -> tuple[list[str], list[Path], bool]:
    """Names and paths of the images, those in folders too, and whether there was a folder."""
    names: list[str] = []
    paths: list[Path] = []
    has_folder = False
    for given in images:
        if not given.is_dir():
            names.append(given.name)  # without its folder: users of the codes need not know it
            paths.append(given)
            continue
        has_folder = True
        tree = walk(given)
        for name, reason in tree.skipped:
            reporter.warn(f"{name}: skipped, {reason}")
        inside = sorted(tree.names)
        if not inside:
            raise InputError(given, "expected images, got a folder without any", "give image files")
        names += inside
        paths += [given / name for name in inside]
    return names, paths, has_folder
