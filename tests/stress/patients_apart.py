"""Counts patients and lesions on both sides of the split that `drai train` would make, by other code than drai's.

    python tests/stress/patients_apart.py SHARED

SHARED holds `cases/` and `data/`. Whose an image is, is read here from the tables by Python's csv, from DICOM headers
by pydicom, or from what the publishers' file names say; of drai only the listing and the split are used. Fails if one
patient or lesion is in two parts. Sets that name no patients are listed with `-`.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pydicom

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `drai_cli` beside it

from drai_cli.data.image_set import SetOptions
from drai_cli.data.sources import find_image_set
from drai_cli.data.split_plan import plan_split
from drai_cli.errors import DraiError

Whose = Callable[[Path, str], str | None]


def stem(name: str) -> str:
    return re.sub(r"\.(nii\.gz|[A-Za-z0-9]{2,5})$", "", name.replace("\\", "/").rpartition("/")[2]).lower()


def column(table: str, image: str, owner: str) -> Whose:
    """The owner in the row of a table beside the set that names the image."""

    @cache
    def rows(path: Path) -> dict[str, str]:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return {stem(row[image]): row[owner] for row in csv.DictReader(file) if row[owner]}

    return lambda root, name: rows(root / table).get(stem(name))


def in_name(pattern: str) -> Whose:
    def found(_: Path, name: str) -> str | None:
        match = re.search(pattern, name)
        return match[1] if match else None

    return found


def in_header(keyword: str) -> Whose:
    return lambda root, name: str(pydicom.dcmread(root / name, stop_before_pixels=True)[keyword].value)


HAM = column("HAM10000_metadata.csv", "image_id", "lesion_id")
SETS: tuple[tuple[str, dict[str, Any], Whose | None], ...] = (
    ("cases/bids", {"label": "diagnosis"}, in_name(r"(sub-\d+)")),
    ("cases/breakhis", {}, in_name(r"SOB_[BM]_[A-Z]+-(\d+-[0-9A-Z]+)-")),
    ("cases/chest_xray_double", {}, None),
    ("cases/chexpert", {"label": "Pleural Effusion"}, in_name(r"(patient\d+)")),
    ("cases/chexpert", {"label": "Pleural Effusion", "split": "new"}, in_name(r"(patient\d+)")),
    ("cases/csv_split_column", {"label": "diagnosis"}, None),
    ("cases/ct_with_one_screen", {"label": "folder"}, in_header("PatientID")),
    ("cases/dicom_anonymous", {"label": "folder"}, in_header("StudyInstanceUID")),
    ("cases/excel_cp1252", {"label": "diagnose"}, None),
    ("cases/excel_sep", {"label": "diagnose"}, None),
    ("cases/ham_kaggle_twice", {}, HAM),
    ("cases/hf_imagefolder_csv", {}, None),
    (
        "cases/isic2019_onehot",
        {},
        column("ISIC_2019_Training_Metadata.csv", "image", "lesion_id"),
    ),
    ("cases/mha_folders", {}, lambda _, name: name),
    ("cases/names_case", {"label": "dx"}, None),
    ("cases/nifti_patient_table", {}, column("metadata.csv", "file_name", "patient_id")),
    ("cases/nifti_split_folders", {}, lambda _, name: name),
    (
        "cases/nih_sample",
        {"label": "Finding Labels"},
        column("sample_labels.csv", "Image Index", "Patient ID"),
    ),
    ("cases/paths_unix", {"label": "dx"}, None),
    ("cases/pixel_aspect", {"label": "folder"}, in_header("PatientID")),
    ("cases/png16_12bit", {}, None),
    ("cases/siim_unknown", {"label": "diagnosis"}, column("train.csv", "image_name", "patient_id")),
    ("cases/siim_unknown", {"label": "benign_malignant"}, column("train.csv", "image_name", "patient_id")),
    ("cases/stylegan_dataset_json", {}, None),
    ("cases/suffixes_mixed", {}, None),
    ("cases/tiff_float", {}, None),
    ("cases/tiff_pages", {}, lambda _, name: name),
    ("data/ham10000", {}, HAM),
    ("data/ham10000_224", {}, HAM),
    ("data/lidc", {"label": "malignancy_class"}, in_name(r"(LIDC-IDRI-\d+)")),
    ("data/lidc_volumes", {"label": "malignancy_class"}, in_name(r"(LIDC-IDRI-\d+)")),
    (
        "data/nih_chest",
        {"label": "Finding Labels"},
        column("Data_Entry_2017_v2020.csv", "Image Index", "Patient ID"),
    ),
    ("data/pbc_blood", {}, None),
)


def main(shared: Path) -> int:
    torn_in_all = 0
    for name, options, whose in SETS:
        root = shared / name
        label = (options["label"],) if "label" in options else ()
        try:
            found = find_image_set(root, SetOptions(**{**options, "label": label}))
        except DraiError as error:
            print(f"{name}: stops: {error.message}")
            continue
        parts: dict[str, set[str]] = defaultdict(set)
        known: dict[str, str | None] = {}
        for entry, part in zip(found.entries, plan_split(found).parts, strict=True):
            file = found.pixels.file_of(entry)
            if whose is not None and file not in known:
                known[file] = whose(root, file)
            if owner := known.get(file):
                parts[owner].add(part)
        torn = sum(len(its) > 1 for its in parts.values())
        torn_in_all += torn
        both = "-" if whose is None else f"{torn} of {len(parts)} on both sides"
        print(f"{name} {options or ''}: {len(found.entries)} images by {found.group}: {both}", flush=True)
    print(f"{torn_in_all} on both sides in {len(SETS)} sets")
    return int(torn_in_all > 0)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
