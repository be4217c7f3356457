"""Measures of a model whose label is a set of findings: arrays in, JSON-able numbers out.

Each is a number per finding, with its baseline, and the mean over the findings that enough images show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from drai_cli.conditions.findings import PRESENT, UNKNOWN
from drai_cli.metrics import intervals
from drai_cli.metrics.auc import area
from drai_cli.metrics.finding_judge import FindingJudge
from drai_cli.metrics.finding_set import FindingsConfig, FindingSet, States, mean_of
from drai_cli.metrics.finding_swaps import measure_finding_swaps
from drai_cli.metrics.generation import ModelNetworks, encode, sample
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.measured_style import measured_style
from drai_cli.metrics.probes import measure_probe


def measure_findings(
    data: FindingSet,
    networks: ModelNetworks,
    judge: FindingJudge,
    style_dim: int,
    config: FindingsConfig | None = None,
    *,
    part: str = "test",
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """All of them; what needs an encoder is None without one.

    Returns:
        `agreement`, `co_occurrence`, `swaps` and `label_in_style`: see the functions below; `findings`, the names of
        those reported; `part`, `n` and `seed`.
    """
    config = config or FindingsConfig()
    rows = data.rows(part)
    asked = rows[np.random.default_rng(seed).integers(0, len(rows), config.samples)]
    made = sample(networks, data.conditions[asked], style_dim, data.images.dtype, seed=seed, device=device)
    out = measure_findings_of_images(data, judge, made, data.states[asked], config, part=part, seed=seed)
    if networks.encoder is not None:
        out["swaps"] = measure_finding_swaps(
            data, networks, judge, config, part=part, seed=seed, device=device
        )
        out["label_in_style"] = measure_style_probe(
            data, networks, config, part=part, seed=seed, device=device
        )
    return out


def measure_findings_of_images(
    data: FindingSet,
    judge: FindingJudge,
    made: Images,
    asked: States,
    config: FindingsConfig | None = None,
    *,
    part: str = "test",
    seed: int,
) -> dict[str, Any]:
    """What can be measured of synthetic images alone, whatever made them; `asked` are their findings.

    Returns:
        As `measure_findings`; `swaps` and `label_in_style` are None.
    """
    least = (config or FindingsConfig()).least
    return {
        "part": part,
        "n": len(data.rows(part)),
        "seed": seed,
        "findings": [data.names[one] for one in data.reported(part, least)],
        "agreement": measure_agreement(data, judge, made, asked, part=part, least=least, seed=seed),
        "co_occurrence": measure_co_occurrence(data, judge, made, part=part, least=least, seed=seed),
        "swaps": None,
        "label_in_style": None,
    }


def measure_agreement(
    data: FindingSet,
    judge: FindingJudge,
    made: Images,
    asked: States,
    *,
    part: str,
    least: int,
    seed: int,
) -> dict[str, Any]:
    """Does the judge find in samples what was asked for?

    Args:
        data: The real images.
        judge: Trained on the real training images.
        made: Samples.
        asked: The findings that each was asked to show; unknown ones do not count.
        part: Rows that are reported on.
        least: As in `FindingsConfig`.
        seed: Of the bootstrap.

    Returns:
        `by_finding`: for each, `auc` of the judge's probability on samples for what was asked, `auc_real` the same on
        real images, `balanced` and `balanced_real` the balanced accuracies at the judge's threshold, `n` samples and
        `n_real` images with the finding. `mean`: of each over the findings. `all_right`: share of samples in which each
        known finding is as asked, and `all_right_real` the judge's own on real images.
    """
    rows = data.rows(part)
    sides = {
        "": (judge.probabilities(made), asked, np.arange(len(asked))),
        "_real": (judge.probabilities(data.images[rows]), data.states[rows], data.groups[rows]),
    }
    out: dict[str, Any] = {"by_finding": {data.names[one]: {} for one in data.reported(part, least)}}
    for side, (scores, states, groups) in sides.items():
        shown = judge.find_present(scores)
        for one in data.reported(part, least):
            known = states[:, one] != UNKNOWN
            present = states[known, one] == PRESENT
            weights = intervals.group_weights(groups[known], seed)
            correct = intervals.macro_mean(shown[known, one] == present, present.astype(np.int64))
            out["by_finding"][data.names[one]] |= {
                f"auc{side}": intervals.estimate(area(scores[known, one], present), weights).to_json(),
                f"balanced{side}": intervals.estimate(correct, weights).to_json(),
                f"n{side}": int(present.sum()),
            }
        right = ((shown == (states == PRESENT)) | (states == UNKNOWN)).all(1)
        weights = intervals.group_weights(groups, seed)
        out[f"all_right{side}"] = intervals.estimate(intervals.mean(right), weights).to_json()
    out["mean"] = mean_of(out["by_finding"], ("auc", "auc_real", "balanced", "balanced_real"))
    return out


def measure_co_occurrence(
    data: FindingSet,
    judge: FindingJudge,
    made: Images,
    *,
    part: str,
    least: int,
    seed: int,
) -> dict[str, Any]:
    """Do findings occur together in samples as in real images? Arguments as in `measure_agreement`.

    Returns:
        `correlation`: of the entries above the diagonal of two matrices, the correlations between the findings that the
        judge sees in samples, and in real images. `correlation_real`: the same of two random halves of the real images,
        mean over ten divisions by group: what samples could reach, or less, as halves are smaller. `samples`, `real`:
        the matrices, rows and columns as `findings`. None with fewer than three findings.
    """
    reported, rows = data.reported(part, least), data.rows(part)
    if len(reported) < 3:
        return {
            "correlation": None,
            "correlation_real": None,
            "findings": [data.names[one] for one in reported],
        }
    scores = judge.probabilities(data.images[rows])[:, reported]
    of_real = _correlations(scores)
    of_samples = _correlations(judge.probabilities(made)[:, reported])
    names, group = np.unique(data.groups[rows], return_inverse=True)
    generator = np.random.default_rng(seed)
    halves = []
    for _ in range(10):
        first = generator.permutation(len(names))[group] < len(names) / 2
        if 2 < first.sum() < len(first) - 2:
            halves.append(_alike(_correlations(scores[first]), _correlations(scores[~first])))
    return {
        "findings": [data.names[one] for one in reported],
        "correlation": _alike(of_samples, of_real),
        "correlation_real": float(np.mean(halves)) if halves else None,
        "samples": of_samples.round(4).tolist(),
        "real": of_real.round(4).tolist(),
        "n": len(made),
    }


def measure_style_probe(
    data: FindingSet,
    networks: ModelNetworks,
    config: FindingsConfig,
    *,
    part: str,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """How well each finding is predicted from the inferred style, as in `probes.measure_probe`.

    Returns:
        `by_finding`: for each the probe's balanced `value` with its interval, and its `floor`, the same from style
        measured on the images. `mean` of both over the findings.
    """
    chosen = np.sort(
        np.concatenate(
            [
                _some(data.rows("train"), config.probe_rows, seed),
                data.rows("validation"),
                *([data.rows(part)] if part != "validation" else []),
            ]
        )
    )
    codes = encode(networks, data.images[chosen], data.conditions[chosen], device)
    floor = measured_style(data.images[chosen])
    by_finding: dict[str, Any] = {}
    for one in data.reported(part, config.least):
        known = data.states[chosen, one] != UNKNOWN
        rows = chosen[known]
        present = (data.states[rows, one] == PRESENT).astype(np.int64)
        if any(
            len(np.unique(present[data.parts[rows] == name])) < 2 for name in ("train", "validation", part)
        ):
            continue
        probe = measure_probe(
            codes.style[known], present, data.parts[rows], data.groups[rows], 2,
            part=part, floor=floor[known], seed=seed,
        )  # fmt: skip
        by_finding[data.names[one]] = {
            "value": probe["value"],
            "low": probe["low"],
            "high": probe["high"],
            "floor": probe["floor"]["value"],
            "n": probe["n"],
        }
    return {"by_finding": by_finding, "mean": mean_of(by_finding, ("value", "floor"))}


def _some(rows: np.ndarray, limit: int, seed: int) -> np.ndarray:
    return rows if len(rows) <= limit else np.random.default_rng(seed).choice(rows, limit, replace=False)


def _correlations(scores: Float[np.ndarray, "n findings"]) -> Float[np.ndarray, "findings findings"]:
    """Correlations between columns; 0 for one that is constant."""
    centred = scores - scores.mean(0)
    scale = np.sqrt((centred**2).mean(0))
    standard = np.where(scale > 1e-9, centred / np.maximum(scale, 1e-9), 0.0)
    out: np.ndarray = standard.T @ standard / len(scores)
    return out


def _alike(left: Float[np.ndarray, "k k"], right: Float[np.ndarray, "k k"]) -> float:
    above = np.triu_indices(len(left), 1)
    if min(left[above].std(), right[above].std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(left[above], right[above])[0, 1])
