"""What is said of a training set before the first step: too few images, and a bundled model to start from."""

from __future__ import annotations

from collections.abc import Mapping

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import WeightsError
from drai_cli.hub.locate import bundled_models
from drai_cli.model_file.checkpoint import read_header
from drai_cli.progress import Reporter
from drai_cli.run.warm_prior import match_conditions
from drai_cli.settings.config import TrainOptions

_FEW_IMAGES, _FEW_OF_LABEL = 200, 20


def warn_of_few_images(counts: Mapping[str, int], has_init: bool, symmetry: str, reporter: Reporter) -> None:
    """Warns of training parts from which a generator learns single images by heart.

    Args:
        counts: Training images of each label.
        has_init: Whether the run starts from another model.
        symmetry: The flips and rotations that it uses, `none` for none.
        reporter: Shown the warning.
    """
    images = sum(counts.values())
    ways = [] if has_init else ["start from a model of similar images (--init WEIGHTS)"]
    ways += ["add --symmetry flip or dihedral if that keeps images plausible"] if symmetry == "none" else []
    ways.append("check samples for copies with evaluate --metrics privacy")
    if images < _FEW_IMAGES:
        reporter.warn(
            f"{images} training images are too few to learn what differs between patients: samples will resemble "
            f"single training images. What helps: more images; {'; '.join(ways)}"
        )
        return
    rare = {name: count for name, count in counts.items() if count < _FEW_OF_LABEL}
    if rare:
        listed = ", ".join(f"{name} {count}" for name, count in rare.items())
        reporter.warn(
            f"labels with fewer than {_FEW_OF_LABEL} training images: {listed}; their samples will resemble single "
            "training images"
        )


def suggest_init(options: TrainOptions, schema: ConditionSchema) -> str:
    """Names the bundled model that could be started from: of the same size, channels and, in part, labels.

    Returns:
        A sentence; empty if no model fits.
    """
    best = ""
    known: tuple[str, ...] = ()
    for name, path in bundled_models().items():
        try:
            header = read_header(path)
        except WeightsError:
            continue
        model = header.architecture
        is_alike = (model.image_size, model.image_channels, model.mask_channels) == (
            options.model.image_size,
            options.model.image_channels,
            options.model.mask_channels,
        )
        labels = match_conditions(schema, header.schema).labels if is_alike else ()
        if len(labels) > len(known):
            known, best = labels, f"{name}, a model of {header.data.split(':')[0]} images"
    if not best:
        return ""
    return (
        f"--init {best} that knows the labels {', '.join(known)}, can be started from: worth it if your images are "
        "similar and few"
    )
