"""Discs stay round wherever a model sees images: pixels that are not square become square before cropping."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest

from drai_cli.data import cache as cache_module
from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.inference.input_images import InputImage, fit_geometry, fit_spacing
from drai_cli.io.geometry import Geometry
from drai_cli.io.image import Image, cropped_share, fit_to_square, plausible_aspect
from drai_cli.io.read import read_image
from drai_cli.output.derived_images import scale_back
from drai_cli.settings.data_options import DataOptions

CT, US = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.6.1"
REGION = pydicom.Dataset()
REGION.RegionSpatialFormat, REGION.PhysicalUnitsXDirection, REGION.PhysicalUnitsYDirection = 1, 3, 3
REGION.PhysicalDeltaX, REGION.PhysicalDeltaY = 0.05, 0.02
REGION.RegionLocationMinX0, REGION.RegionLocationMinY0 = 0, 0
REGION.RegionLocationMaxX1, REGION.RegionLocationMaxY1 = 63, 63


def disc(height, width, aspect, radius, dtype=np.uint8):
    """A disc in the middle of a grid whose pixels are `aspect` times as high as wide; the radius in widths."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    inside = ((rows - (height - 1) / 2) * aspect) ** 2 + (columns - (width - 1) / 2) ** 2 < radius**2
    return (inside * np.iinfo(dtype).max).astype(dtype)


def extents(image):
    """Height and width of what is bright, in pixels."""
    bright = image[..., 0] > image.max() / 2
    return int(bright.any(1).sum()), int(bright.any(0).sum())


def check_round(image, tolerance=2):
    height, width = extents(image)
    assert abs(height - width) <= tolerance, (height, width)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("height", "width", "aspect"),
    [(64, 64, 0.4), (64, 64, 2.5), (20, 512, 7.1), (200, 100, 3.3), (99, 130, 0.5)],
)
def test_a_disc_stays_round_and_goes_back(height, width, aspect, dtype, fit):
    radius = 0.35 * min(height * aspect, width)
    array = disc(height, width, aspect, radius, dtype)
    fitted = fit_to_square(Image(array, aspect=aspect), 96, 1, fit)
    check_round(fitted)
    back = scale_back(fitted, height, width, fit, aspect)
    assert back.shape == (height, width, 1)
    assert np.abs(back[..., 0] / array.max() - array / array.max()).mean() < 0.012


@pytest.mark.parametrize(
    ("elements", "aspect"),
    [
        ({"PixelSpacing": [0.2, 0.5]}, 0.4),
        ({"PixelSpacing": [0.5, 0.2]}, 2.5),
        ({"PixelAspectRatio": [2, 5]}, 0.4),
        ({"ImagerPixelSpacing": [0.5, 0.2]}, 2.5),
        ({"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.2, 0.5]}, 0.4),
        ({"NominalScannedPixelSpacing": [0.2, 0.5]}, 0.4),
        ({"ImagePlanePixelSpacing": [0.2, 0.5]}, 0.4),
        ({"SequenceOfUltrasoundRegions": [REGION], "sop_class": US}, 0.4),
        ({"PixelSpacing": [0.2, 0.5], "PixelAspectRatio": [7, 1]}, 0.4),
        ({"PixelSpacing": [0.3, 0.3001]}, 1.0),
        ({"PixelSpacing": [1e-9, 1e9]}, 1.0),
        ({}, 1.0),
    ],
)
def test_every_kind_of_spacing_of_dicom(tmp_path, make_dicom, elements, aspect):
    size = 64
    array = disc(size, size, aspect, 0.3 * size * min(1, aspect))
    for index in range(2):
        for label in "ab":
            path = make_dicom(
                tmp_path / "set" / label / f"{index}.dcm", array, uid=f"1.{index}.{ord(label)}", **elements
            )
    assert read_image(path).aspect == pytest.approx(aspect)
    found = find_image_set(tmp_path / "set", label="folder")
    cached = cache_module.build_cache(found, size=64, cache_dir=tmp_path / "cache")
    check_round(cached.images[0])
    stamps = [stamp.name for stamp in found.pixels.stamps(found.entries)]
    assert any("aspect" in name for name in stamps) == (aspect != 1)  # square pixels keep their caches


@pytest.mark.parametrize(("axis", "aspect"), [("axial", 1.0), ("coronal", 5.0), ("sagittal", 5.0)])
def test_planes_of_thick_slices(tmp_path, axis, aspect):
    zooms = np.array([0.8, 0.8, 4.0])
    shape = (60, 50, 14)
    places = [(np.arange(n) - (n - 1) / 2) * zoom for n, zoom in zip(shape, zooms, strict=True)]
    x, y, z = np.meshgrid(*places, indexing="ij")
    ball = ((x**2 + y**2 + z**2 < 17**2) * 255).astype(np.uint8)
    for label in "ab":
        for index in range(6):
            path = tmp_path / "set" / label / f"{index}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(ball + np.uint8(index), np.diag([*zooms, 1])), path)
    found = find_image_set(tmp_path / "set", axis=axis, slices="central")
    assert found.read(found.entries[0]).aspect == pytest.approx(aspect)
    cached = cache_module.build_cache(found, size=64, cache_dir=tmp_path / "cache")
    check_round(cached.images[0], 5 if aspect != 1 else 2)  # a slice of 4 mm is 5 pixels high


def test_a_key_of_a_cache_changes_only_with_the_pixels(tmp_path, make_dicom):
    def key(spacing):
        for label in "ab":
            path = tmp_path / "set" / label / "x.dcm"
            make_dicom(path, np.zeros((8, 8), np.uint8), uid=f"1.{ord(label)}", PixelSpacing=spacing)
        found = find_image_set(tmp_path / "set", label="folder")
        return [stamp.name for stamp in found.pixels.stamps(found.entries)]

    assert key([0.5, 0.5]) == ["a/x.dcm", "b/x.dcm"]
    assert key([0.5, 0.25]) == ["a/x.dcm\0aspect 2.0", "b/x.dcm\0aspect 2.0"]


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_the_geometry_of_what_is_made_states_square_pixels(fit):
    affine = np.array([[0.5, 0, 0, -10], [0, 0.2, 0, 5], [0, 0, 3, 30], [0, 0, 0, 1.0]])
    nothing = np.zeros((0, 0, 0), np.uint8)
    spacing_mm = (3.0, 0.2, 0.5)
    image = InputImage(
        "x.dcm", ".dcm", "dicom", 64, 64, (), nothing, "", None, Geometry(affine), spacing_mm, 0.4
    )
    size = 32
    place = fit_geometry(image, size, fit)
    _, down, across = fit_spacing(image, size, fit)
    if fit == "crop":
        assert down == pytest.approx(across) == pytest.approx(64 * 0.2 / size)
    assert place.spacing_mm[1:] == pytest.approx((down, across))
    # The middle of the square is the middle of the image.
    middle = (size - 1) / 2
    np.testing.assert_allclose(place.affine @ [middle, middle, 0, 1], affine @ [31.5, 31.5, 0, 1], atol=0.5)


def test_cropped_share():
    assert cropped_share(480, 640) == pytest.approx(0.25)
    assert cropped_share(64, 64) == 0
    assert cropped_share(64, 64, 0.4) == pytest.approx(0.6)
    assert cropped_share(64, 160, 2.5) == pytest.approx(0)


def test_aspects_that_cannot_be():
    assert plausible_aspect(float("nan")) == plausible_aspect(0.0) == plausible_aspect(1e9) == 1.0


def test_prepare_with_thick_pixels(tmp_path, make_dicom):
    for index in range(24):
        make_dicom(
            tmp_path / "set" / "ab"[index % 2] / f"{index}.dcm", disc(40, 40, 2.5, 12) + np.uint8(index % 7),
            uid=f"1.{index}", PatientID=f"P{index}", PixelSpacing=[0.5, 0.2],
        )  # fmt: skip
    prepared = prepare(
        DataOptions(tmp_path / "set", size=32, label="folder", cache_dir=tmp_path / "cache"), seed=0
    )
    check_round(prepared.images[0])
