"""The classifier of real images that a run trained for its ticks, to label what its model makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt

from drai_cli.errors import UsageError, WeightsError
from drai_cli.metrics.finding_judge import FindingJudge, load_finding_judge
from drai_cli.metrics.judge import Judge, load_judge
from drai_cli.model_file.checkpoint import UNFIT, load_state
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import Reporter
from drai_cli.run.directory import run_of

LabelImages = Callable[[UInt[np.ndarray, "images height width channels"]], list[str]]


def find_own_judge(
    path: Path, header: ModelHeader, device: torch.device, reporter: Reporter
) -> LabelImages | None:
    """The label of each image, as the run's own classifier assigns it; None for a model of no run.

    Args:
        path: The model file.
        header: Its header.
        device: Where to compute.
        reporter: Warned of a classifier that cannot be used.
    """
    run = run_of(path)
    if run is None or not run.judge.exists():
        return None
    labels, findings = header.schema.labels, header.schema.label.findings
    judge: Judge | FindingJudge
    try:
        tensors, config = load_state(run.judge)
        load = load_judge if findings is None else load_finding_judge
        judge = load(config, tensors, device)
    except (*UNFIT, WeightsError, UsageError) as error:
        reporter.warn(f"{run.judge}: cannot be used ({type(error).__name__}), so no labels are judged")
        return None
    shape = header.architecture
    if not judge.fits(
        np.zeros((0, shape.image_size, shape.image_size, shape.image_channels), np.uint8), len(labels)
    ):
        reporter.warn(f"{run.judge}: was trained for other images, so no labels are judged")
        return None
    if isinstance(judge, FindingJudge):
        seen, texts = judge, findings
        assert texts is not None
        return lambda images: [
            texts.text(row.astype(np.int8)) for row in seen.find_present(seen.probabilities(images))
        ]
    by_label = judge
    return lambda images: [labels[index] for index in by_label.labels(images)]
