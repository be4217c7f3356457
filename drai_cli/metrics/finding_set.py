"""Real images with their findings, and the sizes of what is measured on them. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int64

from drai_cli.conditions.findings import ABSENT, PRESENT
from drai_cli.metrics.mapping import Images

States = Int8[np.ndarray, "n findings"]


@dataclass(frozen=True)
class FindingsConfig:
    """Sample sizes.

    Attributes:
        samples: Samples for agreement and co-occurrence.
        pairs: Swaps for each finding and each of the four cases (a has it or not, b has it or not).
        probe_rows: Most training images encoded for the probes.
        least: Images of the reported part that show a finding, and that do not, for the finding to be reported.
    """

    samples: int = 2000
    pairs: int = 60
    probe_rows: int = 4000
    least: int = 5


@dataclass(frozen=True)
class FindingSet:
    """Real images with their findings, of all parts.

    Attributes:
        images: Stored images.
        states: Findings of each image: see `Findings.states`.
        parts: `train`, `validation` or `test` of each image.
        groups: Patient or the like of each image; intervals resample these.
        conditions: Condition vector of each image.
        names: The findings.
    """

    images: Images
    states: States
    parts: np.ndarray
    groups: np.ndarray
    conditions: Float32[np.ndarray, "n t"]
    names: tuple[str, ...]

    def rows(self, part: str) -> Int64[np.ndarray, " rows"]:
        """The rows of one part."""
        return np.flatnonzero(self.parts == part)

    def reported(self, part: str, least: int) -> list[int]:
        """The findings that at least `least` images of a part show, and as many do not."""
        states = self.states[self.rows(part)]
        present, absent = (states == PRESENT).sum(0), (states == ABSENT).sum(0)
        return np.flatnonzero((present >= least) & (absent >= least)).tolist()


def mean_of(by_finding: dict[str, dict[str, Any]], names: Sequence[str]) -> dict[str, float]:
    """The mean over findings of each number, or of its value where it has an interval."""
    means = {}
    for name in names:
        values = [
            one[name]["value"] if isinstance(one[name], dict) else one[name] for one in by_finding.values()
        ]
        means[name] = float(np.mean(values)) if values else float("nan")
    return means
