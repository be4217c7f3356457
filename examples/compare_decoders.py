"""Reads every DICOM and NIfTI file of a folder with drai and with other decoders; prints a table with counts.

    python examples/compare_decoders.py ../shared/data/dicom ../shared/data/nifti

For DICOM, the stored samples (before colour conversion, rescale and windows) are compared with gdcm's. If gdcm cannot
decode a file or differs, they are compared with dcmtk's (`dcmdjpeg`, `dcmdrle`, `dcmdjpls`), if that is installed. For
NIfTI, the values are compared with nibabel's. Equal means every sample; lossy streams may differ by 2 levels. A file
that drai refuses is listed with its one-line error.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import gdcm
import nibabel
import numpy as np
import pydicom
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from drai_cli.errors import DraiError
from drai_cli.io.dicom.codecs import (
    JPEG_PROGRESSION,
    JPEG_SPECTRAL_SELECTION,
    decode_frames,
)
from drai_cli.io.dicom.file import parse, syntax_of
from drai_cli.io.dicom.format import is_dicom
from drai_cli.io.dicom.layout import Layout, layout_of
from drai_cli.io.dicom.read import check_is_image
from drai_cli.io.nifti.format import is_nifti
from drai_cli.io.read import read_stack

LOSSY = (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEG_PROGRESSION,
    JPEG_SPECTRAL_SELECTION,
    JPEG2000,
    JPEGLSNearLossless,
)
TOLERANCE = 2
TYPES = {
    "UINT8": "u1", "INT8": "i1", "UINT16": "<u2", "INT16": "<i2", "UINT12": "<u2", "INT12": "<i2",
    "UINT32": "<u4", "INT32": "<i4", "FLOAT32": "<f4", "FLOAT64": "<f8",
}  # fmt: skip


def main() -> int:
    warnings.simplefilter("ignore")
    for level in ("Debug", "Warning", "Error"):
        getattr(gdcm.Trace, f"{level}Off")()
    counts: Counter[str] = Counter()
    slowest = 0.0
    for root in map(Path, sys.argv[1:]):
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            if not (is_dicom(path) or is_nifti(path)):
                continue
            start = time.perf_counter()
            try:
                stack = read_stack(path)
            except DraiError as error:
                seconds = time.perf_counter() - start
                verdict = f"refused: {error.message}"
                counts["refused"] += 1
            else:
                seconds = time.perf_counter() - start
                with quiet():
                    verdict = (
                        compare_nifti(path, stack.array) if stack.kind == "nifti" else compare_dicom(path)
                    )
                counts[f"read, {verdict.partition(' (')[0]}"] += 1
            slowest = max(slowest, seconds)
            print(f"| {path.relative_to(root.parent)} | {verdict} | {seconds:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{sum(counts.values())} files: {'; '.join(f'{n} {what}' for what, n in counts.most_common())}")
    print(f"slowest {slowest:.2f} s, peak {peak:.0f} MiB in all")
    return int(any("DIFFERS" in what for what in counts))


def compare_dicom(path: Path) -> str:
    """What others say of the stored samples."""
    dataset = parse(path)
    check_is_image(str(path), dataset)
    layout = layout_of(str(path), dataset)
    mine = np.stack([array for array, _ in decode_frames(str(path), dataset, layout)])
    allowed = TOLERANCE if syntax_of(dataset) in LOSSY else 0
    verdicts = {}
    for name, decode in (("gdcm", by_gdcm), ("dcmtk", by_dcmtk), ("numpy", by_numpy)):
        theirs = decode(path, layout)
        if theirs is None or theirs.size != mine.size:
            continue
        difference = np.abs(theirs.reshape(mine.shape).astype(np.float64) - mine.astype(np.float64)).max()
        if difference == 0:
            return f"equal to {name}" + (
                f" (gdcm itself differs by {verdicts['gdcm']:g})" if verdicts else ""
            )
        if difference <= allowed:
            return f"within {TOLERANCE} levels of {name}"
        verdicts[name] = difference
    return f"DIFFERS ({verdicts})" if verdicts else "nothing to compare with"


def by_gdcm(path: Path, layout: Layout) -> np.ndarray | None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        return None
    image = reader.GetImage()
    buffer = image.GetBuffer()
    dtype = TYPES.get(image.GetPixelFormat().GetScalarTypeAsString())
    if buffer is None or dtype is None:
        return None
    array = np.frombuffer(buffer.encode("utf-8", "surrogateescape"), dtype)
    if layout.samples == 3 and image.GetPlanarConfiguration() == 1 and array.size == np.prod(layout.shape):
        return array.reshape(layout.frames, 3, layout.rows, layout.columns).transpose(0, 2, 3, 1)
    return array


def by_dcmtk(path: Path, layout: Layout) -> np.ndarray | None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "plain.dcm"
        for program in ("dcmdrle", "dcmdjpls", "dcmdjpeg", "dcmconv"):
            if shutil.which(program) is None:
                continue
            subprocess.run([program, path, out], capture_output=True, check=False)
            if out.exists():
                with contextlib.suppress(Exception):
                    raw = pydicom.dcmread(out)
                    if not raw.file_meta.TransferSyntaxUID.is_encapsulated:
                        array = np.frombuffer(raw.PixelData, layout.dtype)[: np.prod(layout.shape)]
                        if layout.samples == 3 and raw.PlanarConfiguration == 1:
                            planes = array.reshape(layout.frames, 3, layout.rows, layout.columns)
                            return planes.transpose(0, 2, 3, 1)
                        if layout.bits_stored < layout.bits_allocated and layout.is_signed:
                            shift = layout.bits_allocated - layout.bits_stored
                            return (array << shift) >> shift
                        return array
                out.unlink()
    return None


def by_numpy(path: Path, layout: Layout) -> np.ndarray | None:
    """Real numbers, which neither gdcm nor dcmtk takes, are plain bytes."""
    if not layout.is_float:
        return None
    dataset = pydicom.dcmread(path)
    raw = dataset.get("FloatPixelData") or dataset.get("DoubleFloatPixelData")
    return np.frombuffer(raw, f"<f{layout.bits_allocated // 8}")


def compare_nifti(path: Path, mine: np.ndarray) -> str:
    canonical = nibabel.as_closest_canonical(nibabel.load(path))
    values = np.asarray(canonical.dataobj)
    values = values.reshape(*values.shape[:3], -1)[::-1, ::-1].transpose(3, 2, 1, 0)
    return "equal to nibabel" if np.array_equal(values.reshape(mine.shape), mine) else "DIFFERS (nibabel)"


@contextlib.contextmanager
def quiet():
    """What the decoders of others print goes nowhere."""
    import os

    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
