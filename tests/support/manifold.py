"""Measures of two sets of features, from the rows that `drai evaluate` resamples."""

from __future__ import annotations

import numpy as np

from drai_cli.metrics.manifold import NEIGHBOURS, manifold_rows


def measure_manifold(real: np.ndarray, other: np.ndarray, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage of all rows."""
    return {name: float(rows.mean()) for name, rows in manifold_rows(real, other, neighbours).items()}
