"""How long the parts of a report take on this machine, from a fraction of a second of each kind of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.quick import POOL, PROBE_ROWS, UNSEEN
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.convnet import ConvNetConfig, build, patch_for, precision
from drai_cli.metrics.generation import encode
from drai_cli.metrics.measure import MeasureConfig
from drai_cli.metrics.symmetries import augment
from drai_cli.metrics.training_sets import small_labels, synthetic_counts

_BATCH = 64
_NEIGHBOURS_S = 8e-12  # seconds per product of two numbers
# Bootstraps and probes.
_REST_S = {"fidelity": 6.0, "disentanglement": 12.0, "conditions": 1.0, "usefulness": 3.0, "privacy": 4.0}
_VIEWS = 8


def estimate_seconds(evaluation: Evaluation, parts: Sequence[str]) -> dict[str, float]:
    """Seconds that each of these parts is expected to take; the judge's training counts to the first that needs it."""
    options, real = evaluation.options, evaluation.real
    generate_s, encode_s = _model_seconds(evaluation)
    step_s = _step_seconds(evaluation)
    feature_s = step_s / 4
    if options.features is not None:
        some = real.images[: _BATCH // 4]
        feature_s = _timed(lambda: evaluation.features().extractor.features(some)) / len(some)
    tested, trained = (len(evaluation.rows(name)) for name in (options.part, "train"))
    labels = len(real.schema.labels)
    samples = labels * options.samples
    out: dict[str, float] = {}
    for name in parts:
        seconds = _REST_S[name] * min(1.0, tested / 800) * (0.4 if options.quick else 1.0)
        if name == "fidelity":
            made = options.draws * tested + samples + tested
            seconds += made * (generate_s + feature_s) + 3 * tested * feature_s
        elif name == "disentanglement":
            seconds += samples * (generate_s + feature_s)
            if encode_s:
                seconds += options.pairs * (5 * generate_s + 4 * encode_s)
                seconds += min(trained, PROBE_ROWS if options.quick else MeasureConfig.probe_rows) * encode_s
        elif name == "conditions":
            seconds += 2 * tested * generate_s
            if not evaluation.instruments.has_reader(real.conditions):
                seconds += evaluation.instruments.reader_shown * step_s
        elif name == "usefulness":
            counts = np.bincount(real.labels[evaluation.rows("train")], minlength=labels)
            wanted = synthetic_counts(counts, options.usefulness_ratios, small_labels(counts))
            pool = int((np.minimum(wanted, POOL) if options.quick else wanted).sum())
            images = options.usefulness_images or UsefulnessConfig.images
            arms = (4 if options.quick else 5) + len(options.usefulness_ratios)
            seconds += pool * generate_s + arms * options.usefulness_seeds * images * step_s
            if options.features is not None:
                seconds += (trained + tested + min(pool, 400 * labels)) * feature_s
        else:
            unseen = min(tested, UNSEEN) if options.quick else tested
            queries = options.privacy_samples + 3 * unseen
            width = min(32, real.images.shape[1]) ** 2 * real.images.shape[3]
            seconds += _VIEWS * queries * (trained + options.privacy_samples) * width * _NEIGHBOURS_S
            seconds += options.privacy_samples * generate_s * 2 + 2 * unseen * (encode_s + generate_s)
            seconds += (trained + 2 * queries) * feature_s
            seconds += 60 * options.attack_minutes if options.attack else 0.0
        out[name] = seconds
    if parts and evaluation.needs_new_judge(parts):
        first = parts[0]
        out[first] += evaluation.instruments.judge_shown * step_s
    return out


def _model_seconds(evaluation: Evaluation) -> tuple[float, float]:
    """Seconds per generated and per encoded image; 0 where there is no such network."""
    networks = evaluation.networks
    if networks is None:
        return 0.0, 0.0
    rows = np.arange(min(_BATCH, len(evaluation.real.images)))
    source = evaluation.source
    generate_s = _timed(lambda: source.draw(rows, int(time.monotonic_ns() % 2**31))) / len(rows)
    if networks.encoder is None:
        return generate_s, 0.0
    images, conditions = evaluation.real.images[rows], evaluation.real.conditions[rows]
    return generate_s, _timed(lambda: encode(networks, images, conditions, evaluation.device)) / len(rows)


def _step_seconds(evaluation: Evaluation) -> float:
    """Seconds per image of training a classifier."""
    config, shape, device = UsefulnessConfig(), evaluation.real.images.shape, evaluation.device
    side = min(shape[1], config.largest)
    size = ConvNetConfig(
        side, shape[3], len(evaluation.real.schema.labels), config.widths, patch=patch_for(side)
    )
    network = build(size, 0).to(device).train()
    images, labels = (
        torch.zeros(config.batch_size, shape[3], side, side),
        torch.zeros(config.batch_size).long(),
    )

    def step() -> None:
        batch = augment(
            images, torch.Generator(), symmetry=evaluation.real.symmetry, turn_degrees=10, shift=2
        )
        with precision(device):
            outputs = network(batch.to(device))
        F.cross_entropy(outputs, labels.to(device)).backward()

    return _timed(step) / config.batch_size


def _timed(work: Callable[[], object]) -> float:
    """Seconds of the second call: the first one starts things up."""
    work()
    start = time.monotonic()
    work()
    return time.monotonic() - start
