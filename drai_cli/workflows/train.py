"""`drai train`: from a data set to a run directory. Running it again on the same directory goes on with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drai_cli import __version__
from drai_cli.data.image_set import class_counts
from drai_cli.data.name_groups import warn_of_likely_groups
from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.prepared import PreparedSet, check_classes, find_set, prepare
from drai_cli.data.split import write_split
from drai_cli.errors import InputError, UsageError
from drai_cli.evaluation.doubt import doubt_in_training
from drai_cli.hub.locate import locate_weights
from drai_cli.inference.torch_model import choose_device
from drai_cli.io.locks import alone_in
from drai_cli.machine.launch import launched
from drai_cli.model_file.checkpoint import LoadedModel, load_model, read_header
from drai_cli.progress import SILENT, Reporter
from drai_cli.run.device_choice import choice_of_old, choose, say_kept
from drai_cli.run.directory import RunDirectory
from drai_cli.run.model_header import known_set
from drai_cli.run.process_group import joined
from drai_cli.run.trainer import Trainer
from drai_cli.settings.config import Chosen, ModelConfig, TrainOptions, check_image_size
from drai_cli.settings.methods import objective_of
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.typed import check_ranges
from drai_cli.training.parallel import Processes


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        run: The run directory.
        images_seen: Real images shown in all.
        resumed_from: Images seen when this command began, 0 for a new run.
        is_finished: Whether the budget is used up; False after a signal.
        stopped_by: `kimg`, `hours`, `patience`, the signal (`SIGINT`, `SIGTERM`, `SIGHUP`), or `nothing to do`.
        best_images_seen: Of the snapshot in `model.safetensors`.
        measures: Validation measures of that snapshot, as `metrics.quick` names them.
        doubt: Why those that are read off the judge say nothing; empty where they do.
    """

    run: Path
    images_seen: int
    resumed_from: int
    is_finished: bool
    stopped_by: str
    best_images_seen: int
    measures: Mapping[str, float]
    doubt: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "run": str(self.run), "measures": dict(self.measures)}


def train(run: TrainRun, reporter: Reporter = SILENT) -> TrainResult:
    """Trains, or goes on with, the run in `run.out`; under a launcher, together with its other processes.

    What is returned speaks of the first process, which alone measures and writes.

    Raises:
        InputError: The data cannot be used, or the training diverges.
        UsageError: The directory holds a run with other settings.
        OverwriteError: The directory holds something else, or another process writes to it.
        WeightsError: `init` or the checkpoint cannot be used.
        LostProcessError: Another process is gone.
    """
    device = check_train(run)
    with joined(device, reporter) as processes, _alone(run, processes):
        return _train(run, device, processes, reporter)


def check_train(run: TrainRun) -> torch.device:
    """Checks the options, and the device, which it returns, for `train` and its preview; raises UsageError."""
    check_ranges(run)
    check_image_size(run.data.size)
    return choose_device(run.device)


@dataclass(frozen=True)
class TrainPreview:
    """What would be trained.

    Attributes:
        device: Where.
        is_resumed: Whether the run directory holds this run already.
        kind: Kind of data set found.
        classes: Images of each label, before any is decoded.
        run: As resolved.
    """

    device: str
    is_resumed: bool
    kind: str
    classes: Mapping[str, int]
    run: TrainRun


def preview_train(run: TrainRun, reporter: Reporter = SILENT) -> TrainPreview:
    """The plan of a train command, checked against the data set's files and the run directory.

    Raises:
        InputError: The data cannot be used.
        UsageError: Options that do not go with the data, or the directory holds a run with other settings.
        OverwriteError: The directory holds something else.
        WeightsError, NetworkError: `init` cannot be found.
    """
    device = check_train(run)
    directory = RunDirectory(run.out)
    directory.check(settings_of(run))
    if run.init is not None:
        model = read_header(locate_weights(run.init, reporter)).architecture
        _check_init(run, model, model.image_channels if run.data.channels == "auto" else run.data.channels)
    image_set = find_set(run.data, reporter)
    warn_of_number_labels(image_set, reporter)
    warn_of_likely_groups(image_set, reporter)
    check_classes(run.data.path, image_set.entries, image_set.label)
    _check_batch(run, run.training, len(image_set.entries))
    classes = class_counts(image_set.entries, image_set.label)
    return TrainPreview(str(device), directory.is_begun, image_set.kind, classes, run)


@contextmanager
def _alone(run: TrainRun, processes: Processes) -> Iterator[None]:
    """The run directory is this command's alone; of several processes the first holds it for all."""
    with alone_in(run.out, "drai train") if processes.is_first else nullcontext():
        yield


def _train(run: TrainRun, device: torch.device, processes: Processes, reporter: Reporter) -> TrainResult:
    """The work of one process; the first alone looks after the run directory."""
    count = f", {processes.size} processes" if processes.size > 1 else ""
    reporter.info(f"device: {device}{count}")
    if processes.size > run.training.batch_size:
        raise UsageError(
            f"--batch-size {run.training.batch_size}",
            f"all processes share a batch, and there are {processes.size}",
            "start fewer processes",
        )
    directory = RunDirectory(run.out)
    is_resumed = processes.is_first and directory.is_begun
    if processes.is_first:
        directory.check(settings_of(run))
        directory.remove_left_over()
    source = load_model(locate_weights(run.init)) if run.init else None
    data = _prepare_together(run, directory, processes, reporter)
    options = resolve_options(run, data, source, reporter)
    chosen = _settle(options, data, directory if is_resumed else None, device, processes, reporter)
    options = replace(options, **asdict(chosen))
    if processes.is_first:
        if not is_resumed:
            directory.begin(settings_of(run), chosen)
        directory.make_folders()
        if not directory.split.exists():
            write_split(directory.split, data.entries, data.parts.tolist())
        if not directory.seen.exists():
            directory.write_seen(data.digests[row] for row in np.flatnonzero(data.parts != "test"))
    trainer = Trainer(run, options, data, source, directory, device, reporter, processes)
    stopped_by = trainer.go_on()
    return TrainResult(
        run.out,
        trainer.state.images_seen,
        trainer.resumed_from,
        not stopped_by.startswith("SIG"),
        stopped_by,
        trainer.progress.best_images_seen,
        trainer.progress.best_measures,
        doubt_in_training(trainer.progress.best_measures),
    )


def _settle(
    options: TrainOptions,
    data: PreparedSet,
    begun: RunDirectory | None,
    device: torch.device,
    processes: Processes,
    reporter: Reporter,
) -> Chosen:
    """What the run takes from its device: what it began with, else what is fastest and fits here."""
    kept = None if begun is None else begun.read_chosen() or choice_of_old(options, device)
    # Those that are not the first cannot look into the run directory.
    found = processes.from_first(None if kept is None else asdict(kept))
    if found is None:
        return choose(options, data, device, processes, reporter)
    chosen = Chosen(**found)
    say_kept(chosen, options, device, reporter)
    return chosen


def _prepare_together(
    run: TrainRun, directory: RunDirectory, processes: Processes, reporter: Reporter
) -> PreparedSet:
    """The data; of the processes on a machine the first decodes, and the others take what it has cached.

    Raises:
        InputError: The processes do not have the same data.
    """
    decodes = launched().local_rank == 0
    if not decodes:
        processes.wait()
    training = run.training
    data = prepare(
        run.data, seed=training.seed if training.split_seed is None else training.split_seed,
        split_file=directory.split if directory.split.exists() else None, reporter=reporter,
    )  # fmt: skip
    if decodes:
        processes.wait()
    if processes.size == 1:
        return data
    content = ("\n".join(data.digests) + "\n".join(data.parts.tolist())).encode() + data.conditions.tobytes()
    own = hashlib.sha256(content).hexdigest()
    if processes.from_first(own) != own:
        raise InputError(
            run.data.path,
            f"process {processes.rank} has other images, conditions or parts than the first",
            "let all machines read the same data set, and one run directory",
        )
    return data


def settings_of(run: TrainRun) -> dict[str, Any]:
    """What `config.json` holds: everything that decides the result."""
    data = {**asdict(run.data), "path": str(run.data.path.resolve())}
    data["metadata"] = str(run.data.metadata.resolve()) if run.data.metadata else ""
    data.pop("cache_dir")
    data["conditions"] = list(run.data.conditions)
    training = run.training.to_json()
    return {
        "data": data, "training": training, "init": run.init, "licence": run.licence, "version": __version__,
    }  # fmt: skip


def resolve_options(
    run: TrainRun, data: PreparedSet, source: LoadedModel | None, reporter: Reporter = SILENT
) -> TrainOptions:
    """The options with what depends on the data filled in: channels, symmetry, and `init`'s architecture."""
    options = run.training
    channels = int(data.images.shape[3])
    model = replace(options.model, image_size=run.data.size, image_channels=channels)
    if source is not None:
        wanted, model = model, source.header.architecture
        _check_init(run, model, channels)
        if wanted != model:
            reporter.warn(f"the networks have the shape of {run.init}: {_differences(wanted, model)}")
    _check_batch(run, options, len(data.rows("train")))
    symmetry = options.symmetry or known_set(data).symmetry
    if options.symmetry is None and symmetry == "none":
        reporter.info(
            "images are not flipped or rotated; where that keeps them plausible, --symmetry makes more of them"
        )
    objective = objective_of(options.method, options.objective)
    return replace(options, model=model, symmetry=symmetry, objective=objective)


def _check_init(run: TrainRun, model: ModelConfig, channels: int) -> None:
    if (model.image_size, model.image_channels) != (run.data.size, channels):
        raise UsageError(
            f"--init {run.init}",
            f"the model makes images of {model.image_size} px with {model.image_channels} channels, "
            f"the data is {run.data.size} px with {channels}",
            f"add --size {model.image_size} --channels {model.image_channels}",
        )


def _check_batch(run: TrainRun, options: TrainOptions, images: int) -> None:
    if images < options.batch_size:
        raise InputError(
            run.data.path,
            f"expected at least as many training images as a batch holds ({options.batch_size}), got {images}",
            f"add --batch-size {max(4, images // 2)}, or use more images",
        )


def _differences(wanted: ModelConfig, taken: ModelConfig) -> str:
    """What a warm start overrides, as `name taken (not wanted)`."""
    mine, theirs = wanted.to_json(), taken.to_json()
    return ", ".join(
        f"{name} {theirs[name]} (not {mine[name]})" for name in mine if mine[name] != theirs[name]
    )
