"""`--attack shadow`: membership inference by models trained as the evaluated one, with and without each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.errors import UsageError
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.measured import Raw
from drai_cli.evaluation.subject import Subject
from drai_cli.metrics.copies import PIXELS, spaces_of
from drai_cli.metrics.generation import ModelNetworks, encode, generate, style_dim_of
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.membership import measure_sure_attack, reconstruction_errors
from drai_cli.metrics.nearest import find_nearest
from drai_cli.metrics.shadow import halves, likelihood_scores
from drai_cli.metrics.source import ModelSource
from drai_cli.run.shadow import ShadowImages, options_of, train_shadow
from drai_cli.settings.model_options import EvaluateOptions

MODELS = 8
"""Shadow models; each image is in half of them."""
ENOUGH = 0.5
"""Share of the evaluated model's passes over its images below which the shadow models are called brief."""

Statistics = dict[str, Float[np.ndarray, " n"]]


def check_attack(options: EvaluateOptions, subject: Subject) -> None:
    """Raises UsageError or WeightsError where shadow models are wanted and cannot be trained as the model was."""
    if options.attack is None:
        return
    if options.metrics and "privacy" not in options.metrics:
        raise UsageError("--attack shadow", "is for the part privacy", "add privacy to --metrics")
    model = subject.model
    if model is None:
        raise UsageError(
            "--attack shadow",
            "expected a model, got a folder of images: how they were made is not known",
            "leave out --attack, or name a model with --weights",
        )
    options_of(model.header)


def measure_shadow(
    evaluation: Evaluation, members: Int64[np.ndarray, " m"], others: Int64[np.ndarray, " k"]
) -> Raw:
    """The attack on training images and as many unseen ones.

    Args:
        evaluation: Gives the model, the images and the budget.
        members: Rows of training images.
        others: Rows of images that the model has not seen.

    Returns:
        `attacks`: by what is compared (`pixels`, `reconstruction`), as `measure_sure_attack` gives it; `models`;
        `passes`: how often each shadow model saw each of its images on average, and `own_passes` of the evaluated one.
    """
    options, real, device = evaluation.options, evaluation.real, evaluation.device
    model = evaluation.subject.model
    assert model is not None
    trained = options_of(model.header)
    rows = np.concatenate([members, others])
    images, conditions = np.asarray(real.images[rows]), real.conditions[rows]
    is_in = halves(real.groups[rows], MODELS, options.seed)
    seconds = 60 * options.attack_minutes / MODELS
    shadows: list[Statistics] = []
    seen = 0
    with evaluation.reporter.task("training shadow models", round(60 * options.attack_minutes), "s") as task:
        passed = shown = 0.0

        def advance(step_s: float) -> None:
            nonlocal passed, shown
            passed += step_s
            if passed - shown >= 1:
                task.advance(int(passed - shown))
                shown += int(passed - shown)

        for number, mask in enumerate(is_in):
            own = rows[mask]
            data = ShadowImages(
                real.images[own], real.labels[own], real.conditions[own], real.schema, real.symmetry
            )
            networks, images_seen = train_shadow(
                data, trained, seconds, options.seed + 1 + number, device, advance
            )
            seen += images_seen
            shadows.append(_statistics(evaluation, networks, images, conditions, real.conditions[own]))
    assert evaluation.networks is not None
    target = _statistics(evaluation, evaluation.networks, images, conditions, real.conditions[members])
    count, groups = len(members), real.groups
    attacks = {}
    for name, statistic in target.items():
        scores = likelihood_scores(statistic, np.stack([each[name] for each in shadows]), is_in)
        attacks[name] = measure_sure_attack(
            scores[:count], scores[count:], groups[members], groups[others], options.seed
        )
    own_seen = model.header.training.get("images_seen")
    trained_on = len(evaluation.rows("train"))
    return {
        "attacks": attacks,
        "models": MODELS,
        "passes": seen / max(1, int(is_in.sum())),
        "own_passes": own_seen / trained_on if isinstance(own_seen, int) else None,
    }


def _statistics(
    evaluation: Evaluation,
    networks: ModelNetworks,
    images: Images,
    conditions: Float[np.ndarray, "n t"],
    asked: Float[np.ndarray, "m t"],
) -> Statistics:
    """What an attacker measures of each image: its distance to the nearest sample, its reconstruction's error."""
    options, device = evaluation.options, evaluation.device
    source = ModelSource(
        networks, np.asarray(asked), style_dim_of(networks, images[:1], device), images.dtype, device
    )
    drawn = np.random.default_rng(options.seed).choice(len(asked), options.privacy_samples)
    (space,) = spaces_of({}).values()
    (near,) = find_nearest(images, space, [space.features(source.draw(drawn, options.seed))], "dihedral")
    out: Statistics = {PIXELS: near.distance}
    reconstruct = _reconstruction(networks, evaluation, conditions.shape[1])
    if reconstruct is not None:
        out["reconstruction"] = reconstruction_errors(images, reconstruct)
    return out


def _reconstruction(
    networks: ModelNetworks, evaluation: Evaluation, condition_dim: int
) -> Callable[[Images], Images] | None:
    model: Any = evaluation.subject.model
    if networks.encoder is None or not model.infers_content:
        return None

    def reconstruct(images: Images) -> Images:
        unused = np.zeros((len(images), condition_dim), np.float32)
        codes = encode(networks, images, unused, evaluation.device)
        return generate(networks, codes.content, codes.style, images.dtype, evaluation.device)

    return reconstruct
