"""The table of true style factors that comes with phantoms."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from drai_cli.data.phantom import FACTORS
from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError


def read_factors(table: Path, data: PreparedSet) -> dict[str, np.ndarray] | None:
    """True style factors of every row by name, float32; None where the table has none (only phantoms have)."""
    if not table.is_file():
        return None
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"file_name", *FACTORS} <= rows[0].keys():
        return None
    by_name = {row["file_name"]: row for row in rows}
    missing = [entry.name for entry in data.entries if entry.name not in by_name]
    if missing:
        raise InputError(table, f"{len(missing)} images have no row, such as {missing[0]}")
    return {
        name: np.array([float(by_name[entry.name][name]) for entry in data.entries], np.float32)
        for name in FACTORS
    }
