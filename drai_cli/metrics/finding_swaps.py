"""Swaps of styles between images with sets of findings: arrays in, JSON-able numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from drai_cli.conditions.findings import ABSENT, PRESENT
from drai_cli.metrics import intervals
from drai_cli.metrics.finding_judge import FindingJudge
from drai_cli.metrics.finding_set import FindingsConfig, FindingSet, mean_of
from drai_cli.metrics.generation import ModelNetworks, encode, generate
from drai_cli.metrics.swaps import frame_colour


def measure_finding_swaps(
    data: FindingSet,
    networks: ModelNetworks,
    judge: FindingJudge,
    config: FindingsConfig,
    *,
    part: str,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Is each finding of a kept in G(c_a, z_b), and none taken from b?

    For each finding, pairs of the four cases are drawn: a has it or not, b has it or not.

    Returns:
        `by_finding`: for each, `kept`: balanced share of the swaps in which the judge sees a's state, over pairs in
        which b's differs; `kept_of_a` and `kept_of_reconstruction`: the same of a itself and of G(c_a, z_a); `leaked`:
        how much more often the finding is seen where b has it than where b does not, a being the same, mean over both
        states of a: 0 if style carries nothing of it. `mean` of each over the findings. `followed`, `leftover`:
        correlation of the colour of the frame's border with b's and with a's; `pairs`.
    """
    rows, generator = data.rows(part), np.random.default_rng(seed)
    states = data.states[rows]
    chosen: list[tuple[int, bool, bool, np.ndarray, np.ndarray]] = []
    for one in data.reported(part, config.least):
        with_it, without = (np.flatnonzero(states[:, one] == state) for state in (PRESENT, ABSENT))
        for has_a, has_b in ((True, False), (False, True), (True, True), (False, False)):
            a = generator.choice(with_it if has_a else without, config.pairs)
            b = generator.choice(with_it if has_b else without, config.pairs)
            chosen.append((one, has_a, has_b, a, b))
    if not chosen:
        return {"by_finding": {}, "mean": {}, "pairs": 0}
    a, b = (np.concatenate([case[side] for case in chosen]) for side in (3, 4))
    images = data.images[rows]
    codes = encode(networks, images, data.conditions[rows], device)
    swapped = generate(networks, codes.content[a], codes.style[b], images.dtype, device)
    again = generate(networks, codes.content, codes.style, images.dtype, device)
    of_swaps, of_real, of_again = (
        judge.find_present(judge.probabilities(some)) for some in (swapped, images, again)
    )
    out: dict[str, Any] = {"by_finding": {}, "pairs": len(a)}
    # How often the finding is seen in the swaps, in a itself and in a's reconstruction, in each case.
    by_case: dict[tuple[int, bool, bool], np.ndarray] = {}
    for number, (one, has_a, has_b, its_a, _) in enumerate(chosen):
        place = slice(number * config.pairs, (number + 1) * config.pairs)
        views = of_swaps[place, one], of_real[its_a, one], of_again[its_a, one]
        by_case[one, has_a, has_b] = np.array([view.mean() for view in views])
    for one in data.reported(part, config.least):
        with_it, without = by_case[one, True, False], by_case[one, False, True]
        kept = (with_it + 1 - without) / 2
        leaks = [by_case[one, has_a, True][0] - by_case[one, has_a, False][0] for has_a in (True, False)]
        out["by_finding"][data.names[one]] = {
            "kept": float(kept[0]),
            "kept_of_a": float(kept[1]),
            "kept_of_reconstruction": float(kept[2]),
            "leaked": float(np.mean(leaks)),
            "n": int((states[:, one] == PRESENT).sum()),
        }
    out["mean"] = mean_of(out["by_finding"], ("kept", "kept_of_a", "kept_of_reconstruction", "leaked"))
    colour, real_colour = frame_colour(swapped), frame_colour(images)
    weights = intervals.pair_weights(data.groups[rows][a], data.groups[rows][b], seed)
    for name, side in (("followed", b), ("leftover", a)):
        out[name] = intervals.estimate(intervals.correlation(colour, real_colour[side]), weights).to_json()
    return out
