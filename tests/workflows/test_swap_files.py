"""`swap-style` on DICOM and NIfTI: the kind that was given, and the place of the content image."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError, UsageError
from drai_cli.inference import input_images
from drai_cli.inference.input_images import fit_geometry, fit_spacing, fit_stack
from drai_cli.io.geometry import Geometry
from drai_cli.io.image import Image, fit_to_square
from drai_cli.io.intensity import Intensity
from drai_cli.io.raster import write_png
from drai_cli.io.stack import Stack
from drai_cli.model_file.checkpoint import read_header
from drai_cli.output.marks import read_marks
from drai_cli.settings.image_options import SwapOptions
from drai_cli.workflows.swap_style import swap_style

PLACED = Geometry(np.array([[0.7, 0, 0, -10], [0, 0.6, 0, 5], [0, 0, 2.5, 30], [0, 0, 0, 1.0]]))
SPACING = (2.5, 0.6, 0.7)
RANDOM = np.random.default_rng(0)
HU = RANDOM.integers(-1000, 600, (1, 16, 16)).astype(np.int16)


@pytest.fixture
def options(tmp_path, tiny_ct_model, monkeypatch):
    """One nodule as DICOM and one as NIfTI, as the reader gives them."""
    stacks = {
        "a.dcm": Stack(HU, "dicom", 16, "HU", PLACED, SPACING),
        "b.nii.gz": Stack(HU[:, ::-1], "nifti", 16, "HU", PLACED.of_slice(2), SPACING),
        "many.dcm": Stack(np.repeat(HU, 3, 0), "dicom", 16, "HU", PLACED, SPACING),
    }
    for name in stacks:
        (tmp_path / name).write_bytes(b"")
    write_png(tmp_path / "c.png", RANDOM.integers(0, 256, (16, 16), np.uint8))
    monkeypatch.setattr(input_images, "read_stack", lambda path: stacks[path.name])
    return SwapOptions(
        content=tmp_path / "a.dcm",
        style=tmp_path / "b.nii.gz",
        out=tmp_path / "out",
        weights=str(tiny_ct_model),
    )


def test_each_keeps_its_kind_and_place(options):
    result = swap_style(options)
    assert result.images == ("a_in_style_of_b.dcm", "b_in_style_of_a.nii.gz")
    assert result.sidecars == ("b_in_style_of_a.json",)
    assert sorted(os.listdir(options.out)) == sorted([*result.images, *result.sidecars, "figure.png"])
    dataset = pydicom.dcmread(options.out / result.images[0])
    # Pixels of 0.6 × 0.7 mm: the middle 9.6 mm across become 16 square ones.
    assert [round(float(x), 9) for x in dataset.ImagePositionPatient] == [-9.25, 5, 30]
    assert [round(float(x), 9) for x in dataset.PixelSpacing] == [0.6, 0.6]
    assert (dataset.RescaleType, dataset.SyntheticData) == ("HU", "YES")
    image = nib.load(options.out / result.images[1])
    square = np.array([[0.6, 0, 0, -9.25], [0, 0.6, 0, 5], [0, 0, 2.5, 35], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(image.affine, Geometry(square).to_ras(), rtol=1e-6)
    sidecar = json.loads((options.out / result.sidecars[0]).read_text())
    assert (sidecar["synthetic"], sidecar["made_by"], sidecar["unit"]) == (True, "swap-style", "HU")
    assert all(read_marks(options.out / name)["synthetic"] == "yes" for name in result.images)


@pytest.mark.parametrize(
    ("format", "suffixes"),
    [("png", [".png"]), ("tiff", [".tif"]), ("nifti", [".nii.gz", ".json"]), ("dicom", [".dcm"])],
)
def test_format_decides_over_the_inputs(options, format, suffixes):
    swap_style(replace(options, format=format))
    made = {name.split(".", 1)[1] for name in os.listdir(options.out)} - {"png"}
    assert made == {suffix[1:] for suffix in suffixes} - {"png"}


def test_dicom_and_png_hold_the_same_levels(options, tmp_path):
    swap_style(options)
    swap_style(replace(options, format="png", out=tmp_path / "png"))
    levels = np.array(PillowImage.open(tmp_path / "png/a_in_style_of_b.png"))
    np.testing.assert_array_equal(pydicom.dcmread(options.out / "a_in_style_of_b.dcm").pixel_array, levels)


def test_the_same_swap_gives_the_same_bytes_and_another_other_uids(options, tmp_path):
    uids = []
    for out, style in (("x", "b.nii.gz"), ("y", "b.nii.gz"), ("z", "c.png")):
        result = swap_style(replace(options, out=tmp_path / out, style=tmp_path / style))
        uids.append(pydicom.dcmread(tmp_path / out / result.images[0]).SOPInstanceUID)
    assert uids[0] == uids[1] != uids[2]
    name = "a_in_style_of_b.dcm"
    assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "y" / name).read_bytes()


def test_a_frame_is_chosen(options, tmp_path):
    many = replace(options, content=tmp_path / "many.dcm")
    with pytest.raises(InputError, match="expected one frame, got 3") as raised:
        swap_style(many)
    assert "--frame N" in raised.value.hint
    with pytest.raises(InputError, match="from 0 to 0, got 1"):
        swap_style(replace(options, frame=1))
    swap_style(replace(many, frame=2, style=tmp_path / "many.dcm", out=tmp_path / "two"))
    dataset = pydicom.dcmread(tmp_path / "two/many-1_in_style_of_many-2.dcm")
    assert float(dataset.ImagePositionPatient[2]) == 35


def test_packing_is_for_dicom(options):
    with pytest.raises(UsageError, match="is for DICOM"):
        swap_style(replace(options, format="png", compression="rle"))
    swap_style(replace(options, compression="rle"))
    dataset = pydicom.dcmread(options.out / "a_in_style_of_b.dcm")
    assert dataset.file_meta.TransferSyntaxUID.name == "RLE Lossless"


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize(("height", "width"), [(48, 40), (37, 64), (16, 16)])
def test_a_fitted_image_lies_where_its_content_lay(tiny_ct_model, tmp_path, fit, height, width):
    # The image is a ramp of its own coordinates, which resizing keeps: what a pixel holds tells where it is from.
    header = read_header(tiny_ct_model)
    rows, columns = np.mgrid[0:height, 0:width]
    for axis, ramp in ((0, columns), (1, rows)):
        stack = Stack((ramp[None] * 500 + 1000).astype(np.uint16), "dicom", 16, "", PLACED, SPACING)
        image = fit_stack(stack, tmp_path / "r.dcm", header, fit)
        placed = fit_geometry(image, 16, fit)
        assert placed is not None
        made = fit_to_square(Image(stack.array[0], aspect=stack.aspect), 16, 1, fit)[..., 0]
        for row, column in ((7, 7), (8, 6), (6, 9)):
            at_mm = placed.affine @ [column, row, 0, 1]
            expected = (made[row, column] - 1000.0) / 500 * PLACED.affine[axis, axis] + PLACED.affine[axis, 3]
            assert at_mm[axis] == pytest.approx(expected, abs=0.02)
        np.testing.assert_allclose(fit_spacing(image, 16, fit), placed.spacing_mm)


def test_values_become_the_levels_of_training(tiny_ct_model, tmp_path):
    header = read_header(tiny_ct_model)
    values = np.linspace(-1200, 900, 256).reshape(1, 16, 16)
    stack = Stack(values, "dicom", 16, "HU", window=(40.0, 400.0))
    made = fit_stack(stack, tmp_path / "a.dcm", header, "crop")
    intensity = Intensity("HU", -1000.0, 600.0, "uint16")
    np.testing.assert_array_equal(made.pixels[..., 0], intensity.to_levels(values[0]))
    assert made.changes == ()
    other = fit_stack(replace(stack, unit="US"), tmp_path / "a.dcm", header, "crop")
    assert other.changes == ("its values are in US, the model's in HU",)
    asked = fit_stack(stack, tmp_path / "a.dcm", header, "crop", window="0,1000")
    assert not np.array_equal(asked.pixels, made.pixels)


def test_slices_of_one_series_in_one_style_are_one_series(tmp_path, tiny_ct_model, make_dicom, place):
    for index in range(3):
        make_dicom(
            tmp_path / f"{index}.dcm", HU[0] + np.int16(index), sop_class="1.2.840.10008.5.1.4.1.1.2",
            uid=f"1.7.{index}", RescaleSlope=1, RescaleIntercept=0,
            **place((0, 0, -4.5 * index), spacing=(0.6, 0.6), thickness=3.0),
        )  # fmt: skip
    rows = ["content,style", "0.dcm,2.dcm", "1.dcm,2.dcm", "2.dcm,0.dcm"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    result = swap_style(
        SwapOptions(pairs=tmp_path / "pairs.csv", out=tmp_path / "out", weights=str(tiny_ct_model))
    )
    first, second, other = (pydicom.dcmread(tmp_path / "out" / name) for name in result.images)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert first[keyword].value == second[keyword].value != other[keyword].value
    assert (first.InstanceNumber, second.InstanceNumber, other.InstanceNumber) == (2, 1, 1)  # by place
    assert first.SpacingBetweenSlices == second.SpacingBetweenSlices == 4.5
    assert "SpacingBetweenSlices" not in other
    assert first.SOPInstanceUID != second.SOPInstanceUID
