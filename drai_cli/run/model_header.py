"""The header of a trained model: no path, user, host, time or hash of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np

from drai_cli import __version__
from drai_cli.data.prepared import PreparedSet
from drai_cli.io.intensity import Intensity
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model_file.header import ModelHeader, read_feature_networks
from drai_cli.run.feature_network import FeatureNetwork
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.presets import KNOWN_SETS, KnownSet

INTENDED_USE = (
    "Synthetic images for research: training and testing of image analysis, teaching, sharing in place of patients' "
    "images after the user's own privacy check. Not for diagnosis or any decision about a patient, and no evidence of "
    "how a disease looks."
)


def known_set(data: PreparedSet) -> KnownSet:
    """What is known about this kind of data set."""
    return KNOWN_SETS.get(str(data.summary["kind"]), KnownSet())


def symmetry_of(header: ModelHeader | None, data: PreparedSet) -> Symmetry:
    """Flips and rotations that a model was trained with; without a model what is known about the kind of set."""
    options = {} if header is None else header.training.get("options", {})
    recorded = options.get("symmetry") if isinstance(options, Mapping) else None
    return recorded if recorded in ("none", "flip", "dihedral") else known_set(data).symmetry


def make_header(
    run: TrainRun,
    options: TrainOptions,
    data: PreparedSet,
    inherited: ModelHeader | None,
    images_seen: int,
    features: FeatureNetwork | None = None,
) -> ModelHeader:
    """The header of a run's model.

    Args:
        run: The run as asked for.
        options: Its options, resolved for the data.
        data: Its data set; only counts and category names are kept.
        inherited: Header of the model that the run started from; its licence and data are carried over.
        images_seen: Images seen so far.
        features: The network of its projected discriminator.
    """
    known = known_set(data)
    parts = {part: counts["images"] for part, counts in data.summary["parts"].items()}
    licence = run.licence or known.licence or (inherited.licence if inherited else "")
    texts = [
        known.attribution,
        f"Started from: {inherited.data}" if inherited and inherited.data else "",
    ]
    training = options.to_json()
    # The budget is no property of the weights.
    for name in ("kimg", "hours", "tick_kimg", "patience", "model"):
        training.pop(name)
    if inherited and inherited.licence not in ("", licence):
        licence = f"{licence} AND {inherited.licence}" if licence else inherited.licence
    # A model that started from another was trained against that one's networks too.
    trained_against = read_feature_networks(inherited) if inherited else []
    if features is not None and features.to_json() not in trained_against:
        trained_against.append(features.to_json())
    levels = str(data.images.dtype)
    plain = Intensity("", 0, int(np.iinfo(levels).max), levels)
    has_values = data.intensity is not None and not (
        data.images.shape[-1] == 3 and data.intensity.stored_offset is not None
    )
    intensity = replace(data.intensity, dtype=levels) if data.intensity is not None and has_values else plain
    return ModelHeader(
        architecture=options.model,
        schema=data.schema,
        method=options.method,
        intensity={name: value for name, value in asdict(intensity).items() if value is not None},
        training={
            "kind": data.summary["kind"],
            "images": parts,
            "split": data.summary["split"],
            "label_counts": data.summary["parts"]["train"]["classes"],
            "fit": run.data.fit,
            "images_seen": images_seen,
            "seed": options.seed,
            "version": __version__,
            "is_warm_start": inherited is not None,
            **({"feature_networks": trained_against} if trained_against else {}),
            "options": training,
        },
        data=" ".join(text for text in texts if text),
        licence=licence,
        intended_use=INTENDED_USE,
        mask_names=data.mask_names,
    )  # fmt: skip
