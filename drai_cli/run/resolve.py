"""The options of a training, completed with what depends on its data, and checked against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError, UsageError
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import SILENT, Reporter
from drai_cli.run.model_header import known_set
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.methods import objective_of
from drai_cli.settings.model_options import TrainRun


def resolve_options(
    run: TrainRun, data: PreparedSet, init: ModelConfig | None, reporter: Reporter = SILENT
) -> TrainOptions:
    """The options, completed with what depends on the data: channels, symmetry, and the architecture `init`."""
    options = run.training
    channels = int(data.images.shape[3])
    model = replace(
        options.model, image_size=run.data.size, image_channels=channels, mask_channels=len(data.mask_names)
    )
    if init is not None:
        wanted, model = model, init
        check_init(run, model, channels)
        if wanted != model:
            reporter.warn(f"the networks have the shape of {run.init}: {_differences(wanted, model)}")
    check_batch(run, options, len(data.rows("train")))
    symmetry = options.symmetry or known_set(data).symmetry
    if options.symmetry is None and symmetry == "none":
        reporter.info(
            "images are neither flipped nor rotated; if that keeps them plausible, add --symmetry flip or dihedral"
        )
    objective = objective_of(options.method, options.objective)
    return replace(options, model=model, symmetry=symmetry, objective=objective)


def check_init(run: TrainRun, model: ModelConfig, channels: int) -> None:
    """Checks that the model of `--init` makes images as the data has them; raises UsageError."""
    if (model.image_size, model.image_channels) != (run.data.size, channels):
        raise UsageError(
            f"--init {run.init}",
            f"the model makes images of {model.image_size} px with {model.image_channels} channels, "
            f"the data is {run.data.size} px with {channels}",
            f"add --size {model.image_size} --channels {model.image_channels}",
        )


def check_init_masks(run: TrainRun, header: ModelHeader | None, names: Sequence[str]) -> None:
    """Checks that the model of `--init`, if there is one, makes the masks that the data has; raises UsageError."""
    if header is not None and header.mask_names != tuple(names):
        theirs, own = (", ".join(one) or "none" for one in (header.mask_names, names))
        raise UsageError(
            f"--init {run.init}",
            f"the model makes the masks {theirs}, the data has {own}",
            "give --masks and --mask-names as for that model, or leave out --init",
        )


def check_batch(run: TrainRun, options: TrainOptions, images: int) -> None:
    """Checks that there are training images for one batch; raises InputError."""
    if images < options.batch_size:
        raise InputError(
            run.data.path,
            f"expected at least as many training images as a batch holds ({options.batch_size}), got {images}",
            f"add --batch-size {max(4, images // 2)}, or use more images",
        )


def _differences(wanted: ModelConfig, taken: ModelConfig) -> str:
    """The options that a warm start overrides, as `name taken (not wanted)`."""
    mine, theirs = wanted.to_json(), taken.to_json()
    return ", ".join(
        f"{name} {theirs[name]} (not {mine[name]})" for name in mine if mine[name] != theirs[name]
    )
