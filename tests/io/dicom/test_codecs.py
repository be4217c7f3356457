"""Compressed DICOM files, and those that are refused."""

from __future__ import annotations

import importlib.util
import struct

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from drai_cli.errors import InputError
from drai_cli.io.dicom import codecs as dicom_codecs
from drai_cli.io.read import read_image, read_stack

RANDOM = np.random.default_rng(0)
RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8) * 80


CODECS = [
    (RLELossless, "PIL"),
    (JPEGLSLossless, "jpeg_ls"),
    (JPEG2000Lossless, "openjpeg"),
]


@pytest.mark.parametrize(("syntax", "module"), CODECS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_codecs_give_back_what_was_compressed(tmp_path, make_dicom, syntax, module, dtype):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    array = RANDOM.integers(0, 100, (2, 40, 33)).astype(dtype)
    if dtype == "int16":
        array -= 50
    path = make_dicom(tmp_path / "a.dcm", array)
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)
    np.testing.assert_array_equal(read_stack(path).array, array)


def test_a_missing_codec_names_the_syntax_and_the_line_to_install(tmp_path, make_dicom, monkeypatch):
    array = RANDOM.integers(0, 100, (40, 33), np.uint8)
    path = make_dicom(tmp_path / "a.dcm", array)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(4) + jpeg_2000_size(40, 33)])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    monkeypatch.setattr(dicom_codecs, "_is_installed", lambda module: False)
    with pytest.raises(
        InputError, match=r"JPEG 2000.*\(1\.2\.840\.10008\.1\.2\.4\.90\) needs a codec"
    ) as caught:
        read_stack(path)
    assert caught.value.hint == "pip install 'drai-cli[dicom]'"


def jpeg_2000_size(height, width):
    """SIZ from its image size on, one component of 8 bits."""
    return struct.pack(">8IH3B", width, height, 0, 0, width, height, 0, 0, 1, 7, 1, 1) + bytes(60)


def test_a_codestream_of_another_size_is_not_decoded(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP.astype(np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pydicom.encaps.encapsulate(
        [b"\xff\x4f\xff\x51" + bytes(4) + jpeg_2000_size(60000, 60000)]
    )
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"frame 0 is 60000 × 60000 .* its header says 6 × 8"):
        read_stack(path)


def test_jpeg_baseline_by_pillow(tmp_path, make_dicom):
    import io

    from PIL import Image as PillowImage

    array = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None], 64, axis=0)
    file = io.BytesIO()
    PillowImage.fromarray(array).save(file, "JPEG", quality=95)
    path = make_dicom(tmp_path / "a.dcm", array)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pydicom.encaps.encapsulate([file.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    assert np.abs(read_stack(path).array[0].astype(int) - array).max() <= 2


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 60000, "Columns": 60000}, "expected at most 67108864 pixels a frame, got 60000 × 60000"),
        ({"NumberOfFrames": 2000000}, "expected at most 1024 MiB"),
        ({"Rows": 0}, "expected an image, got one of 1 × 0 × 8"),
        ({"Rows": 7}, "its pixel data ends early: expected 112 bytes, got 96"),
        ({"BitsAllocated": 12}, "expected 1 to 32 bits"),
        ({"SamplesPerPixel": 4}, "expected 1 or 3 samples a pixel, got 4"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, r"got a structured report \(SR\)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}, r"got a presentation state \(PR\)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, r"got a segmentation \(SEG\)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.5"}, r"got a radiotherapy object \(RT\)"),
    ],
)
def test_refused_in_one_line(tmp_path, make_dicom, elements, message):
    path = make_dicom(tmp_path / "scan.dcm", RAMP, **elements)
    with pytest.raises(InputError, match=message) as caught:
        read_stack(path)
    assert caught.value.subject == str(path)
    assert "SECRET" not in str(caught.value).upper().replace(str(path).upper(), "")
    assert "\n" not in str(caught.value)


def test_no_pixels_and_no_dicom(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "a.dcm", RAMP)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"an object without pixels \(OT\)"):
        read_stack(path)
    (tmp_path / "b.dcm").write_text("not at all")
    with pytest.raises(InputError, match="expected a DICOM file, got something else"):
        read_stack(tmp_path / "b.dcm")
    with pytest.raises(InputError, match="no such file"):
        read_stack(tmp_path / "c.dcm")


def test_one_frame_of_several(tmp_path, make_dicom):
    path = make_dicom(tmp_path / "scan.dcm", np.stack([RAMP, RAMP + 1]))
    with pytest.raises(InputError, match="expected one frame, got 2") as caught:
        read_image(path)
    assert caught.value.hint == "pick one with --frame N"
    assert (read_image(path, frame=1, window="full").array > 0).all()
    with pytest.raises(InputError, match="expected a frame from 0 to 1, got 2"):
        read_image(path, frame=2)
