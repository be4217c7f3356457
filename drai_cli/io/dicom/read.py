"""One DICOM file as a stack: stored samples, then the modality transform; VOI transforms are listed, not applied.

In order (PS3.4 N.2): padding is found in the stored samples, MONOCHROME1 is inverted, the modality LUT or rescale gives
values. Colour becomes RGB. Overlays are left out. Knows nothing of series.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Bool, Shaped
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from drai_cli.errors import InputError
from drai_cli.io.dicom.codecs import decode_frames
from drai_cli.io.dicom.colour import colour_to_rgb, palette_to_rgb
from drai_cli.io.dicom.file import (
    FAILURES,
    item,
    number,
    parse_stream,
    syntax_of,
    text,
    whole,
)
from drai_cli.io.dicom.frame_order import place_frames, reorder
from drai_cli.io.dicom.layout import PIXEL_KEYWORDS, Layout, layout_of
from drai_cli.io.dicom.placement import FunctionalGroups, pixel_aspect_of, spacing_of
from drai_cli.io.dicom.signature import NAME
from drai_cli.io.dicom.voi import curves_of, lut_bits, windows_of
from drai_cli.io.files import open_regular
from drai_cli.io.stack import Stack, ToneCurve
from drai_cli.io.values import check_memory, check_size, choose_rescaled_dtype, replace_nonfinite, rescale

Scale = tuple[float, float]

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes that hold no image, by how their UIDs begin (PS3.4 B.5), and what to call them.
_NO_IMAGE = (
    (f"{_STORAGE}88.", "a structured report (SR)"),
    (f"{_STORAGE}11.", "a presentation state (PR)"),
    (f"{_STORAGE}66.4", "a segmentation (SEG)"),
    (f"{_STORAGE}66.7", "a segmentation (SEG)"),
    (f"{_STORAGE}66", "raw data, a registration or fiducials"),
    (f"{_STORAGE}67", "a mapping of values"),
    (f"{_STORAGE}68.", "a surface"),
    (f"{_STORAGE}481.2", "a radiotherapy dose (RT)"),
    (f"{_STORAGE}481.", "a radiotherapy object (RT)"),
    (f"{_STORAGE}9.", "a waveform"),
    (f"{_STORAGE}104.", "an encapsulated document"),
    (f"{_STORAGE}4.2", "a spectrum"),
    ("1.2.840.10008.1.3.10", "a directory of files (DICOMDIR)"),
)
_RT_IMAGE = f"{_STORAGE}481.1"
CT_CLASSES = (f"{_STORAGE}2", f"{_STORAGE}2.1", f"{_STORAGE}2.2")
_WHITE_IS_LOW = "MONOCHROME1"


def read_dicom(path: Path) -> Stack:
    """Reads a DICOM file: every frame, in spatial order where the file says where they lie, else as stored.

    Python's warning filters, which all threads share, are left to the caller.

    Raises:
        InputError: No DICOM, no image, broken, too large, or its codec is not installed.
    """
    with open_regular(path) as file:
        return read_dicom_stream(str(path), file, file.seek(0, 2))


def read_dicom_stream(subject: str, file: IO[bytes], file_bytes: int) -> Stack:
    """`read_dicom` for an open file that can be sought in.

    Args:
        subject: What it is called in messages.
        file: Of the whole file.
        file_bytes: Bytes that it has where it is stored; a small one may not take much memory.
    """
    file.seek(0)
    return stack_of(subject, parse_stream(subject, file), file_bytes)


def stack_of(subject: str, dataset: Dataset, file_bytes: int) -> Stack:
    """The stack in a data set.

    Raises:
        InputError: No image, broken, too large, or its codec is not installed.
    """
    check_is_image(subject, dataset)
    try:
        layout = layout_of(subject, dataset)
        _check_memory(subject, dataset, layout, file_bytes)
        groups = FunctionalGroups.of(dataset)
        if layout.samples == 3:
            decoded = _colour(subject, dataset, layout)
        elif layout.photometric == "PALETTE COLOR":
            decoded = _palette(subject, dataset, layout, file_bytes)
        else:
            decoded = _grey(subject, dataset, layout, groups, file_bytes)
        spacing_mm, spacing_notes = spacing_of(groups)
        place = place_frames(groups, layout.frames, spacing_mm)
        stack = Stack(
            array=decoded.array,
            kind=NAME,
            bits=decoded.bits,
            unit=decoded.unit,
            geometry=place.geometry,
            spacing_mm=spacing_mm,
            pixel_aspect=pixel_aspect_of(dataset),
            window=(decoded.windows[0][1], decoded.windows[0][2]) if decoded.windows else None,
            windows=decoded.windows,
            curves=decoded.curves,
            volumes=place.volumes,
            padding=decoded.padding,
            modality=modality_of(dataset),
            source=subject,
            notes=(*decoded.notes, *spacing_notes, *place.notes),
        )
        if place.geometry is not None and layout.frames > place.volumes:
            stack = replace(stack, spacing_mm=place.geometry.spacing_mm)
        return stack if place.frames is None else reorder(stack, place.frames)
    except FAILURES as error:
        raise InputError(subject, f"its image cannot be read ({type(error).__name__})") from error


def check_is_image(subject: str, dataset: Dataset, *, header_only: bool = False) -> None:
    """Whether an object is of a kind that holds an image, and holds one: of a header alone, whether it has Rows.

    Raises:
        InputError: It is not; the message says what it is.
    """
    uid = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    if uid != _RT_IMAGE:
        for prefix, what in _NO_IMAGE:
            if uid == prefix or uid.startswith(prefix if prefix.endswith(".") else f"{prefix}."):
                raise InputError(subject, f"expected an image, got {what}")
    has_pixels = any(keyword in dataset for keyword in PIXEL_KEYWORDS)
    if not has_pixels and not (header_only and whole(dataset, "Rows")):
        modality = modality_of(dataset)
        raise InputError(
            subject, f"expected an image, got an object without pixels{modality and f' ({modality})'}"
        )


def modality_of(dataset: Dataset) -> str:
    """(0008,0060) Modality where it is a code."""
    code = text(dataset, "Modality")
    return code if re.fullmatch(r"[A-Z0-9]{2,16}", code) else ""


def _check_memory(subject: str, dataset: Dataset, layout: Layout, file_bytes: int) -> None:
    """Checks what all frames take, with what decoding one of them takes besides; the types of values are not known yet.

    Raises:
        InputError: It is too much for the size of the file.
    """
    samples, frame = prod(layout.shape), prod(layout.shape[1:])
    item = layout.dtype.itemsize
    keyword = next(keyword for keyword in PIXEL_KEYWORDS if keyword in dataset)
    raw = dataset.get_item(keyword).value
    needed = samples * (item + (layout.samples == 1)) + frame * _frame_bytes(layout) + 2 * len(raw or b"")
    check_memory(subject, needed, file_bytes)


def _frame_bytes(layout: Layout) -> int:
    """Of each sample of a frame that is decoded: codecs take whole numbers of 4 bytes, and give copies."""
    return 4 + 2 * layout.dtype.itemsize


@dataclass(frozen=True)
class _Decoded:
    """The decoded pixels."""

    array: Shaped[np.ndarray, "frames height width *channels"]
    bits: int
    unit: str = ""
    windows: tuple[tuple[str, float, float], ...] = ()
    curves: tuple[ToneCurve, ...] = ()
    padding: Bool[np.ndarray, "frames height width"] | None = None
    notes: tuple[str, ...] = ()


def _colour(subject: str, dataset: Dataset, layout: Layout) -> _Decoded:
    if layout.is_float or layout.is_signed:
        raise InputError(subject, "expected colour in unsigned whole numbers, got something else")
    array = np.empty(layout.shape, layout.dtype)
    for index, (samples, photometric) in enumerate(decode_frames(subject, dataset, layout)):
        array[index] = colour_to_rgb(subject, samples, photometric, layout.bits_stored)
    return _Decoded(array, layout.bits_stored)


def _palette(subject: str, dataset: Dataset, layout: Layout, file_bytes: int) -> _Decoded:
    check_size(subject, (*layout.shape, 3), 3)
    # Colours of 16 bits, pydicom's copies, and both of their bytes.
    check_memory(subject, prod(layout.shape) * (2 * layout.dtype.itemsize + 20), file_bytes)
    indices = np.stack([samples for samples, _ in decode_frames(subject, dataset, layout)])
    array = palette_to_rgb(subject, indices, dataset)
    return _Decoded(array, 8 * array.itemsize)


def _grey(
    subject: str, dataset: Dataset, layout: Layout, groups: FunctionalGroups, file_bytes: int
) -> _Decoded:
    notes: list[str] = []
    is_inverted = layout.photometric == _WHITE_IS_LOW
    if layout.photometric not in (_WHITE_IS_LOW, "MONOCHROME2"):
        notes.append("its photometric interpretation is not one of a single sample: taken as MONOCHROME2")
    lut = item(dataset, "ModalityLUTSequence")
    scales = [_scale(groups, frame) for frame in range(layout.frames)]
    low, high = layout.limits if not layout.is_float else (0, 0)
    if lut is not None:
        dtype: np.dtype[np.generic] = np.dtype(np.uint16)
    else:
        dtype = choose_rescaled_dtype(layout.dtype, low, high, sorted(set(scales)))
    check_size(subject, layout.shape, dtype.itemsize + 1)
    # One frame is decoded at a time; its values take 8 bytes each until they have their type.
    frame = prod(layout.shape[1:]) * (_frame_bytes(layout) + 8 * (dtype != layout.dtype))
    check_memory(subject, prod(layout.shape) * (dtype.itemsize + 1) + frame, file_bytes)
    array = np.empty(layout.shape, dtype)
    padding: np.ndarray | None = None
    finder = _padding_finder(dataset, layout)
    replaced = 0
    for index, (samples, _) in enumerate(decode_frames(subject, dataset, layout)):
        outside = None if finder is None else finder(samples)
        if layout.is_float:
            samples, broken = replace_nonfinite(samples)
            if broken is not None:
                replaced += int(broken.sum())
                outside = broken if outside is None else outside | broken
        elif is_inverted and lut is None:
            samples = layout.dtype.type(high + low) - samples  # of all stored numbers it fits
        if lut is not None:
            array[index] = apply_modality_lut(samples, dataset)
        else:
            array[index] = rescale(samples, *scales[index], dtype)
        if outside is not None and outside.any():
            padding = np.zeros(layout.shape, np.bool_) if padding is None else padding
            padding[index] = outside
    if replaced:
        notes.append(f"{replaced} samples are no numbers: now the least value of their frame")
    slope, intercept = scales[0]
    ends = (low * slope + intercept, high * slope + intercept)
    if lut is not None:
        ends = (0.0, float(2 ** lut_bits(lut) - 1))
        if is_inverted:
            np.minimum(array, np.uint16(ends[1]), out=array)
            np.subtract(np.uint16(ends[1]), array, out=array)
    voi = groups.macro("FrameVOILUTSequence", 0)
    mirror = sum(ends) if is_inverted else None
    windows = windows_of(voi, mirror)
    if text(voi, "VOILUTFunction") == "SIGMOID" and windows:
        notes.append("its window is a sigmoid: taken as linear")
    bits = layout.bits_stored if lut is None else lut_bits(lut)
    curves = curves_of(voi, mirror, "<u2" if syntax_of(dataset).is_little_endian else ">u2")
    return _Decoded(array, bits, _unit(dataset, groups, lut), windows, curves, padding, tuple(notes))


def _scale(groups: FunctionalGroups, frame: int) -> Scale:
    """Slope and intercept of a frame; a slope of 0 is invalid and taken as 1."""
    source = groups.macro("PixelValueTransformationSequence", frame)
    slope, intercept = number(source, "RescaleSlope"), number(source, "RescaleIntercept")
    return (slope or 1.0, intercept or 0.0)


def _padding_finder(dataset: Dataset, layout: Layout) -> Callable[[np.ndarray], np.ndarray] | None:
    """Finds the samples outside of what was scanned (PS3.3 C.7.5.1.1.2); None where the file names none."""
    if layout.is_float:
        value = number(dataset, "FloatPixelPaddingValue")
        outside = number(dataset, "DoubleFloatPixelPaddingValue") if value is None else value
        return None if outside is None else lambda samples: samples == samples.dtype.type(outside)
    first = whole(dataset, "PixelPaddingValue")
    if first is None:
        return None
    limit = whole(dataset, "PixelPaddingRangeLimit", first)
    assert limit is not None
    ends = sorted(_as_stored(end, layout) for end in (first, limit))
    if ends[0] == ends[1]:
        return lambda samples: samples == ends[0]
    return lambda samples: (samples >= ends[0]) & (samples <= ends[1])


def _as_stored(number: int, layout: Layout) -> int:
    """A whole number with its bits read as the samples' type: some writers confuse signed and unsigned here."""
    number &= (1 << layout.bits_allocated) - 1
    if layout.is_signed and number >> (layout.bits_allocated - 1):
        number -= 1 << layout.bits_allocated
    return number


def _unit(dataset: Dataset, groups: FunctionalGroups, lut: Dataset | None) -> str:
    """What values mean: (0028,1054) RescaleType, `HU` of a CT image with a rescale, (0054,1001) Units of PET."""
    source = groups.macro("PixelValueTransformationSequence", 0)
    named = text(lut, "ModalityLUTType") if lut is not None else text(source, "RescaleType")
    if re.fullmatch(r"[A-Z0-9_/]{1,16}", named) and named != "US":  # US: unspecified
        return named
    if (
        text(dataset, "SOPClassUID") in CT_CLASSES
        and lut is None
        and number(source, "RescaleIntercept") is not None
    ):
        return "HU"
    units = text(dataset, "Units")
    return units if re.fullmatch(r"[A-Z0-9]{1,16}", units) and modality_of(dataset) == "PT" else ""
