"""All measures of one model on one part of one data set, in one call. Arrays and callables in, JSON-able numbers out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Integer

from drai_cli.metrics import intervals
from drai_cli.metrics.factors import FactorRegressor, factor_table, r_squared
from drai_cli.metrics.frechet import frechet_distance, kernel_distance, match_counts
from drai_cli.metrics.generation import ModelNetworks, encode, sample
from drai_cli.metrics.judge import Judge, balanced_accuracy, train_judge
from drai_cli.metrics.measured_style import measured_style
from drai_cli.metrics.pixels import to_unit
from drai_cli.metrics.probes import measure_probe
from drai_cli.metrics.spread import measure_spread
from drai_cli.metrics.swaps import choose_pairs, measure_swaps, swap_images

Images = Integer[np.ndarray, "n h w c"]

MEASURES = ("agreement", "distance", "spread", "swaps", "probes")


class Extractor(Protocol):
    """Turns stored images into features for distances and spread; its name stands beside every number."""

    @property
    def name(self) -> str: ...
    def features(self, images: Images) -> Float[np.ndarray, "n d"]: ...


@dataclass(frozen=True)
class MeasureConfig:
    """How much is looked at.

    Attributes:
        samples_per_label: Samples for agreement and spread.
        pairs: Swaps, rounded up so that every ordered pair of labels comes equally often.
        probe_rows: Training images encoded for the probes, at most.
        draws: Independent draws of samples for the Fréchet distance, whose range is its interval.
    """

    samples_per_label: int = 200
    pairs: int = 1050
    probe_rows: int = 8000
    draws: int = 3


def measure(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    networks: ModelNetworks,
    conditions: Float32[np.ndarray, "n t"],
    label_count: int,
    *,
    part: str = "test",
    factors: Mapping[str, Float32[np.ndarray, " n"]] | None = None,
    extractor: Extractor | None = None,
    judge: Judge | None = None,
    regressor: FactorRegressor | None = None,
    config: MeasureConfig | None = None,
    only: Collection[str] | None = None,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """The measures of METHOD.md section 4 that need no second training run.

    Args:
        images: Stored images of all parts.
        labels: Label index per row.
        parts: `train`, `validation` or `test` per row.
        groups: Lesion or patient per row; intervals resample these.
        networks: The model, in eval mode, at the precision wanted.
        conditions: Condition vector per row.
        label_count: Labels the model knows.
        part: Rows that are reported on.
        factors: True style factors per row, where known.
        extractor: Features for distances and spread; None for the judge's own.
        judge: Trained on these training rows; None to train one here.
        regressor: Reads `factors` off images; needed for the factor rows.
        config: How much is looked at; None for the defaults.
        only: Some of `MEASURES`; None for all.
        seed: Samples, pairs, probes and bootstrap follow from it.
        device: Where the networks are.

    Returns:
        A dict with an entry per measure, and `judge`, `part`, `n`, `seed`, `extractor`. Measures that need an encoder are None where
        there is none.
    """
    config = config or MeasureConfig()
    wanted = set(MEASURES if only is None else only)
    if judge is None:
        judge = train_judge(images, labels, parts, label_count, seed=seed, device=device)
    rows = np.flatnonzero(parts == part)
    here, here_labels, here_groups = images[rows], labels[rows], groups[rows]
    weights = intervals.group_weights(here_groups, seed)
    said = judge.labels(here)
    own = intervals.estimate(intervals.macro_mean(said == here_labels, here_labels), weights)
    out: dict[str, Any] = {
        "part": part,
        "n": len(rows),
        "seed": seed,
        "judge": {"balanced_accuracy": own.to_json()},
        "extractor": (extractor or judge).name,
    }
    has_encoder = networks.encoder is not None
    style_dim = _style_dim(networks, here[:1], device)

    if wanted & {"agreement", "spread"}:
        chosen = _rows_per_label(here_labels, config.samples_per_label, seed)
        made = sample(networks, conditions[rows[chosen]], style_dim, images.dtype, seed=seed, device=device)
        made_labels = here_labels[chosen]
        if "agreement" in wanted:
            out["agreement"] = _agreement(judge, made, made_labels, own, seed)
        if "spread" in wanted:
            source = extractor or judge
            out["spread"] = measure_spread(
                source.features(here), here_labels, here_groups, source.features(made), made_labels, seed=seed
            )
    if "distance" in wanted:
        out["distance"] = _distance(
            extractor or judge,
            images,
            labels,
            parts,
            groups,
            networks,
            conditions,
            style_dim,
            part,
            config,
            seed,
            device,
        )
    if "swaps" in wanted:
        out["swaps"] = None
        if has_encoder:
            known = None if factors is None else {name: values[rows] for name, values in factors.items()}
            pairs = choose_pairs(here_labels, config.pairs, seed)
            swapped = swap_images(networks, here, conditions[rows], pairs, device)
            out["swaps"] = measure_swaps(
                swapped,
                here,
                here_labels,
                here_groups,
                pairs,
                judge,
                regressor=regressor,
                factors=known,
                seed=seed,
            )
            if regressor is not None and known is not None:
                names, table = factor_table(known)
                scores = r_squared(regressor.predict(here), table)
                out["regressor"] = {"r2": dict(zip(names, scores.tolist(), strict=True)), "n": len(rows)}
    if "probes" in wanted:
        out["probes"] = None
        if has_encoder:
            kept = _probe_rows(parts, part, config.probe_rows, seed)
            codes = encode(networks, images[kept], conditions[kept], device)
            known = None if factors is None else {name: values[kept] for name, values in factors.items()}
            floor = measured_style(images[kept]) if known is None else factor_table(known)[1]
            of = (labels[kept], parts[kept], groups[kept], label_count)
            out["probes"] = {
                "label_in_style": measure_probe(codes.style, *of, part=part, floor=floor, seed=seed),
                "label_in_content": measure_probe(codes.content, *of, part=part, seed=seed),
                "floor_from": "measured style" if known is None else "known factors",
            }
    return out


def _agreement(
    judge: Judge, made: Images, made_labels: np.ndarray, own: intervals.Estimate, seed: int
) -> dict[str, Any]:
    """Balanced accuracy of the judge on samples, and per label; beside it the judge's on real images."""
    said = judge.labels(made)
    weights = intervals.group_weights(np.arange(len(made)), seed)
    found = intervals.estimate(intervals.macro_mean(said == made_labels, made_labels), weights)
    by_label = {str(int(k)): float((said[made_labels == k] == k).mean()) for k in np.unique(made_labels)}
    return {
        **found.to_json(),
        "labels": by_label,
        "real": own.to_json(),
        "ratio": found.value / max(own.value, 1e-9),
    }


def _distance(
    source: Extractor,
    images: Images,
    labels: np.ndarray,
    parts: np.ndarray,
    groups: np.ndarray,
    networks: ModelNetworks,
    conditions: np.ndarray,
    style_dim: int,
    part: str,
    config: MeasureConfig,
    seed: int,
    device: torch.device | str,
) -> dict[str, Any]:
    """Fréchet and kernel distance of samples to the part, beside training images at the same n and class counts."""
    rows, train = np.flatnonzero(parts == part), np.flatnonzero(parts == "train")
    values: dict[str, list[float]] = {"samples": [], "real": []}
    kernels = {}
    for draw in range(config.draws):
        chosen, pool = match_counts(labels[rows], labels[train], seed + draw)
        reference, other = rows[chosen], train[pool]
        real = source.features(images[reference])
        made = sample(
            networks,
            conditions[reference],
            style_dim,
            images.dtype,
            seed=seed + 1000 * (draw + 1),
            device=device,
        )
        for name, features, their_groups in (
            ("samples", source.features(made), np.arange(len(made))),
            ("real", source.features(images[other]), groups[other]),
        ):
            values[name].append(frechet_distance(real, features))
            if draw == 0:
                kernels[name] = kernel_distance(
                    real, features, groups[reference], their_groups, seed
                ).to_json()
    n = len(chosen)
    frechet = {
        name: {
            "value": float(np.mean(found)),
            "low": min(found),
            "high": max(found),
            "n": n,
            "draws": len(found),
        }
        for name, found in values.items()
    }
    ratio = frechet["samples"]["value"] / max(frechet["real"]["value"], 1e-12)
    return {"extractor": source.name, "frechet": {**frechet, "ratio": ratio}, "kernel": kernels}


def quick_measure(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    groups: np.ndarray,
    networks: ModelNetworks,
    conditions: Float32[np.ndarray, "n t"],
    judge: Judge,
    *,
    count: int = 420,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """A look during training, in seconds: pass the validation rows alone.

    Args:
        images: Validation images.
        labels: Of those images.
        groups: Of those images.
        networks: The averaged networks, in eval mode.
        conditions: Of those images.
        judge: Trained before; the same one at every tick.
        count: Samples, and pairs to swap.
        seed: The same at every tick, so that ticks compare.
        device: Where the networks are.

    Returns:
        `agreement` and `agreement_ratio` (to the judge's own on real images), `frechet` in the judge's features; and with an
        encoder `kept`, `kept_ratio`, `leaked`, `followed`, `leftover`. `score`, higher is better: the mean of the agreement ratio, the
        kept ratio and followed less leftover (those that there are), less a tenth of the logarithm of 1 + the distance over that between
        two halves of the real images.
    """
    chosen = _rows_per_label(labels, -(-count // len(np.unique(labels))), seed)
    style_dim = _style_dim(networks, images[:1], device)
    made = sample(networks, conditions[chosen], style_dim, images.dtype, seed=seed, device=device)
    made_said, made_features = judge.judge(made)
    said, features = judge.judge(images)
    own = balanced_accuracy(said, labels)
    agreement = balanced_accuracy(made_said, labels[chosen])
    order = np.random.default_rng(seed).permutation(len(images))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    real_distance = frechet_distance(features[halves[0]], features[halves[1]])
    balanced = features[chosen]
    distance = frechet_distance(balanced, made_features)
    out = {"agreement": agreement, "agreement_ratio": agreement / max(own, 1e-9), "frechet": distance}
    parts = [min(out["agreement_ratio"], 1.0)]
    if networks.encoder is not None:
        pairs = choose_pairs(labels, count, seed)
        swapped = swap_images(networks, images, conditions, pairs, device, cycle=False)
        rows = measure_swaps(swapped, images, labels, groups, pairs, judge, seed=seed)["rows"]
        for name in ("kept", "leaked", "followed", "leftover"):
            out[name] = rows["swap"][name]["value"]
        out["kept_ratio"] = out["kept"] / max(rows["a"]["kept"]["value"], 1e-9)
        parts += [min(out["kept_ratio"], 1.0), out["followed"] - max(out["leftover"], 0.0)]
    out["score"] = float(np.mean(parts) - 0.1 * np.log1p(distance / max(real_distance, 1e-9)))
    return out


def _rows_per_label(labels: np.ndarray, each: int, seed: int) -> np.ndarray:
    """`each` rows of every label, rows of rare labels taking turns."""
    generator = np.random.default_rng(seed)
    out = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rounds = [generator.permutation(rows) for _ in range(-(-each // len(rows)))]
        out.append(np.concatenate(rounds)[:each])
    return np.concatenate(out)


def _probe_rows(parts: np.ndarray, part: str, limit: int, seed: int) -> np.ndarray:
    train = np.flatnonzero(parts == "train")
    if len(train) > limit:
        train = np.random.default_rng(seed).choice(train, limit, replace=False)
    others = np.flatnonzero((parts == "validation") | (parts == part))
    return np.sort(np.concatenate([train, others]))


@torch.inference_mode()
def _style_dim(networks: ModelNetworks, image: Images, device: torch.device | str) -> int:
    """Style dimensions, asked of the encoder or, without one, of the generator's own attribute."""
    dim = getattr(networks, "style_dim", None) or getattr(networks.generator, "style_dim", None)
    if dim is not None:
        return int(dim)
    if networks.encoder is None:
        raise ValueError("networks without an encoder have to say their style_dim")
    _, style = networks.encoder(to_unit(image).to(device))
    return int(style.mean.shape[1])
