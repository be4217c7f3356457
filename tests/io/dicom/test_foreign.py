"""What is not of the examination is set aside by what it says of itself, and changes nothing for the others."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from drai_cli.io.dicom.foreign import role_of, set_aside
from drai_cli.io.read import read_stack

CT, MR, PET, CAPTURE = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "4", "128", "7"))


def role(sop_class=CT, image_type=("ORIGINAL", "PRIMARY", "AXIAL"), study="1", **elements):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.ImageType, dataset.StudyInstanceUID = sop_class, list(image_type), study
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return role_of(dataset)


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "localizers"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP")}, "localizers"),
        ({"sop_class": MR, "image_type": ("ORIGINAL", "PRIMARY", "M", "ND"), "Modality": "MR",
          "SeriesDescription": "AAHScout_MPR"}, "localizers"),
        ({"sop_class": MR, "Modality": "MR", "SeriesDescription": "3-plane loc"}, "localizers"),
        ({"sop_class": MR, "Modality": "MR", "SeriesDescription": "t2_localizer_sag"}, "localizers"),
        ({"image_type": ("DERIVED", "SECONDARY", "SCREEN SAVE")}, "screens and reports"),
        ({"image_type": ("DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT")}, "screens and reports"),
        ({"Modality": "CT", "SeriesDescription": "Patient Protocol"}, "screens and reports"),
        ({"sop_class": PET, "image_type": ("DERIVED", "SECONDARY", "MIP")}, "projections and renderings"),
        ({"image_type": ("DERIVED", "SECONDARY", "MPR")}, ""),
        ({"sop_class": MR, "Modality": "MR", "SeriesDescription": "T1 thalamus localized shim"}, ""),
        ({"Modality": "DX", "SeriesDescription": "scout"}, ""),
        ({"image_type": ("DERIVED", "SECONDARY")}, ""),
    ],
)  # fmt: skip
def test_what_a_header_says(elements, said):
    assert role(**elements).said == said


def test_captures_are_set_aside_beside_images_of_a_modality():
    images = [role() for _ in range(4)]
    assert set_aside([*images, role(CAPTURE)]) == ["", "", "", "", "secondary captures"]
    assert set_aside([role(CAPTURE)] * 3) == [""] * 3  # a set of captures
    other = role(CAPTURE, study="2")  # the only kind of image of its study, in a set with many such
    assert set_aside([*images, other]) == [""] * 5
    assert set_aside([*images * 10, other])[-1] == "secondary captures"
    synthetic = role(CAPTURE, SyntheticData="YES")
    placed = role(CAPTURE, ImagePositionPatient=[0, 0, 0])
    assert set_aside([*images, synthetic, placed]) == [""] * 6


def test_of_localizers_alone_none_is_set_aside():
    localizer = role(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    assert set_aside([localizer, localizer]) == ["", ""]
    assert set_aside([localizer, role()]) == ["localizers", ""]


def test_a_folder_with_a_localizer_and_a_screen_is_still_one_series(tmp_path, make_dicom, place):
    for index in range(4):
        make_dicom(
            tmp_path / "s" / f"{index}", np.full((6, 7), index, np.uint16), sop_class=CT, uid=f"1.2.{index}",
            series="1.1", **place((0, 0, 3 * index)),
        )  # fmt: skip
    make_dicom(
        tmp_path / "s" / "scout", np.full((6, 7), 99, np.uint16), sop_class=CT, uid="1.5", series="1.1",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **place((0, 0, 1.5)),
    )  # fmt: skip
    make_dicom(tmp_path / "s" / "screen", np.zeros((9, 9), np.uint8), uid="1.6", series="1.9")
    stack = read_stack(tmp_path / "s")
    assert stack.array[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert stack.spacing_mm[0] == 3
    assert stack.notes == (
        "set aside by what they say of themselves: localizers (1), secondary captures (1)",
    )
