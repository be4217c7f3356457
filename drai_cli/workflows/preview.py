"""What a command would do, found out without doing it: `--dry-run`. Loads no network, decodes and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drai_cli.checkpoint import read_header
from drai_cli.data.image_set import class_counts
from drai_cli.data.name_groups import warn_of_likely_groups
from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.prepared import find_set
from drai_cli.hub import locate_weights
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.inference import choose_device
from drai_cli.workflows.model_options import TrainRun
from drai_cli.workflows.options import SampleOptions
from drai_cli.workflows.run_directory import RunDirectory
from drai_cli.workflows.sample_plan import plan_samples
from drai_cli.workflows.sampler import open_sampler
from drai_cli.workflows.train import settings_of


@dataclass(frozen=True)
class SamplePreview:
    """What would run.

    Attributes:
        weights: The model file that would be used.
        images: Images in all, whatever the shard.
        labels: Images of each label.
        options: As resolved.
    """

    weights: Path
    images: int
    labels: Mapping[str, int]
    options: SampleOptions


def preview_sample(options: SampleOptions, reporter: Reporter = SILENT) -> SamplePreview:
    """The plan of a sample command, checked against the model.

    Raises:
        UsageError: Options that contradict each other or the model.
        InputError: A table that cannot be followed.
        WeightsError, NetworkError: A model that cannot be found or used.
    """
    if options.runtime == "onnx":
        sampler = open_sampler(options.weights, options.device, options.precision, options.runtime, reporter)
        path, header = Path(str(options.weights)), sampler.header
    else:
        path = locate_weights(options.weights, reporter)
        header = read_header(path)
    plan = plan_samples(options, header, reporter)
    return SamplePreview(path, plan.total, plan.counts, options)


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
    device = choose_device(run.device)
    directory = RunDirectory(run.out)
    directory.check(settings_of(run))
    if run.init is not None:
        read_header(locate_weights(run.init, reporter))
    found = find_set(run.data, reporter)
    warn_of_number_labels(found, reporter)
    warn_of_likely_groups(found, reporter)
    classes = class_counts(found.entries, found.label)
    return TrainPreview(str(device), directory.is_begun, found.kind, classes, run)
