"""What the label of a set of DICOM files could be, where nobody has said it: folders and keywords, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drai_cli.data.folders import read_folders
from drai_cli.data.items import read_dicom_items
from drai_cli.data.label import FOLDER
from drai_cli.data.tree import walk
from drai_cli.io.dicom.format import DICOM

_KEYWORDS = (
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "ImageLaterality",
    "Laterality",
    "PatientSex",
)
"""What headers often say of a class; nothing that could name a patient."""


@dataclass(frozen=True)
class LabelCandidates:
    """What could be the label.

    Attributes:
        path: The set, as given.
        files: DICOM files that are images.
        patients: Different patients among them, as far as headers say.
        found: What to give to --label, each with the images of each value; `` for images without one.
    """

    path: str
    files: int
    patients: int
    found: Mapping[str, Mapping[str, int]]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def list_candidates(path: Path) -> LabelCandidates:
    """Reads the headers of a folder of DICOM files, and counts the values of what could be their label."""
    tree = walk(path)
    names = tree.medical[DICOM.name]
    folders = read_folders(names)
    images = [
        item
        for item in read_dicom_items(tree, names, (*_KEYWORDS, "PatientID"))
        if not item.refusal and item.name not in folders.masks
    ]
    found = {FOLDER: Counter(folders.classes.get(item.name, "") for item in images)}
    for keyword in _KEYWORDS:
        found[keyword] = Counter(item.values.get(keyword, "") for item in images)
    patients = {item.values.get("PatientID", "") for item in images} - {""}
    told = {name: dict(counts.most_common()) for name, counts in found.items() if set(counts) - {""}}
    return LabelCandidates(str(path), len(images), len(patients), told)
