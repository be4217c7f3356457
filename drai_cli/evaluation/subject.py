"""What is evaluated: a model, or a folder of synthetic images from any source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from drai_cli.errors import InputError, UsageError
from drai_cli.hub.locate import locate_weights
from drai_cli.metrics.finding_set import States
from drai_cli.metrics.mapping import Images
from drai_cli.model_file.checkpoint import LoadedModel, load_model
from drai_cli.progress import Reporter
from drai_cli.run.directory import RunDirectory, run_of
from drai_cli.settings.model_options import EvaluateOptions


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        name: As the user named it, without its folders.
        model: The model, or None for a folder of images.
        run: The run directory the model lies in, or None.
        images: The synthetic images of a folder, at the real ones' size and depth.
        labels: Of those; of sets of findings that which is rarest in the real images.
        sha256: Of the model file, or of the images.
        states: Findings of the images, where labels are sets of them.
    """

    name: str
    model: LoadedModel | None
    run: RunDirectory | None
    images: Images | None = None
    labels: Int64[np.ndarray, " m"] | None = None
    sha256: str = ""
    states: States | None = None


def find_subject(options: EvaluateOptions, device: Any, reporter: Reporter) -> Subject:
    """The model to evaluate, or the name of a folder; its images are read when the real images' size is known.

    Raises:
        UsageError: Both a model and a folder.
        WeightsError, NetworkError: No such model, or it cannot be used.
        InputError: No such folder.
    """
    if options.synthetic is not None:
        if options.weights is not None:
            raise UsageError("--synthetic", "contradicts --weights", "evaluate one of them")
        if not options.synthetic.exists():
            raise InputError(options.synthetic, "no such folder", "check --synthetic")
        return Subject(options.synthetic.resolve().name, None, None)
    path = locate_weights(options.weights, reporter)
    run = run_of(path)
    with reporter.stage("reading the model", None, ""):
        model = load_model(path, device)
    name = run.path.resolve().name if run is not None else path.stem
    return Subject(name, model, run, sha256=model.sha256)
