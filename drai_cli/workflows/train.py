"""`drai train`: from a data set to a run directory. The same command again resumes the run."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drai_cli import __version__
from drai_cli.data.image_set import count_classes
from drai_cli.data.name_groups import warn_of_likely_groups
from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.prepared import PreparedSet, find_set_with_masks
from drai_cli.data.split import write_split
from drai_cli.data.split_plan import check_classes, check_parts, check_seen, choose_parts, measure_parts
from drai_cli.errors import UsageError
from drai_cli.evaluation.doubt import doubt_in_training
from drai_cli.hub.locate import locate_weights
from drai_cli.inference.torch_model import choose_device
from drai_cli.io.locks import hold_folder
from drai_cli.model_file.checkpoint import load_model, read_header
from drai_cli.output.names import check_label_names
from drai_cli.progress import SILENT, Reporter
from drai_cli.run.advice import suggest_init, warn_of_few_images
from drai_cli.run.data_settings import write_data_settings
from drai_cli.run.device_choice import choose, guess_choice, report_choice
from drai_cli.run.directory import RunDirectory
from drai_cli.run.events import import_writer
from drai_cli.run.feature_network import check_feature_network, prepare_feature_network
from drai_cli.run.process_group import join_processes
from drai_cli.run.progress_page import ProgressPage
from drai_cli.run.rehearsal import rehearse, sketch_set
from drai_cli.run.resolve import check_batch, check_init, check_init_masks, resolve_options
from drai_cli.run.run_data import prepare_together
from drai_cli.run.trainer import Trainer
from drai_cli.run.verdict import FEW_IMAGES, Verdict
from drai_cli.settings.config import Chosen, TrainOptions, check_image_size
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.typed import check_ranges
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.parallel import Processes


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        run: The run directory.
        images_seen: Real images used in total, repeats included.
        resumed_from: Images seen when this command began; 0 for a new run.
        is_finished: Whether the budget is used up; False after a signal.
        stopped_by: `kimg`, `hours`, `patience`, the signal (`SIGINT`, `SIGTERM`, `SIGHUP`), or `nothing to do`.
        best_images_seen: Images seen by the snapshot in `model.safetensors`.
        measures: Validation measures of that snapshot, by their names in `metrics.quick`.
        verdict: What they mean, whether the run is finished and what would help, in sentences; None without a tick.
        has_findings: Whether labels are sets of findings.
    """

    run: Path
    images_seen: int
    resumed_from: int
    is_finished: bool
    stopped_by: str
    best_images_seen: int
    measures: Mapping[str, float]
    verdict: Verdict | None = None
    has_findings: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "run": str(self.run), "measures": dict(self.measures)}


def train(run: TrainRun, reporter: Reporter = SILENT) -> TrainResult:
    """Starts or resumes the run in `run.out`; under a launcher, together with its other processes.

    Only the first process measures and writes; the result is what it knows.

    Raises:
        InputError: The data cannot be used.
        DivergenceError: A loss is no longer finite.
        UsageError: An option is out of range, or the directory holds a run with other settings.
        OverwriteError: The directory holds something else, or another process writes to it.
        WeightsError: `init` or the checkpoint cannot be used.
        LostProcessError: Another process is lost.
    """
    device = check_train(run)
    with (
        join_processes(device, reporter) as processes,
        # The first process locks the run directory for all.
        hold_folder(run.out, "drai train") if processes.is_first else nullcontext(),
    ):
        return _train(run, device, processes, reporter)


def check_train(run: TrainRun) -> torch.device:
    """Checks the options, and the device, which it returns, for `train` and its preview; raises UsageError."""
    check_ranges(run)
    check_image_size(run.data.size)
    if run.training.objective.features_weight:
        check_feature_network(run.feature_network)
    if run.tensorboard:
        import_writer()
    return choose_device(run.device)


@dataclass(frozen=True)
class TrainPreview:
    """The plan of a training.

    Attributes:
        device: Device to train on.
        is_resumed: Whether the run directory holds this run already.
        kind: Kind of data set.
        group: What the split keeps together; None where every image is a group of its own.
        parts: Images and groups of each part of the split, before any is decoded.
        classes: Number of files of each label, before any is decoded.
        plan: When the run will end, in sentences; empty if no step was tried.
        run: The options, resolved.
    """

    device: str
    is_resumed: bool
    kind: str
    group: str | None
    parts: Mapping[str, Mapping[str, int]]
    classes: Mapping[str, int]
    plan: Sequence[str]
    run: TrainRun


def preview_train(run: TrainRun, reporter: Reporter = SILENT, tries: bool = True) -> TrainPreview:
    """The plan of a train command, checked against the data set's files and the run directory.

    Args:
        run: The command.
        reporter: Shown what is found.
        tries: Whether to try a step, to say when the run will end.

    Raises:
        InputError: The data cannot be used.
        UsageError: An option is out of range, does not fit the data or differs from the run in the directory.
        OverwriteError: The directory holds something else.
        WeightsError, NetworkError: `init` cannot be found.
    """
    device, directory = check_train(run), RunDirectory(run.out)
    directory.check(collect_settings(run))
    header = None if run.init is None else read_header(locate_weights(run.init, reporter))
    model = None if header is None else header.architecture
    if model is not None:
        check_init(run, model, model.image_channels if run.data.channels == "auto" else run.data.channels)
    image_set, masks = find_set_with_masks(run.data, reporter)
    mask_names = () if masks is None else masks.names
    check_init_masks(run, header, mask_names)
    warn_of_number_labels(image_set, reporter)
    warn_of_likely_groups(image_set, reporter)
    check_classes(run.data.path, image_set.entries, image_set.label, image_set.findings)
    training = run.training
    seed = training.seed if training.split_seed is None else training.split_seed
    split = directory.split if directory.is_begun and directory.split.exists() else None
    parts = choose_parts(image_set.entries, image_set.label, image_set.findings, seed, split, SILENT)
    if split is None:
        check_parts(run.data.path, image_set, image_set.entries, parts)
    check_seen(image_set.entries, parts, image_set.label, image_set.findings)
    check_batch(run, training, list(parts).count("train"))
    classes = count_classes(image_set.entries, image_set.label, image_set.findings)
    check_label_names(run.data.path, list(classes))
    plan: Sequence[str] = ()
    if tries:
        data = sketch_set(run.data, image_set, parts, mask_names)
        options = resolve_options(run, data, model, reporter)
        _advise(run, options, data, directory.is_begun, reporter)
        plan = rehearse(options, data, directory, run.init is not None, device, reporter)
    sizes = measure_parts(image_set.entries, parts)
    return TrainPreview(
        str(device), directory.is_begun, image_set.kind, image_set.group, sizes, classes, plan, run
    )


def _advise(
    run: TrainRun, options: TrainOptions, data: PreparedSet, is_begun: bool, reporter: Reporter
) -> None:
    """Says before a new run what its data is too small for, and which model it could start from."""
    if is_begun:
        return
    train = [entry for entry, part in zip(data.entries, data.parts, strict=True) if part == "train"]
    label = data.schema.label
    counts = count_classes(train, label.name, label.findings)
    warn_of_few_images(counts, run.init is not None, options.symmetry or "none", reporter)
    if run.init is None and len(train) < FEW_IMAGES and (suggestion := suggest_init(options, data.schema)):
        reporter.info(suggestion)


def _train(run: TrainRun, device: torch.device, processes: Processes, reporter: Reporter) -> TrainResult:
    """The work of one process; only the first writes to the run directory."""
    count = f", {processes.size} processes" if processes.size > 1 else ""
    reporter.info(f"device: {device}{count}")
    if processes.size > run.training.batch_size:
        raise UsageError(
            f"--batch-size {run.training.batch_size}",
            f"expected at least one image per process, got {processes.size} processes",
            "start fewer processes",
        )
    directory = RunDirectory(run.out)
    is_resumed = processes.is_first and directory.is_begun
    if processes.is_first:
        directory.check(collect_settings(run))
        directory.remove_left_over()
        if is_resumed:
            directory.mend_config(reporter)
    source = load_model(locate_weights(run.init)) if run.init else None
    data = prepare_together(run, directory, processes, reporter)
    check_label_names(run.data.path, data.schema.labels)
    check_init_masks(run, None if source is None else source.header, data.mask_names)
    options = resolve_options(run, data, None if source is None else source.header.architecture, reporter)
    if processes.is_first:
        _advise(run, options, data, is_resumed, reporter)
    has_trained = processes.is_first and directory.state.exists()
    features = prepare_feature_network(
        run.feature_network,
        options,
        data,
        directory.features if has_trained else None,
        device,
        processes,
        reporter,
    )
    frozen = None if features is None else features.frozen
    chosen, image_s = _choose(
        options, data, directory if is_resumed else None, device, processes, reporter, frozen
    )
    options = replace(options, **asdict(chosen))
    if processes.is_first:
        if not is_resumed:
            directory.begin(collect_settings(run), chosen)
        directory.make_folders()
        if features is not None and not has_trained:
            features.save(directory.features)
        if not directory.split.exists():
            write_split(directory.split, data.entries, data.parts.tolist())
        seen = (data.digests[row] for row in np.flatnonzero(data.parts != "test"))
        directory.write_seen(seen, reporter)
    show = (lambda path: webbrowser.open(path.resolve().as_uri())) if run.open else None
    page = ProgressPage(run, options, data, str(device), doubt_in_training, show)
    trainer = Trainer(
        run, options, data, source, directory, device, reporter, page, processes, features, image_s
    )
    stopped_by = trainer.train()
    return TrainResult(
        run.out,
        trainer.state.images_seen,
        trainer.resumed_from,
        not stopped_by.startswith("SIG"),
        stopped_by,
        trainer.progress.best_images_seen,
        trainer.progress.best_measures,
        page.judge(ticks) if (ticks := directory.read_stats(trainer.state.images_seen)) else None,
        data.schema.label.kind == "findings",
    )


def _choose(
    options: TrainOptions,
    data: PreparedSet,
    begun: RunDirectory | None,
    device: torch.device,
    processes: Processes,
    reporter: Reporter,
    features: FrozenFeatures | None,
) -> tuple[Chosen, float]:
    """Batch size and arithmetic of the run: those that it began with, else those for here.

    And seconds per image in a trial; 0 without one.
    """
    kept = None if begun is None else begun.read_chosen() or guess_choice(options, device)
    # Only the first process may read the run directory.
    record = processes.from_first(None if kept is None else asdict(kept))
    if record is None:
        chosen, step_s = choose(options, data, device, processes, reporter, features)
        return chosen, step_s / chosen.batch_size
    chosen = Chosen(**record)
    report_choice(chosen, options, device, reporter)
    return chosen, 0.0


def collect_settings(run: TrainRun) -> dict[str, Any]:
    """The content of `config.json`: everything that decides the result."""
    # Without a projected discriminator the network decides nothing.
    network = {"feature_network": run.feature_network} if run.training.objective.features_weight else {}
    return {
        "data": write_data_settings(run.data),
        "training": run.training.to_json(),
        "init": run.init,
        "licence": run.licence,
        "version": __version__,
        **network,
    }
