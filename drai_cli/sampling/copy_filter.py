"""`sample --reject-copies`: tells which images are too near to a training image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from drai_cli.hub.locate import locate_weights
from drai_cli.metrics.copies import PIXELS, CopyFilter, spaces_of
from drai_cli.metrics.copies import threshold as threshold_of
from drai_cli.metrics.nearest import find_nearest
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import Reporter
from drai_cli.run.model_data import read_training_images
from drai_cli.sampling.journal import COPY, Reason
from drai_cli.settings.image_options import SampleOptions

_SYMMETRY: Symmetry = "dihedral"  # a flipped or rotated copy is a copy, whatever symmetry the set has


@dataclass(frozen=True)
class TrainingCopies:
    """Tells which images are copies of training images.

    Attributes:
        filter: Holds the training images' features.
        key: A sha256 of the training images and the threshold, for the job's record.
    """

    filter: CopyFilter
    key: str

    def reasons(self, images: Integer[np.ndarray, "n h w c"], labels: Sequence[str]) -> list[Reason | None]:
        """Why each image is left out: it is a copy. None for one that is kept."""
        return [COPY if is_copy else None for is_copy in self.filter.find(images)]


def load_training_copies(options: SampleOptions, header: ModelHeader, reporter: Reporter) -> TrainingCopies:
    """The filter of `--train-data`.

    For a run, its split says which images were trained on, and the held-out images give the distance below which an
    image is a copy. For any other model, all images count as trained on, and a tenth of their groups, compared with
    the rest, gives the distance.

    Raises:
        InputError: The data cannot be used, or is not what the run was trained on.
        UsageError: The images have another size than the model.
    """
    assert options.train_data is not None
    path = locate_weights(options.weights, reporter)
    prepared, is_of_run = read_training_images(
        path, header, options.train_data, needs_parts=False, reporter=reporter
    )
    is_held_out = prepared.parts != "train" if is_of_run else prepared.parts == "test"
    held_out, rest = (np.asarray(prepared.images[rows]) for rows in (is_held_out, ~is_held_out))
    (space,) = spaces_of({}).values()
    (nearest,) = find_nearest(held_out, space, [space.features(rest)], _SYMMETRY)
    threshold = threshold_of(nearest.distance)
    reference = rest if is_of_run else np.array(prepared.images)
    copy_filter = CopyFilter.of_thresholds(reference, {PIXELS: threshold}, extractors={}, symmetry=_SYMMETRY)
    digests = "".join(sorted(prepared.digests))
    key = hashlib.sha256(f"{digests}{threshold!r}{not is_of_run}".encode()).hexdigest()
    reporter.info(f"copies: images nearer than {threshold:.3g} to one of {len(reference)} training images")
    return TrainingCopies(copy_filter, key)
