"""`sample --select`: keeps images that a classifier of real images finds neither wrong nor trivial."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Integer

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.data.cache import default_cache_dir
from drai_cli.errors import InputError, UsageError
from drai_cli.hub.locate import locate_weights
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.selection import Selection
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import Reporter
from drai_cli.run.instruments import INSTRUMENTS, Instruments, training_key
from drai_cli.run.model_data import read_training_images
from drai_cli.run.model_header import symmetry_of
from drai_cli.sampling.journal import Reason
from drai_cli.settings.image_options import SampleOptions

_SEED = 0  # of the judge; `evaluate` shares it


@dataclass(frozen=True)
class SelectedSamples:
    """Tells which images are wrong or trivial.

    Attributes:
        selection: Holds the judge and its limits.
        schema: The model's.
        key: A sha256 of the judge and its limits, for the job's record.
    """

    selection: Selection
    schema: ConditionSchema
    key: str

    def reasons(self, images: Integer[np.ndarray, "n h w c"], labels: Sequence[str]) -> list[Reason | None]:
        """Why each image is left out; None for one that is kept."""
        positions = np.array([self.schema.label.position(label) for label in labels], np.int64)
        return [*self.selection.reasons(images, positions)]


@dataclass(frozen=True)
class _TrainingSet:
    """Real images in parts, as the judge needs them."""

    images: Images
    labels: Int64[np.ndarray, " n"]
    parts: np.ndarray
    schema: ConditionSchema
    symmetry: Symmetry
    training_key: str
    factors: None = None


def load_selection(options: SampleOptions, header: ModelHeader, reporter: Reporter) -> SelectedSamples:
    """The selection by a judge that is trained on the training part of `--train-data`, or was by `evaluate`.

    Raises:
        InputError: The data cannot be used, or too little of it has the model's labels.
        UsageError: The images have another size than the model, or its labels are sets of findings.
    """
    assert options.train_data is not None
    if header.schema.label.findings is not None:
        raise UsageError("--select", "expected a model with one label per image, got sets of findings")
    path = locate_weights(options.weights, reporter)
    prepared, _ = read_training_images(path, header, options.train_data, needs_parts=True, reporter=reporter)
    schema, column = header.schema, prepared.schema.label.name
    names = [schema.label.find(entry.values.get(column, "")) for entry in prepared.entries]
    known = np.flatnonzero([name is not None for name in names])
    labels = np.array([schema.label.position(str(names[row])) for row in known], np.int64)
    images, parts = prepared.images, prepared.parts
    if len(known) < len(names):
        images, parts = images[known], parts[known]
    for part in ("train", "validation"):
        if len(np.unique(labels[parts == part])) < 2:
            raise InputError(
                options.train_data,
                f"expected two of the model's labels or more in the {part} part",
                f"its labels: {', '.join(schema.labels)}",
            )
    symmetry = symmetry_of(header, prepared)
    real = _TrainingSet(
        images, labels, parts, schema, symmetry,
        training_key([prepared.cache_key], parts.astype("<U10"), schema, symmetry),
    )  # fmt: skip
    # On the CPU wherever the images are made: the same judge, so the same choice.
    instruments = Instruments(
        real, default_cache_dir() / INSTRUMENTS, None, _SEED, torch.device("cpu"), reporter
    )
    judge, held = instruments.judge, np.flatnonzero(parts == "validation")
    try:
        selection = Selection.calibrated(judge, images[held], labels[held], len(schema.labels))
    except ValueError as error:
        raise InputError(
            options.train_data, f"{error}, so nothing can be selected by it", "use more images per label"
        ) from error
    digest = hashlib.sha256(selection.limits.tobytes())
    for tensor in judge.state().values():
        digest.update(tensor.numpy().tobytes())
    return SelectedSamples(selection, schema, digest.hexdigest())
