"""The attributes of patient and study that a conversion drops, unless they are asked for. Reads no pixels."""

from __future__ import annotations

from pathlib import Path

from drai_cli.io.dicom.file import read_attributes

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


def read_patient(path: Path) -> dict[str, str]:
    """Keyword to value of the attributes in `KEPT` that a file has.

    Raises:
        InputError: It is no DICOM file.
    """
    # As text: a value keeps its source's character set, and ours is UTF-8.
    return {name: value for name, value in read_attributes(path, KEPT).items() if value}
