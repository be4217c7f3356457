"""What a `sample` command would make, found out without making it: `--dry-run`. Loads no network, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drai_cli.checkpoint import read_header
from drai_cli.hub import locate_weights
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.options import SampleOptions
from drai_cli.workflows.sample_plan import plan_samples


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
    path = locate_weights(options.weights, reporter)
    plan = plan_samples(options, read_header(path), reporter)
    return SamplePreview(path, plan.total, plan.counts, options)
