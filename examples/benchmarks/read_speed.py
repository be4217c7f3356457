"""Compares building the cache from a tree of DICOM files with a bare loop of the decoder over the cores.

    python examples/benchmarks/read_speed.py [-n 500] [--size 512] [--syntax none|rle|jpegls|jpeg2000] [--rounds 3]

Writes the tree itself: `n` CT-like slices of 20 patients, two labels. The bare loop is `dcmread(...).pixel_array` in
one process; its processor time (the decoder of JPEG 2000 starts threads of its own) is divided by the number of cores.
Both sides alternate, and the fastest round of each counts. Prints one JSON object; `ratio` is the result. In addition
to decoding, the cache resizes each image and hashes its pixels: about 2 ms at 512 x 512, more than reading
uncompressed files.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from drai_cli.data.cache import build_cache
from drai_cli.data.reading import usable_cores
from drai_cli.data.sources import find_image_set

SYNTAXES = {"none": None, "rle": RLELossless, "jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless}


def make_tree(folder: Path, n: int, size: int, syntax: str) -> None:
    """Smooth slices with noise, 12 of 16 bits, as a scanner would make them."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:size, 0:size] / size
    for index in range(n):
        phase = generator.uniform(0, 6, 2)
        smooth = 1000 * (1 + np.sin(9 * rows + phase[0]) * np.cos(7 * columns + phase[1]))
        pixels = (smooth + generator.normal(0, 20, (size, size))).clip(0, 4095).astype(np.uint16)
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{index + 1}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", f"1.2.{index + 1}"
        dataset.PatientID, dataset.Modality = f"P{index % 20}", "CT"
        dataset.BodyPartExamined = ("HEAD", "CHEST")[index % 2]
        dataset.Rows = dataset.Columns = size
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW"
        if SYNTAXES[syntax] is not None:
            dataset.compress(SYNTAXES[syntax], generate_instance_uid=False)
        dataset.save_as(folder / f"{index:04d}.dcm", enforce_file_format=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--syntax", default="none", choices=list(SYNTAXES))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "tree"
        tree.mkdir()
        make_tree(tree, given.n, given.size, given.syntax)
        bare, cached = [], []
        for turn in range(given.rounds):
            start = time.process_time()
            for path in sorted(tree.iterdir()):
                _ = pydicom.dcmread(path).pixel_array
            bare.append(time.process_time() - start)
            start = time.perf_counter()
            image_set = find_image_set(tree, label="BodyPartExamined")
            build_cache(image_set, size=64, cache_dir=Path(place) / f"cache-{turn}")
            cached.append(time.perf_counter() - start)
    cores = usable_cores()
    result = {
        "files": given.n,
        "syntax": given.syntax,
        "cores": cores,
        "bare_cpu_s": round(min(bare), 3),
        "cache_s": round(min(cached), 3),
        "ratio": round(min(cached) / (min(bare) / cores), 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
