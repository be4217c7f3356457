"""All measures without a second training, of a model or a folder of images, in one call: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from drai_cli.metrics.factors import FactorRegressor, factor_table, r_squared
from drai_cli.metrics.fidelity import measure_fidelity
from drai_cli.metrics.generation import Codes, ModelNetworks, encode, style_dim_of
from drai_cli.metrics.judge import Judge
from drai_cli.metrics.known_factors import KnownFactors
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.measured_style import measured_style
from drai_cli.metrics.mig_and_dci import measure_dci, mutual_information_gap
from drai_cli.metrics.probes import measure_probe
from drai_cli.metrics.samples import Extractor, measure_agreement, measure_judge, rows_per_label
from drai_cli.metrics.source import ModelSource, SampleSource, drawable
from drai_cli.metrics.spread import measure_spread
from drai_cli.metrics.swaps import choose_pairs, measure_swaps, swap_images

MEASURES = ("agreement", "distance", "spread", "swaps", "probes", "codes")

JUDGED = frozenset({"agreement", "swaps"})
"""Those that need the judge, whatever the extractor."""


@dataclass(frozen=True)
class MeasureConfig:
    """Sample sizes.

    Attributes:
        samples_per_label: Samples for agreement and spread.
        pairs: Swaps, rounded up so that every ordered pair of labels is equally frequent.
        probe_rows: Most training images encoded for the probes.
        draws: Independent draws of samples for the Fréchet distance; its interval is their range.
        has_shuffled_labels: Whether the probes are fitted to shuffled labels too, which takes as long again.
    """

    samples_per_label: int = 200
    pairs: int = 1050
    probe_rows: int = 4000
    draws: int = 3
    has_shuffled_labels: bool = True


def measure(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    networks: ModelNetworks | None,
    conditions: Float32[np.ndarray, "n t"],
    label_count: int,
    *,
    source: SampleSource | None = None,
    part: str = "test",
    factors: Mapping[str, Float32[np.ndarray, " n"]] | None = None,
    extractor: Extractor | None = None,
    judge: Judge | None = None,
    regressor: FactorRegressor | None = None,
    config: MeasureConfig | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
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
        networks: The model in eval mode; None where there are only images, from `source`.
        conditions: Condition vector per row.
        label_count: Labels the model knows.
        source: Of the synthetic images; None: `networks`.
        part: Rows that are reported on.
        factors: True style factors per row, where known.
        extractor: Features for distances and spread; None for the judge's own.
        judge: Trained on these training rows; None where no measure needs it.
        regressor: Predicts `factors` from images; needed for the factor rows.
        config: Sample sizes; None for the defaults.
        columns: Columns whose subgroups are measured, as in `measure_fidelity`.
        only: Some of `MEASURES`; None for all.
        seed: Of samples, pairs, probes and bootstrap.
        device: Where the networks are.

    Returns:
        A dict with an entry per measure, and `part`, `n`, `seed`, `extractor`, `comparable_with`, and `judge` where
        there is one. Measures that need an encoder are None without one, and so is the label in content where content
        is not inferred.

    Raises:
        ValueError: Neither networks nor a source, or no judge where one is needed.
    """
    config = config or MeasureConfig()
    wanted = set(MEASURES if only is None else only)
    if judge is None and (extractor is None or wanted & JUDGED):
        raise ValueError("expected a judge: these measures need it, or its features")
    rows = np.flatnonzero(parts == part)
    here, here_labels, here_groups = images[rows], labels[rows], groups[rows]
    space = extractor or judge
    assert space is not None
    out: dict[str, Any] = {
        "part": part,
        "n": len(rows),
        "seed": seed,
        "extractor": space.name,
        "comparable_with": space.comparable_with,
    }
    if judge is not None:
        own = measure_judge(judge, here, here_labels, here_groups, seed)
        out["judge"] = {"balanced_accuracy": own.to_json()}
    if source is None:
        if networks is None:
            raise ValueError("expected networks or a source of images")
        style_dim = style_dim_of(networks, here[:1], device)
        source = ModelSource(networks, conditions, style_dim, images.dtype, device)
    if wanted & {"agreement", "spread"}:
        chosen = rows_per_label(here_labels, config.samples_per_label, seed)
        chosen = chosen[drawable(source, rows[chosen], here_labels[chosen])]
        made = source.draw(rows[chosen], seed)
        if "agreement" in wanted and judge is not None:
            out["agreement"] = measure_agreement(judge, made, here_labels[chosen], own, seed)
        if "spread" in wanted:
            pool = np.flatnonzero(parts == "train")
            pool = pool[rows_per_label(labels[pool], config.samples_per_label, seed, again=False)]
            out["spread"] = measure_spread(
                space.features(here),
                here_labels,
                here_groups,
                space.features(made),
                here_labels[chosen],
                other=space.features(images[pool]),
                other_labels=labels[pool],
                seed=seed,
            )
    if "distance" in wanted:
        out["distance"] = measure_fidelity(
            space, images, labels, parts, groups, source, part=part, columns=columns, draws=config.draws,
            seed=seed,
        )  # fmt: skip
    if "swaps" in wanted:
        out["swaps"] = None
        if judge is not None and networks is not None and networks.encoder is not None:
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
    if wanted & {"probes", "codes"}:
        out |= dict.fromkeys(wanted & {"probes", "codes"})
        if networks is not None and networks.encoder is not None:
            chosen = _probe_rows(parts, part, config.probe_rows, seed)
            codes = encode(networks, images[chosen], conditions[chosen], device)
            known = None if factors is None else {name: values[chosen] for name, values in factors.items()}
            if "probes" in wanted:
                floor = measured_style(images[chosen]) if known is None else factor_table(known)[1]
                of = (labels[chosen], parts[chosen], groups[chosen], label_count)
                how: dict[str, Any] = {"part": part, "seed": seed, "has_shuffled": config.has_shuffled_labels}
                out["probes"] = {
                    "label_in_style": measure_probe(codes.style, *of, floor=floor, **how),
                    # Content that comes from the condition contains the label by definition.
                    "label_in_content": measure_probe(codes.content, *of, **how)
                    if codes.has_inferred_content
                    else None,
                    "floor_from": "measured style" if known is None else "known factors",
                }
            if "codes" in wanted and known is not None:
                out["codes"] = _measure_codes(
                    codes, {**known, "label": labels[chosen]}, parts[chosen], part, seed
                )
    return out


def _measure_codes(
    codes: Codes, factors: KnownFactors, parts: np.ndarray, part: str, seed: int
) -> dict[str, Any]:
    """MIG and DCI of the inferred codes together, and which of the two encodes each factor."""
    inferred = {"content": codes.content} if codes.has_inferred_content else {}
    inferred["style"] = codes.style
    table = np.concatenate(list(inferred.values()), 1)
    ends = np.cumsum([block.shape[1] for block in inferred.values()])
    blocks = {
        name: slice(end - block.shape[1], end)
        for (name, block), end in zip(inferred.items(), ends, strict=True)
    }
    dci = measure_dci(table, factors, parts, blocks, part=part, seed=seed)
    reported = parts == part
    mig = mutual_information_gap(
        table[reported], {name: values[reported] for name, values in factors.items()}
    )
    return {
        "mig": mig.value, "mig_by_factor": mig.gaps, "disentanglement": dci.disentanglement,
        "completeness": dci.completeness, "informativeness": dci.informativeness,
        "informativeness_by_factor": dci.by_factor, "shares": dci.shares, "n": dci.n,
    }  # fmt: skip


def _probe_rows(parts: np.ndarray, part: str, limit: int, seed: int) -> np.ndarray:
    train = np.flatnonzero(parts == "train")
    if len(train) > limit:
        train = np.random.default_rng(seed).choice(train, limit, replace=False)
    others = np.flatnonzero((parts == "validation") | (parts == part))
    return np.sort(np.concatenate([train, others]))
