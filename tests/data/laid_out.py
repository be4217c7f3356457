"""Sets laid out in a folder for a test, their tables, and what was listed of them."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np


def lay_out_names(root: Path, *names: str) -> Path:
    """Files that hold nothing but their names: only names and tables are looked at."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def lay_out_images(
    root: Path, save_image: Any, *names: str, table: str = "", rows: Any = (), delimiter: str = ","
) -> Path:
    """Files of different images, PNG, or volumes where a name ends in `.nii.gz`, and a table."""
    for seed, name in enumerate(names):
        if name.endswith((".nii", ".nii.gz")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            array = np.random.default_rng(seed).integers(0, 99, (6, 6, 2)).astype(np.int16)
            nibabel.Nifti1Image(array, np.eye(4)).to_filename(root / name)
        else:
            save_image(root / name, seed, (8, 8))
    root.mkdir(exist_ok=True)
    if table:
        write(root / table, rows, delimiter)
    return root


def write(path: Path, rows: Any, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


HAM = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
"""Columns of HAM10000's table."""


def write_table(path: Path, columns: Any, rows: Any, delimiter: str = ",") -> Path:
    """A table in a folder that exists; returns its path."""
    write(path, [columns, *rows], delimiter)
    return path


def labels_of(found: Any) -> dict[str, Any]:
    return {found.pixels.file_of(entry): entry.values[found.label] for entry in found.entries}


def parts_of(found: Any) -> dict[str, Any]:
    return {found.pixels.file_of(entry): entry.part for entry in found.entries}


def groups_of(found: Any) -> list[list[str]]:
    groups = defaultdict(set)
    for entry in found.entries:
        groups[entry.group].add(found.pixels.file_of(entry))
    return sorted(sorted(files) for files in groups.values())
