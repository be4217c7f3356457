"""Sets of DICOM files with localizers and screens among them."""

from __future__ import annotations

import numpy as np

from drai_cli.data.sources import find_image_set

CT = "1.2.840.10008.5.1.4.1.1.2"
RANDOM = np.random.default_rng(0)


def write_set(root, make_dicom, extra):
    for index in range(24):
        make_dicom(
            root / "ab"[index % 2] / f"{index}.dcm", RANDOM.integers(0, 2000, (12, 12), np.uint16),
            sop_class=CT, uid=f"1.2.{index}", series=f"1.{index}", PatientID=f"P{index}",
            StudyInstanceUID=f"5.{index}", RescaleSlope=1, RescaleIntercept=-1024,
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        )  # fmt: skip
    if extra:
        make_dicom(
            root / "a" / "dose.dcm", RANDOM.integers(0, 255, (20, 20, 3), np.uint8), uid="1.9",
            PatientID="P3", StudyInstanceUID="5.3", ImageType=["DERIVED", "SECONDARY"],
        )  # fmt: skip
        make_dicom(
            root / "b" / "scout.dcm", RANDOM.integers(0, 2000, (20, 9), np.uint16), sop_class=CT, uid="1.10",
            PatientID="P4", StudyInstanceUID="5.4", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        )  # fmt: skip
    return root


def test_one_screen_changes_nothing_for_a_set(tmp_path, make_dicom, reporter):
    alone = find_image_set(write_set(tmp_path / "x", make_dicom, False), label="folder")
    beside = find_image_set(write_set(tmp_path / "y", make_dicom, True), label="folder", reporter=reporter)
    assert beside.intensity == alone.intensity is not None
    assert [entry.name for entry in beside.entries] == [entry.name for entry in alone.entries]
    assert beside.settings == alone.settings
    assert [line for line in reporter.warnings if "set aside" in line] == [
        "2 DICOM files are set aside by what they say of themselves: secondary captures (1), localizers (1); "
        "such as a/dose.dcm, b/scout.dcm"
    ]
