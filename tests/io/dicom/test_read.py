"""DICOM files as stacks: values, colour, padding, windows, geometry, codecs, and what is refused in one line."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from drai_cli.errors import InputError
from drai_cli.io.dicom import colour as dicom_colour
from drai_cli.io.read import is_readable, read_image, read_stack

CT = "1.2.840.10008.5.1.4.1.1.2"
RANDOM = np.random.default_rng(0)
RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8) * 80


def test_pixels_of_an_unknown_type_are_refused(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP, syntax=ExplicitVRLittleEndian)
    raw = path.read_bytes()
    at = raw.rindex(b"\xe0\x7f\x10\x00O") + 4
    path.write_bytes(raw[:at] + b"O\x01" + raw[at + 2 :])
    with pytest.raises(InputError, match="cannot be read"):
        read_stack(path)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_stored_values_are_exact(tmp_path, make_dicom, dtype, syntax):
    limits = np.iinfo(dtype)
    array = RANDOM.integers(limits.min, limits.max, (3, 6, 8), dtype, endpoint=True)
    stack = read_stack(make_dicom(tmp_path / "a.dcm", array, syntax=syntax))
    assert stack.array.dtype == dtype
    np.testing.assert_array_equal(stack.array, array)
    assert (stack.kind, stack.bits, stack.unit) == ("dicom", limits.bits, "")


def test_deflated(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(read_stack(path).array[0], RAMP)


def test_a_deflate_bomb_is_refused(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    raw = path.read_bytes()
    length = struct.unpack("<I", raw[140:144])[0]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(bytes(1 << 24)) for _ in range(40)) + deflater.flush()
    path.write_bytes(raw[: 144 + length] + bomb)
    with pytest.raises(InputError, match="after inflating"):
        read_stack(path)


def test_a_small_file_may_not_become_much(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    raw = path.read_bytes()
    start = 144 + struct.unpack("<I", raw[140:144])[0]
    plain = zlib.decompress(raw[start:], -15)
    pixels = plain.rindex(struct.pack("<HH", 0x7FE0, 0x10))
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    path.write_bytes(raw[:start] + deflater.compress(plain[:pixels] + bytes(80 << 20)) + deflater.flush())
    with pytest.raises(InputError, match="bytes after inflating, got more"):
        read_stack(path)


@pytest.mark.parametrize(("photometric", "samples"), [("RGB", 3), ("PALETTE COLOR", 1), ("MONOCHROME2", 1)])
def test_what_decoding_will_take_is_counted_before_it_begins(tmp_path, make_dicom, photometric, samples):
    path = make_dicom(
        tmp_path / "a.dcm", RAMP.astype(np.uint8), Rows=8000, Columns=8000, SamplesPerPixel=samples,
        PlanarConfiguration=0, PhotometricInterpretation=photometric, NumberOfFrames=2 if samples == 3 else 9,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"at most 1024 MiB"):
        read_stack(path)


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_PARTIAL_422"])
def test_colour_is_converted_in_blocks_of_rows_alike(photometric, monkeypatch):
    samples = RANDOM.integers(0, 256, (20, 5, 3), np.uint8)
    whole = dicom_colour.colour_to_rgb("x", samples, photometric, 8)
    monkeypatch.setattr(dicom_colour, "_ROWS", 3)
    np.testing.assert_array_equal(dicom_colour.colour_to_rgb("x", samples, photometric, 8), whole)


@pytest.mark.parametrize("is_placed", [False, True])
def test_files_without_preamble_or_suffix_are_recognised(tmp_path, make_dicom, is_placed):
    raw = make_dicom(tmp_path / "a.dcm", RAMP).read_bytes()
    bare = tmp_path / "IM0001"
    bare.write_bytes(raw if is_placed else raw[132:])
    assert is_readable(bare)
    np.testing.assert_array_equal(read_stack(bare).array[0], RAMP)


def test_rescale_makes_hounsfield_units(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP, bits=12, sop_class=CT, RescaleSlope=1, RescaleIntercept=-1024)
    stack = read_stack(path)
    assert (stack.unit, stack.array.dtype, stack.modality) == ("HU", "int16", "CT")
    np.testing.assert_array_equal(stack.array[0], RAMP.astype(int) - 1024)
    path = make_dicom(tmp_path / "b.dcm", RAMP, RescaleSlope=0.1, RescaleIntercept=3, RescaleType="US")
    stack = read_stack(path)
    assert (stack.unit, stack.array.dtype) == ("", "float64")
    np.testing.assert_array_equal(stack.array[0], RAMP * 0.1 + 3)


def test_monochrome1_is_turned_over_with_its_window(tmp_path, make_dicom):
    elements = {"RescaleSlope": 1, "RescaleIntercept": -100, "WindowCenter": 50, "WindowWidth": 100}
    upright = read_image(make_dicom(tmp_path / "a.dcm", 4095 - RAMP, bits=12, **elements))
    elements["PhotometricInterpretation"] = "MONOCHROME1"
    path = make_dicom(tmp_path / "b.dcm", 4095 - RAMP, bits=12, **elements)
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.array[0], RAMP.astype(int) - 100)
    # Shown with its own window, it is the negative of what MONOCHROME2 would be.
    np.testing.assert_array_equal(read_image(path).array, 65535 - upright.array)


def test_overlays_in_unused_bits_are_left_out(tmp_path, make_dicom):
    low = RAMP & 0xFFF
    path = make_dicom(tmp_path / "a.dcm", low | 0xA000, bits=12)
    np.testing.assert_array_equal(read_stack(path).array[0], low)
    path = make_dicom(tmp_path / "b.dcm", (low << 4) | 5, bits=12, HighBit=15)
    np.testing.assert_array_equal(read_stack(path).array[0], low)
    signed = (RAMP.astype(np.int16) - 2000) & 0x0FFF
    path = make_dicom(tmp_path / "c.dcm", signed.astype(np.int16), bits=12)
    np.testing.assert_array_equal(read_stack(path).array[0], RAMP.astype(int) - 2000)


def test_one_bit(tmp_path, make_dicom):
    bits = RANDOM.integers(0, 2, (16, 16), np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    path = make_dicom(tmp_path / "a.dcm", bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed)
    np.testing.assert_array_equal(read_stack(path).array[0], bits)


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_float_pixels_and_those_that_are_no_numbers(tmp_path, make_dicom, keyword, dtype):
    values = RANDOM.normal(size=(6, 8)).astype(dtype)
    values[0, 0], values[1, 1] = np.nan, np.inf
    path = make_dicom(tmp_path / "a.dcm", RAMP)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated = 8 * np.dtype(dtype).itemsize
    setattr(dataset, keyword, values.tobytes())
    dataset.save_as(path)
    stack = read_stack(path)
    assert stack.notes == ("2 samples are no numbers: now the least value of their frame",)
    is_number = np.isfinite(values)
    np.testing.assert_array_equal(stack.array[0][is_number], values[is_number])
    assert set(stack.array[0][~is_number]) == {values[is_number].min()}
    np.testing.assert_array_equal(stack.padding[0], ~is_number)


def test_padding_is_black_and_outside_of_windows(tmp_path, make_dicom):
    array = RAMP.astype(np.int16)
    array[0] = -2000
    path = make_dicom(
        tmp_path / "a.dcm", array, sop_class=CT, RescaleSlope=1, RescaleIntercept=0, PixelPaddingValue=-2000
    )
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.padding[0], array == -2000)
    assert (read_image(path, window="-2000,8000").array[0] == 0).all()
    ranged = make_dicom(tmp_path / "b.dcm", array, PixelPaddingValue=-3000, PixelPaddingRangeLimit=-1999)
    np.testing.assert_array_equal(read_stack(ranged).padding[0], array < -1998)


def test_colour(tmp_path, make_dicom):
    rgb = RANDOM.integers(0, 256, (6, 8, 3), np.uint8)
    np.testing.assert_array_equal(read_stack(make_dicom(tmp_path / "a.dcm", rgb)).array[0], rgb)
    planes = make_dicom(
        tmp_path / "b.dcm", rgb, PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes()
    )
    np.testing.assert_array_equal(read_image(planes).array, rgb)
    # Corners of the colour cube, as YBR_FULL has them (PS3.3 C.7.6.3.1.2).
    ybr = np.array([[[76, 85, 255], [150, 44, 21], [29, 255, 107], [255, 128, 128]]], np.uint8)
    full = read_stack(make_dicom(tmp_path / "c.dcm", ybr, PhotometricInterpretation="YBR_FULL")).array[0, 0]
    expected = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    assert np.abs(full.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_palette(tmp_path, make_dicom, syntax):
    indices = RANDOM.integers(0, 4, (6, 8), np.uint8)
    colours = np.array([[0, 10, 200], [255, 0, 3], [7, 8, 9], [1, 2, 250]], np.uint16)
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    for channel, name in enumerate(("Red", "Green", "Blue")):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = (colours[:, channel] * 256).astype(order).tobytes()
    stack = read_stack(make_dicom(tmp_path / "a.dcm", indices, syntax=syntax, **elements))
    assert stack.array.dtype == np.uint8
    np.testing.assert_array_equal(stack.array[0], colours[indices])


def test_windows(tmp_path, make_dicom):
    path = make_dicom(
        tmp_path / "a.dcm", RAMP, bits=12, sop_class=CT, RescaleSlope=1, RescaleIntercept=-1024,
        WindowCenter=[40, 400], WindowWidth=[401, 2001], WindowCenterWidthExplanation=["SOFT", "BONE"],
    )  # fmt: skip
    stack = read_stack(path)
    assert stack.window == (40, 401)
    assert stack.windows == (("SOFT", 40, 401), ("BONE", 400, 2001))
    hu = RAMP.astype(float) - 1024

    def levels(low, high):
        return np.clip(np.rint((hu - low) / (high - low) * 65535), 0, 65535).astype(np.uint16)

    soft, bone = levels(-160.5, 239.5), levels(-600.5, 1399.5)
    np.testing.assert_array_equal(read_image(path).array, soft)
    np.testing.assert_array_equal(read_image(path, window="bone").array, bone)
    np.testing.assert_array_equal(read_image(path, window="40,401").array, soft)
    np.testing.assert_array_equal(read_image(path, window="full").array, levels(hu.min(), hu.max()))
    assert read_image(path).intensity.unit == "HU"
    with pytest.raises(InputError, match="expected a window named 'lung', got SOFT, BONE"):
        read_image(path, window="lung")
    bare = make_dicom(tmp_path / "b.dcm", RAMP, sop_class=CT, RescaleSlope=1, RescaleIntercept=-1024)
    np.testing.assert_array_equal(read_image(bare).array, levels(-1000, 1000))
    eight = make_dicom(tmp_path / "c.dcm", RAMP.astype(np.uint8))
    np.testing.assert_array_equal(read_image(eight).array, RAMP.astype(np.uint8))


def test_voi_lut(tmp_path, make_dicom):
    lut = pydicom.Dataset()
    lut.LUTDescriptor, lut.LUTExplanation = [3, 80, 8], "CURVE"
    lut.LUTData = np.array([5, 9, 200], "<u2").tobytes()
    lut["LUTData"].VR = "OW"
    path = make_dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=[lut])
    image = read_image(path)
    assert image.array.dtype == np.uint8
    assert image.array[0, :4].tolist() == [5, 5, 200, 200]
    np.testing.assert_array_equal(read_image(path, window="curve").array, image.array)


def test_modality_lut(tmp_path, make_dicom):
    lut = pydicom.Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [48, 0, 16], "HU"
    lut.LUTData = (np.arange(48) * 3).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    stack = read_stack(make_dicom(tmp_path / "a.dcm", RAMP // 80, ModalityLUTSequence=[lut]))
    np.testing.assert_array_equal(stack.array[0], RAMP // 80 * 3)
    assert stack.unit == "HU"


def test_geometry_of_one_image(tmp_path, make_dicom, place):
    path = make_dicom(tmp_path / "a.dcm", RAMP, **place((10, 20, 30), (0, 1, 0, 0, 0, -1)))
    stack = read_stack(path)
    assert stack.spacing_mm == (None, 0.5, 0.25)  # a thickness is no distance
    assert stack.geometry.spacing_mm == (2.0, 0.5, 0.25)
    assert stack.geometry.orientation == "PIR"
    np.testing.assert_allclose(stack.geometry.affine @ [4, 2, 0, 1], [10, 21, 29, 1])


def enhanced_groups(positions, slopes):
    shared, frames = pydicom.Dataset(), []
    orientation, measures = pydicom.Dataset(), pydicom.Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.25], 3
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    for position, slope in zip(positions, slopes, strict=True):
        frame, where, values = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        where.ImagePositionPatient = list(position)
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, -1, "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [where], [values]
        frames.append(frame)
    return {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
        "ImagePositionPatient": [9, 9, 9],
    }


def test_functional_groups(tmp_path, make_dicom):
    array = np.stack([RAMP, RAMP + 1, RAMP + 2])
    groups = enhanced_groups([(0, 0, 5), (0, 0, 3), (0, 0, 1)], (1, 2, 3))
    stack = read_stack(make_dicom(tmp_path / "a.dcm", array, **groups))
    sorted_by_place = (array * np.array([1, 2, 3])[:, None, None] - 1)[::-1]
    np.testing.assert_array_equal(stack.array, sorted_by_place)
    assert stack.unit == "HU"
    assert stack.spacing_mm == (2.0, 0.5, 0.25)
    assert stack.geometry.orientation == "LPS"
    assert stack.frame(2).geometry.affine[2, 3] == 5
    uneven = enhanced_groups([(0, 0, 5), (0, 0, 3), (0, 0, 2)], (1, 1, 1))
    stack = read_stack(make_dicom(tmp_path / "b.dcm", array, **uneven))
    assert stack.geometry.spacing_mm[0] == 1.5
    assert stack.notes == ("its slices lie unevenly, 1 to 2 mm apart: the geometry has the mean",)
