"""Every number that changes during a run, as a function of its progress. They are decided here only."""

from __future__ import annotations

import math

from drai_cli.settings.config import TrainOptions

_LAST_RATE = 0.05
_HOLD_SHARE = 0.1
"""Largest share of a budget that a warm start holds its networks; `hold_kimg` is the most without one."""
_EMA_RAMP = 0.2
_AUGMENT_TARGET = 0.6
"""Mean sign of D_x on real images above which augmentation rises: it then calls 80 % of them real."""


def learning_rate_factors(
    options: TrainOptions, images_seen: int, progress: float, is_warm_start: bool = False
) -> dict[str, float]:
    """Factors of the learning rates: a linear rise at the start, and a linear fall over the last share of a budget.

    That of the predictors does not fall: as the encoder slows down, they catch up and find what is left in the codes.
    After a warm start, generator, encoder and prior wait until the new discriminator has caught up with them.

    Args:
        options: Options of the run.
        images_seen: Images seen so far.
        progress: Share of the budget that is used, 0 to 1; 0 for a run without one.
        is_warm_start: Whether the networks come from another model.
    """
    warm = 1.0
    if options.warm_up_kimg:
        warm = min(1.0, (images_seen + options.batch_size) / (1000 * options.warm_up_kimg))
    left = (1 - progress) / options.decay_share if options.decay_share else 1.0
    both = warm * min(1.0, max(_LAST_RATE, left))
    waits = is_warm_start and images_seen < 1000 * options.hold_kimg and progress < _HOLD_SHARE
    networks = 0.0 if waits else both
    return {"networks": networks, "discriminator": both, "feature_heads": both, "predictors": warm}


def average_keep(options: TrainOptions, images_seen: int) -> float:
    """Share of the old average that a step keeps; the half-life grows during the run up to `ema_kimg`."""
    half_life = min(1000 * options.ema_kimg, _EMA_RAMP * images_seen + 1)
    return math.pow(0.5, options.batch_size / half_life)


def next_augment_probability(options: TrainOptions, probability: float, real_sign: float) -> float:
    """Adaptive augmentation (Karras et al. 2020): it rises while D is too sure of real images, else falls.

    `real_sign` is the mean sign of D_x on real images. From 0 to 1 it takes at least 300 kimg.
    """
    if options.augment == "none":
        return 0.0
    step = math.copysign(options.batch_size / 300_000, real_sign - _AUGMENT_TARGET)
    return min(0.8, max(0.0, probability + step))
