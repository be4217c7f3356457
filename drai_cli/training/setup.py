"""The batches and the plan of a run, from a prepared set and the options."""

from __future__ import annotations

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.settings.config import TrainOptions
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.parallel import ALONE, Processes
from drai_cli.training.passes import StepPlan
from drai_cli.training.precision import autocast_dtype


def make_batches(
    data: PreparedSet, options: TrainOptions, device: torch.device, processes: Processes = ALONE
) -> Batches:
    """Batches of the training part of a set."""
    assert options.symmetry is not None
    return Batches(
        data.images, data.conditions, data.labels, data.rows("train"),
        data.schema.slots(),
        options, options.symmetry, device, processes, data.masks,
    )  # fmt: skip


def make_plan(data: PreparedSet, options: TrainOptions, processes: Processes = ALONE) -> StepPlan:
    """What all steps of a run have in common."""
    assert options.symmetry is not None
    return StepPlan(
        options.objective,
        Changes(options.symmetry),
        data.schema.slots(),
        autocast_dtype(options.precision),
        processes,
        len(data.mask_names),
    )
