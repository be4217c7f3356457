"""Decodes the stored samples of a DICOM image, frame by frame, in any compression (PS3.5 section 8 and annex A).

The size of each compressed frame is checked before it is decoded. Knows nothing of what samples mean.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import struct
import threading
from collections.abc import Iterator
from math import ceil, prod
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image as PillowImage
from pydicom import Dataset
from pydicom import uid as uids
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from drai_cli.errors import InputError
from drai_cli.io.dicom.file import FAILURES, element, syntax_of
from drai_cli.io.dicom.layout import PIXEL_KEYWORDS, Layout
from drai_cli.io.raster_kinds import check_scans

# Retired, but in use: PS3.5 annex A.4.1 of 2004.
JPEG_SPECTRAL_SELECTION = UID("1.2.840.10008.1.2.4.53")
JPEG_PROGRESSION = UID("1.2.840.10008.1.2.4.55")

_GDCM_ONLY = (JPEG_SPECTRAL_SELECTION, JPEG_PROGRESSION)
_JPEG_LS = (uids.JPEGLSLossless, uids.JPEGLSNearLossless)
_JPEG_2000 = (uids.JPEG2000, uids.JPEG2000Lossless, uids.HTJ2K, uids.HTJ2KLossless, uids.HTJ2KLosslessRPCL)
# Syntax to the one decoder that is asked, as pydicom calls it, and the module it needs beyond drai's own dependencies.
_PLUGINS: dict[UID, tuple[str, str | None]] = {
    uids.JPEGBaseline8Bit: ("pillow", None),
    uids.JPEGExtended12Bit: ("pillow", None),
    uids.JPEGLossless: ("gdcm", "gdcm"),
    uids.JPEGLosslessSV1: ("gdcm", "gdcm"),
    **dict.fromkeys(_JPEG_LS, ("pyjpegls", "jpeg_ls")),
    **dict.fromkeys(_JPEG_2000, ("pylibjpeg", "openjpeg")),
}
_STDERR = threading.Lock()


def decode_frames(
    subject: str, dataset: Dataset, layout: Layout
) -> Iterator[tuple[Shaped[np.ndarray, "height width *channels"], str]]:
    """Each frame's stored samples, unused bits cleared, and the photometric interpretation they have now.

    Decoders of JPEG 2000 undo its own colour transform, so that may be another than the header's.

    Raises:
        InputError: A frame is missing or broken, or the codec is not installed.
    """
    syntax = syntax_of(dataset)
    if syntax.is_encapsulated or syntax in _GDCM_ONLY:
        frames = _decode_compressed(subject, dataset, layout, syntax)
    elif syntax.is_private or not syntax.is_transfer_syntax:
        raise InputError(subject, f"its transfer syntax {_name(syntax)} cannot be decoded")
    else:
        frames = _decode_native(subject, dataset, layout, syntax)
    count = 0
    try:
        for array, photometric in frames:
            if count == layout.frames:
                break
            if array.shape != layout.shape[1:]:
                raise InputError(subject, f"frame {count} has another shape than its header says")
            yield (
                _keep_used_bits(array, layout, not syntax.is_compressed or syntax == uids.RLELossless),
                photometric,
            )
            count += 1
    except FAILURES as error:
        raise InputError(
            subject, f"frame {count} cannot be decoded ({_name(syntax)}; {type(error).__name__})"
        ) from error
    if count < layout.frames:
        raise InputError(subject, f"expected {layout.frames} frames, got {count}")


def _decode_native(
    subject: str, dataset: Dataset, layout: Layout, syntax: UID
) -> Iterator[tuple[np.ndarray, str]]:
    keyword = next(keyword for keyword in PIXEL_KEYWORDS if keyword in dataset)
    # YBR_FULL_422 stores the two colour differences once for two pixels (PS3.3 C.7.6.3.1.2).
    samples = prod(layout.shape) * (2 / 3 if layout.photometric == "YBR_FULL_422" else 1)
    expected = ceil(samples * layout.bits_allocated / 8)
    raw = dataset[keyword].value
    if not isinstance(raw, bytes) or len(raw) < expected:
        got = len(raw) if isinstance(raw, bytes) else 0
        raise InputError(subject, f"its pixel data ends early: expected {expected} bytes, got {got}")
    native: dict[str, Any] = {"correct_unused_bits": False, "view_only": True, "allow_excess_frames": False}
    for array, meta in get_decoder(syntax).iter_array(dataset, raw=True, validate=False, **native):
        yield array, str(meta["photometric_interpretation"])


def _decode_compressed(
    subject: str, dataset: Dataset, layout: Layout, syntax: UID
) -> Iterator[tuple[np.ndarray, str]]:
    if not getattr(dataset["PixelData"], "is_undefined_length", False):
        raise InputError(subject, f"its pixel data does not match its transfer syntax {_name(syntax)}")
    precision = _check_codestreams(subject, dataset, layout, syntax)
    if syntax == uids.RLELossless:
        for source in _list_encoded(dataset, layout):
            yield _decode_rle(source, layout), layout.photometric
        return
    if syntax in _GDCM_ONLY or (syntax == uids.JPEGExtended12Bit and precision > 8):
        _require(subject, syntax, "gdcm")
        for source in _list_encoded(dataset, layout):
            yield _decode_jpeg(source, layout, syntax, precision), layout.photometric
        return
    if syntax not in _PLUGINS:
        raise InputError(subject, f"its transfer syntax {_name(syntax)} cannot be decoded")
    plugin, module = _PLUGINS[syntax]
    _require(subject, syntax, module)
    decoder = get_decoder(syntax)
    unused: dict[str, Any] = {"correct_unused_bits": False}
    for array, meta in decoder.iter_array(
        dataset, raw=True, validate=False, decoding_plugin=plugin, **unused
    ):
        yield array.astype(layout.dtype, copy=False), str(meta["photometric_interpretation"])


def _list_encoded(dataset: Dataset, layout: Layout) -> Iterator[bytes]:
    """The compressed frames."""
    offsets, lengths = (element(dataset, f"ExtendedOffsetTable{part}") for part in ("", "Lengths"))
    extended = (offsets, lengths) if offsets and lengths and len(offsets) == len(lengths) else None
    yield from generate_frames(dataset.PixelData, number_of_frames=layout.frames, extended_offsets=extended)


def _check_codestreams(subject: str, dataset: Dataset, layout: Layout, syntax: UID) -> int:
    """Checks that each compressed frame has the header's size, before it is decoded; gives their largest precision."""
    deepest = 0
    if syntax == uids.RLELossless:
        return layout.bits_stored
    count = 0
    try:
        for count, source in enumerate(_list_encoded(dataset, layout), 1):
            size = _read_codestream_size(source)
            if size is None:
                raise InputError(subject, f"frame {count - 1} does not match {_name(syntax)}, or is broken")
            height, width, samples, precision = size
            if (height, width, samples) != (layout.rows, layout.columns, layout.samples):
                raise InputError(
                    subject,
                    f"frame {count - 1} is {height} × {width} with {samples} samples a pixel, its header says "
                    f"{layout.rows} × {layout.columns} with {layout.samples}",
                )
            if precision > layout.bits_allocated:
                raise InputError(subject, f"frame {count - 1} has {precision} bits, more than are allocated")
            deepest = max(deepest, precision)
            if syntax not in _JPEG_2000:
                check_scans(f"{subject}, frame {count - 1}", source, height * width * layout.frames)
            if count == layout.frames:
                break
    except FAILURES as error:
        raise InputError(subject, f"its compressed frames are broken ({type(error).__name__})") from error
    if count < layout.frames:
        raise InputError(subject, f"expected {layout.frames} compressed frames, got {count}")
    return deepest


def _read_codestream_size(source: bytes) -> tuple[int, int, int, int] | None:
    """Height, width, samples a pixel and bits of a JPEG, JPEG-LS or JPEG 2000 stream; None if it is none."""
    if source[:12] == b"\x00\x00\x00\x0cjP  \r\n\x87\n":  # a JP2 file where a bare codestream is due
        start = source.find(b"\xff\x4f\xff\x51", 0, 1 << 16)
        return _read_codestream_size(source[start:]) if start > 0 else None
    if source[:4] == b"\xff\x4f\xff\x51":  # ISO/IEC 15444-1 A.5.1, SIZ
        width, height, left, top = struct.unpack(">4I", source[8:24])
        (samples,) = struct.unpack(">H", source[40:42])
        return height - top, width - left, samples, (source[42] & 0x7F) + 1
    if source[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 10 <= len(source):  # ISO/IEC 10918-1 annex B; 14495-1 has SOF55, 0xF7
        if source[place] != 0xFF:
            return None
        marker = source[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7):
            precision, height, width, samples = struct.unpack(">BHHB", source[place + 4 : place + 10])
            return height, width, samples, precision
        place += 2 + struct.unpack(">H", source[place + 2 : place + 4])[0]
    return None


def _decode_rle(source: bytes, layout: Layout) -> np.ndarray:
    """An RLE frame (PS3.5 annex G) by Pillow's PackBits: one segment for each byte of a sample, the highest first.

    pydicom's own decoder is in Python, ten times slower; pylibjpeg's panics on broken streams, beyond any except.
    """
    count, *offsets = struct.unpack("<16I", source[:64])
    width, pixels = layout.bits_allocated // 8, layout.rows * layout.columns
    if count != layout.samples * width:
        raise ValueError(f"{count} segments")
    ends = [*offsets[1:count], len(source)]
    segments = [
        PillowImage.frombytes("L", (pixels, 1), source[start:end], "packbits", "L")
        for start, end in zip(offsets[:count], ends, strict=True)
    ]
    by_byte = np.stack([np.asarray(segment)[0] for segment in segments], axis=1)
    array: np.ndarray = by_byte.view(f">u{width}").astype(layout.dtype).reshape(layout.shape[1:])
    return array


def _decode_jpeg(source: bytes, layout: Layout, syntax: UID, precision: int) -> np.ndarray:
    """A grey JPEG frame of up to 12 bits by gdcm, which pydicom's gdcm plugin refuses."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixels = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixels.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(pixels)
    colour = gdcm.PhotometricInterpretation
    image.SetPhotometricInterpretation(colour(colour.GetPIType(layout.photometric)))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    bits = 8 if precision <= 8 else 16
    image.SetPixelFormat(gdcm.PixelFormat(layout.samples, bits, precision, precision - 1, 0))
    with _silence_stderr():
        buffer = image.GetBuffer()
    if buffer is None:
        raise ValueError("gdcm gives nothing")
    raw = buffer.encode("utf-8", "surrogateescape")  # as gdcm hands bytes to Python
    return np.frombuffer(raw, f"<u{bits // 8}").reshape(layout.shape[1:]).astype(layout.dtype)


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Hides what the C library prints to stderr while it tries its decoders."""
    with _STDERR:
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def _keep_used_bits(array: np.ndarray, layout: Layout, may_hold_overlays: bool) -> np.ndarray:
    """The stored bits alone, sign extended; the bits above and below (old overlays) are no part of the image."""
    array = array.astype(layout.dtype, copy=False)
    if layout.is_float or layout.bits_allocated == 1 or layout.bits_stored == layout.bits_allocated:
        return array
    shift = layout.high_bit - layout.bits_stored + 1 if may_hold_overlays else 0
    unsigned = array.view(f"u{array.dtype.itemsize}") >> shift
    unsigned &= (1 << layout.bits_stored) - 1
    if not layout.is_signed:
        return unsigned
    sign = 1 << (layout.bits_stored - 1)
    signed: np.ndarray = (unsigned ^ sign).view(layout.dtype) - layout.dtype.type(sign)
    return signed


def _require(subject: str, syntax: UID, module: str | None) -> None:
    if module is not None and not _is_installed(module):
        raise InputError(
            subject,
            f"its transfer syntax {_name(syntax)} needs a codec that is not installed",
            "pip install 'drai-cli[dicom]'",
        )


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _name(syntax: UID) -> str:
    """The transfer syntax by name and UID; of an unknown one only digits and dots."""
    digits = "".join(letter for letter in str(syntax)[:64] if letter in "0123456789.")
    return (
        f"{syntax.name} ({digits})"
        if syntax.is_transfer_syntax and syntax.name != syntax
        else digits or "unnamed"
    )
