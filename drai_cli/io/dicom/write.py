"""DICOM files as bytes, by pydicom, for derived and synthetic images. Knows nothing of sets or models.

Everything is written as Secondary Capture (PS3.3 A.8): the plain one for one frame, the multi-frame ones for more. CT
and MR Image Storage promise an acquisition: their attributes (scan options, echo time, image type AXIAL, ...) cannot be
filled honestly for an image that no scanner made, so they are never written. There is no clock time: the same arguments
give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64
from pydicom import uid as uids
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

from drai_cli import __version__
from drai_cli.errors import InputError
from drai_cli.io.about import About
from drai_cli.io.dicom.packing import pack
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Spacing
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import Compression

Level = Literal["study", "series", "instance", "frame of reference"]
# Multi-frame functional groups demand a date (type 1, PS3.3 C.7.6.16). A clock's would make every run another file.
_NO_DATE, _NO_TIME = "19700101", "000000"
_MAX_INTEGER = (1 << 31) - 1  # IS, PS3.5 6.2
_MAX_COSINE = 1e-4
_MAX_SIDE = 65535
_MAX_PIXEL_BYTES = (1 << 32) - 2


def make_uid_key(**deciding: Any) -> str:
    """All that decides an image as one text; different data gives different text."""
    return json.dumps(deciding, sort_keys=True, ensure_ascii=True)


def make_uid(key: str, level: Level) -> UID:
    """`2.25.` and a UUID (RFC 9562, version 8) from the sha256 of key and level (PS3.5 B.2)."""
    digest = hashlib.sha256(json.dumps([key, level]).encode("ascii")).digest()
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return UID(f"2.25.{number}")


def encode_dicom(
    stored: Stored,
    about: About,
    *,
    geometry: Geometry | None = None,
    spacing_mm: Spacing | None = None,
    volumes: int = 1,
    compression: Compression = "none",
) -> bytes:
    """A DICOM file.

    Args:
        stored: The frames. Several frames with a line other than the identity are written as grey words, 16 bits.
        about: What else it says.
        geometry: Where the frames lie.
        spacing_mm: (slice, row, column). With a geometry, only the distance between slices is taken of it.
        volumes: How many volumes in the same place the frames are of.
        compression: How the pixels are packed, always without loss.

    Raises:
        InputError: Too large for DICOM.
        UsageError: An encoder that is not installed; the hint is the line to install it.
    """
    if stored.channels == 3 and stored.bits != 8:
        raise InputError("DICOM", f"expected colour of 8 bits, got {stored.bits}", "--format png keeps it")
    if stored.array.shape[0] > 1 and stored.bits == 8 and (stored.has_line or stored.unit):
        # Grey bytes in several frames have to be plain levels (PS3.3 A.8.3.4): the words class takes any line.
        stored = replace(stored, array=stored.array.astype(np.uint16))
    array = stored.array
    frames, rows, columns = array.shape[:3]
    if max(rows, columns) > _MAX_SIDE or array.nbytes > _MAX_PIXEL_BYTES:
        raise InputError(
            "DICOM", f"expected at most {_MAX_SIDE} rows and columns and 4 GiB, got {array.shape}"
        )
    dataset = Dataset()
    dataset.SOPClassUID = _sop_class(stored, frames)
    key = make_uid_key(**about.deciding)
    instance = make_uid_key(of=key, part=about.part) if about.part else key
    dataset.SOPInstanceUID = make_uid(instance, "instance")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _add_patient(dataset, about, key)
    _add_study(dataset, about, key, has_geometry=geometry is not None)
    _add_image(dataset, about)
    _add_pixels(dataset, stored)
    if frames > 1:
        _add_frames(dataset, frames)
    if stored.channels == 1:
        _add_values(dataset, stored, about)
    if geometry is not None:
        _add_geometry(dataset, geometry, frames, volumes, None if spacing_mm is None else spacing_mm[0])
    elif spacing_mm is not None:
        _add_spacing(dataset, spacing_mm)
    return pack(dataset, array, compression, make_uid("drai", "instance"))


def _sop_class(stored: Stored, frames: int) -> UID:
    if frames == 1:
        return uids.SecondaryCaptureImageStorage
    if stored.channels == 3:
        return uids.MultiFrameTrueColorSecondaryCaptureImageStorage
    if stored.bits == 8:
        return uids.MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    return uids.MultiFrameGrayscaleWordSecondaryCaptureImageStorage


def _add_patient(dataset: Dataset, about: About, key: str) -> None:
    """Patient module (PS3.3 C.7.1.1): all of type 2, so an empty value means unknown."""
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(dataset, keyword, "")
    if about.is_synthetic:
        dataset.PatientName = "SYNTHETIC^DRAI"
        whose = about.member.study if about.member else key
        dataset.PatientID = f"SYNTHETIC-{hashlib.sha256(whose.encode()).hexdigest()[:16].upper()}"
        dataset.PatientComments = "Synthetic image: there is no such patient."


def _add_study(dataset: Dataset, about: About, key: str, *, has_geometry: bool) -> None:
    """General Study and Series, SC Equipment (PS3.3 C.7.2.1, C.7.3.1, C.8.6.1)."""
    member = about.member
    dataset.StudyInstanceUID = make_uid(member.study if member else key, "study")
    dataset.SeriesInstanceUID = make_uid(member.series if member else key, "series")
    for keyword in ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"):
        setattr(dataset, keyword, "")
    for keyword, value in about.kept.items():
        setattr(dataset, keyword, value)
    number = member.series_number if member else ""
    dataset.SeriesNumber = int(number) if number.isdecimal() and int(number) <= _MAX_INTEGER else 1
    dataset.Modality = about.modality
    dataset.ConversionType = "SYN" if about.is_synthetic else "WSD"  # synthetic image, workstation
    dataset.Manufacturer = "drai"
    dataset.ManufacturerModelName = "drai"
    dataset.SoftwareVersions = __version__
    if has_geometry:
        dataset.FrameOfReferenceUID = make_uid(
            member.frame_of_reference if member else key, "frame of reference"
        )
        dataset.PositionReferenceIndicator = ""


def _add_image(dataset: Dataset, about: About) -> None:
    """General Image (PS3.3 C.7.6.1) and SOP Common (C.12.1)."""
    dataset.InstanceNumber = about.number
    dataset.PatientOrientation = ""
    if "Laterality" not in dataset:
        dataset.Laterality = ""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    # A real image may have text in its pixels, which was not checked: then the cautious answer.
    dataset.BurnedInAnnotation = "NO" if about.is_synthetic else "YES"
    dataset.LossyImageCompression = "00"
    if about.lossy_ratio is not None:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = _decimal(round(about.lossy_ratio, 2))
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    if about.marks:
        dataset.ImageComments = json.dumps(dict(about.marks), sort_keys=True, ensure_ascii=False)[:10240]
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109102", "DCM"  # PS3.16 CID 7005
    purpose.CodeMeaning = "Processing Equipment"
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = Sequence([purpose])
    equipment.Manufacturer = "drai"
    equipment.ManufacturerModelName = "drai"
    equipment.SoftwareVersions = __version__
    equipment.ContributionDescription = "Made by a generative model" if about.is_synthetic else "Converted"
    dataset.ContributingEquipmentSequence = Sequence([equipment])
    if about.is_synthetic:
        dataset.SyntheticData = "YES"
        dataset.DerivationDescription = _derivation(about.marks)


def _derivation(marks: Mapping[str, str]) -> str:
    shown = "; ".join(
        f"{name}: {marks[name]}" for name in ("tool", "label", "seed", "index") if name in marks
    )
    return f"Synthetic image, made by a generative model ({shown})"[:1024]


def _add_pixels(dataset: Dataset, stored: Stored) -> None:
    """Image Pixel (PS3.3 C.7.6.3)."""
    dataset.SamplesPerPixel = stored.channels
    dataset.PhotometricInterpretation = "MONOCHROME2" if stored.channels == 1 else "RGB"
    if stored.channels == 3:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = stored.array.shape[1:3]
    dataset.BitsAllocated = dataset.BitsStored = stored.bits
    dataset.HighBit = stored.bits - 1
    dataset.PixelRepresentation = 0


def _add_frames(dataset: Dataset, frames: int) -> None:
    """Multi-frame and SC Multi-frame Vector (PS3.3 C.7.6.6, C.8.6.4)."""
    dataset.NumberOfFrames = frames
    dataset.FrameIncrementPointer = 0x00182001
    dataset.PageNumberVector = list(range(1, frames + 1))


def _add_values(dataset: Dataset, stored: Stored, about: About) -> None:
    """Modality and VOI LUT (PS3.3 C.11.1, C.11.2)."""
    dataset.PresentationLUTShape = "IDENTITY"
    if stored.has_line or stored.unit or hasattr(dataset, "NumberOfFrames"):
        dataset.RescaleIntercept = _decimal(stored.intercept)
        dataset.RescaleSlope = _decimal(stored.slope)
        dataset.RescaleType = stored.unit or "US"
    window = about.window
    if window is None and (stored.has_line or stored.bits == 16):
        # C.11.2.1.2.1 LINEAR: from centre - 0.5 - (width - 1) / 2 to centre - 0.5 + (width - 1) / 2.
        top = 2**stored.bits - 1
        window = stored.intercept + stored.slope * top / 2 + 0.5, abs(stored.slope) * top + 1
    if window is not None and not (hasattr(dataset, "NumberOfFrames") and stored.bits == 8):
        dataset.WindowCenter, dataset.WindowWidth = (_decimal(number) for number in window)


def _add_geometry(
    dataset: Dataset, geometry: Geometry, frames: int, volumes: int, between_mm: float | None
) -> None:
    """Where frames lie: Image Plane (PS3.3 C.7.6.2), for several frames as functional groups (C.7.6.16).

    Of one frame, the length of the geometry's slice column may be a thickness: SpacingBetweenSlices is what is known.
    """
    between, down, across = geometry.spacing_mm
    cosine = float(np.dot(geometry.affine[:3, 0], geometry.affine[:3, 1])) / (down * across)
    if abs(cosine) > _MAX_COSINE:
        raise InputError(
            "DICOM", "expected rows at a right angle to columns, got a sheared grid", "--format nifti"
        )
    # In DICOM the first direction is the one in which columns are counted.
    directions = [_decimal(x) for axis in (0, 1) for x in _unit_vector(geometry.affine[:3, axis])]
    if frames == 1:
        dataset.PixelSpacing = [_decimal(down), _decimal(across)]
        if between_mm is not None:
            dataset.SpacingBetweenSlices = _decimal(between_mm)
        dataset.ImageOrientationPatient = directions
        dataset.ImagePositionPatient = [_decimal(x) for x in geometry.affine[:3, 3]]
        return
    measures = Dataset()
    measures.PixelSpacing = [_decimal(down), _decimal(across)]
    measures.SliceThickness = _decimal(between)
    measures.SpacingBetweenSlices = _decimal(between)
    plane = Dataset()
    plane.ImageOrientationPatient = directions
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    dataset.ContentDate, dataset.ContentTime = _NO_DATE, _NO_TIME
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    slices = frames // volumes
    for index in range(frames):
        position = Dataset()
        position.ImagePositionPatient = [_decimal(x) for x in geometry.of_slice(index % slices).affine[:3, 3]]
        group = Dataset()
        group.PlanePositionSequence = Sequence([position])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)


def _add_spacing(dataset: Dataset, spacing_mm: Spacing) -> None:
    """Spacing without a place: PixelSpacing of the SC Image module (PS3.3 C.8.6.2)."""
    between, down, across = spacing_mm
    dataset.PixelSpacing = [_decimal(down), _decimal(across)]
    if between is not None:
        dataset.SpacingBetweenSlices = _decimal(between)


def _unit_vector(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit


def _decimal(number: float) -> DSfloat:
    """A number as a decimal string of at most 16 characters (PS3.5 6.2 DS), as exact as that allows."""
    return DSfloat(float(number) + 0.0, auto_format=True)  # + 0.0 turns -0 into 0
