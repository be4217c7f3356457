"""A DICOM data set and its pixels as the bytes of a file: transfer syntaxes and their encoders (PS3.5, PS3.10)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from jaxtyping import Shaped
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from drai_cli.errors import InputError, UsageError
from drai_cli.settings.image_options import Compression

INSTALL = "pip install 'drai-cli[dicom]'"

# Of each syntax the one encoder that writes it: another might write other bytes for the same pixels.
_SYNTAXES: dict[Compression, tuple[UID, str]] = {
    "none": (ExplicitVRLittleEndian, ""),
    "rle": (RLELossless, "pydicom"),
    "jpeg2000": (JPEG2000Lossless, "pylibjpeg"),
}
_MIN_JPEG2000_SIDE = 32  # the encoder always makes six resolutions


def require_encoder(compression: Compression) -> tuple[UID, str]:
    """The transfer syntax and pydicom's name of the encoder that makes it.

    Raises:
        UsageError: It is not installed.
    """
    syntax, plugin = _SYNTAXES[compression]
    if plugin and plugin not in get_encoder(syntax).available_plugins:
        raise UsageError(f"--compression {compression}", "its encoder is not installed", INSTALL)
    return syntax, plugin


def pack(
    dataset: Dataset,
    array: Shaped[np.ndarray, "frames height width *channels"],
    compression: Compression,
    implementation: UID,
) -> bytes:
    """A file of a data set with these pixels, always compressed without loss.

    Args:
        dataset: All but the pixels; they are added.
        array: uint8 or uint16.
        compression: How the pixels are packed.
        implementation: (0002,0012) ImplementationClassUID.

    Raises:
        InputError: Too small for JPEG 2000.
        UsageError: An encoder that is not installed.
    """
    syntax, plugin = require_encoder(compression)
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    if compression == "none":
        data = little.tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OW" if array.dtype.itemsize == 2 else "OB"
    else:
        dataset.PixelData = encapsulate(_compress(dataset, little, syntax, plugin))
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.ImplementationClassUID = implementation
    dataset.file_meta.ImplementationVersionName = "DRAI"
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _compress(dataset: Dataset, array: np.ndarray, syntax: UID, plugin: str) -> list[bytes]:
    """Each frame, encoded."""
    encoder = get_encoder(syntax)
    if syntax == JPEG2000Lossless and min(dataset.Rows, dataset.Columns) < _MIN_JPEG2000_SIDE:
        raise InputError(
            "JPEG 2000",
            f"expected at least {_MIN_JPEG2000_SIDE} rows and columns, got {dataset.Rows} × {dataset.Columns}",
            "--compression rle",
        )
    options: dict[str, Any] = {
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "samples_per_pixel": dataset.SamplesPerPixel,
        "bits_allocated": dataset.BitsAllocated,
        "bits_stored": dataset.BitsStored,
        "pixel_representation": 0,
        "photometric_interpretation": dataset.PhotometricInterpretation,
        "number_of_frames": 1,
    }
    if dataset.SamplesPerPixel == 3:
        options["planar_configuration"] = 0
    return [encoder.encode(frame, encoding_plugin=plugin, **options) for frame in array]
