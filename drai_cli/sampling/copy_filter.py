"""`sample --reject-copies`: the training images, and what is too near to one of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer

from drai_cli.data.prepared import prepare
from drai_cli.errors import UsageError
from drai_cli.hub.locate import locate_weights
from drai_cli.metrics.copies import PIXELS, CopyFilter, spaces_of
from drai_cli.metrics.copies import threshold as threshold_of
from drai_cli.metrics.nearest import find_nearest
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import Reporter
from drai_cli.run.directory import run_of
from drai_cli.run.model_data import as_model_needs, as_run_reads
from drai_cli.settings.image_options import SampleOptions

_SYMMETRY: Symmetry = "dihedral"  # a turned copy is a copy, whatever symmetry the set has


@dataclass(frozen=True)
class TrainingCopies:
    """Tells copies of training images.

    Attributes:
        filter: With the training images' features.
        key: Of the training images and the threshold, for the job's record: another set makes another output.
    """

    filter: CopyFilter
    key: str

    def find(self, images: Integer[np.ndarray, "n h w c"]) -> Bool[np.ndarray, " n"]:
        """Which of the images are copies."""
        return self.filter.find(images)


def copy_filter(options: SampleOptions, header: ModelHeader, reporter: Reporter) -> TrainingCopies:
    """The filter of `--train-data`.

    Of a run, its split says which images were trained on, and what it held out gives the distance below which an image
    is a copy. Of any other model all images were trained on, and a tenth of their groups, held against the rest, gives
    the distance.

    Raises:
        InputError: The data cannot be used, or is not what the run was trained on.
    """
    assert options.train_data is not None
    path = locate_weights(options.weights, reporter)
    run = run_of(path)
    data = (
        as_model_needs(header, options.train_data) if run is None else as_run_reads(run, options.train_data)
    )
    split = run.split if run is not None and run.split.exists() else None
    found = prepare(data, seed=0, split_file=split, reporter=reporter)
    if found.images.shape[1] != header.architecture.image_size:
        raise UsageError("--train-data", "is of another size than the model", "name what it was trained on")
    is_held = found.parts == "test" if split is None else found.parts != "train"
    held, rest = (np.asarray(found.images[rows]) for rows in (is_held, ~is_held))
    (space,) = spaces_of({}).values()
    (near,) = find_nearest(held, space, [space.features(rest)], _SYMMETRY)
    limit = threshold_of(near.distance)
    reference = rest if split is not None else np.array(found.images)
    made = CopyFilter.of_thresholds(reference, {PIXELS: limit}, extractors={}, symmetry=_SYMMETRY)
    digests = "".join(sorted(found.digests))
    key = hashlib.sha256(f"{digests}{limit!r}{split is None}".encode()).hexdigest()
    reporter.info(f"copies: nearer than {limit:.3g} to one of {len(reference)} training images")
    return TrainingCopies(made, key)
