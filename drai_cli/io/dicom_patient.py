"""Whose a DICOM file is: the attributes that a conversion keeps on demand, and drops otherwise. Reads no pixels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from drai_cli.errors import InputError
from drai_cli.io.files import open_regular, shown

# Of the Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2).
KEPT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def read_patient(path: Path) -> dict[str, Any]:
    """Keyword to value of the attributes in `KEPT` that a file has.

    Raises:
        InputError: It is no DICOM file.
    """
    with open_regular(path, max_bytes=None) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(
                file, stop_before_pixels=True, specific_tags=["SpecificCharacterSet", *KEPT]
            )
            found = {name: dataset.get(name) for name in KEPT}
        except (
            InvalidDicomError,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            EOFError,
        ) as error:
            raise InputError(shown(path), "whose it is cannot be read", "leave out --keep-patient") from error
    # As text: a value keeps its source's character set, and ours is UTF-8.
    return {name: str(value) for name, value in found.items() if value not in (None, "")}
