"""Mutated images, volumes, tables and npz files through `inspect`: nothing but documented errors may come out.

    python tests/stress/fuzz_readers.py 10000 [first seed [names]]

Names, such as `.tif,.webp,pair.hdr`, choose the files that are mutated by how they end.

Case i is the same whenever it is made. Each is held to a time and, on the whole, to a memory; where one breaks either,
or anything but a `DraiError` escapes, its number and its file are kept and named.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import pydicom
from PIL import Image as PillowImage
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `tests` beside it

from drai_cli.errors import DraiError
from drai_cli.tables.table import is_table
from drai_cli.workflows.inspect import inspect
from tests.stress.fuzz_bytes import mutated, mutated_inside
from tests.stress.fuzz_seeds import COMPANIONS, companion, image_seeds, volume_seeds
from tests.support.memory import peak_bytes

MAX_SECONDS = 5.0  # of the processor, whoever else uses it
MAX_BYTES = 2 << 30


def dicom(syntax: str, array: np.ndarray, **elements: object) -> bytes:
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.Modality, dataset.PatientName = "CT", "Secret^Name"
    dataset.SamplesPerPixel = 3 if array.ndim == 3 and array.shape[-1] == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if dataset.SamplesPerPixel == 3 else "MONOCHROME2"
    if dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = array.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8 * array.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    dataset.ImagePositionPatient, dataset.PixelSpacing = [1, 2, 3], [0.5, 0.5]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.WindowCenter, dataset.WindowWidth = [40, 400], [400, 2000]
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelPaddingValue = 1, -1024, 0
    dataset.PixelData = array.tobytes()
    dataset["PixelData"].VR = "OB" if array.dtype.itemsize == 1 else "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    if syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(syntax, generate_instance_uid=False)
    if syntax == JPEGBaseline8Bit:
        dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dataset.save_as(
        file,
        enforce_file_format=True,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
    )
    return file.getvalue()


def seeds() -> list[tuple[str, bytes]]:
    """Names and contents of the sound files that are mutated."""
    numbers = np.random.default_rng(0)
    grey = numbers.integers(0, 255, (24, 20), np.uint8)
    deep = numbers.integers(0, 4000, (24, 20), np.uint16)
    colour = numbers.integers(0, 255, (24, 20, 3), np.uint8)
    jpeg, png, tiff, npz, zipped = (io.BytesIO() for _ in range(5))
    PillowImage.fromarray(grey).save(jpeg, "JPEG")
    PillowImage.fromarray(deep).save(png, "PNG")
    PillowImage.fromarray(deep).save(tiff, "TIFF", compression="tiff_lzw")
    parts = {f"{part}_images": np.stack([grey] * 3) for part in ("train", "val", "test")}
    np.savez_compressed(
        npz, **parts, **{f"{part}_labels": np.arange(3) % 2 for part in ("train", "val", "test")}
    )
    plain = dicom(ExplicitVRLittleEndian, deep)
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", plain)
        archive.writestr("b.dcm", dicom(ExplicitVRLittleEndian, deep, SOPInstanceUID="1.2.4"))
    volume = nibabel.Nifti1Image(numbers.integers(0, 99, (7, 6, 5)).astype(np.int16), np.eye(4))
    wide = nibabel.Nifti2Image(numbers.normal(size=(7, 6, 5, 2)).astype(np.float32), np.eye(4))
    palette = {f"{name}PaletteColorLookupTableData": bytes(512) for name in ("Red", "Green", "Blue")}
    palette |= {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    groups = pydicom.Dataset()
    groups.PlanePositionSequence = [pydicom.Dataset()]
    groups.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 1]
    found = [
        *((f"{index}.dcm", dicom(syntax, deep)) for index, syntax in enumerate(
            (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
             RLELossless)
        )),
        ("colour.dcm", dicom(ExplicitVRLittleEndian, colour)),
        ("ybr.dcm", dicom(ExplicitVRLittleEndian, colour, PhotometricInterpretation="YBR_FULL")),
        ("palette.dcm", dicom(ExplicitVRLittleEndian, grey, PhotometricInterpretation="PALETTE COLOR", **palette)),
        ("jpeg.dcm", dicom(JPEGBaseline8Bit, grey, PixelData=encapsulate([jpeg.getvalue()]))),
        ("frames.dcm", dicom(
            ExplicitVRLittleEndian, grey, Rows=12, NumberOfFrames=2,
            PerFrameFunctionalGroupsSequence=[groups, groups],
        )),
        ("enhanced.dcm", enhanced(deep)),
        *archives(grey),
        ("bare", plain[132:]),
        ("a.zip", zipped.getvalue()),
        ("a.nii", volume.to_bytes()),
        ("a.nii.gz", gzip.compress(volume.to_bytes())),
        ("b.nii", wide.to_bytes()),
        ("a.png", png.getvalue()),
        ("a.tif", tiff.getvalue()),
        ("a.npz", npz.getvalue()),
        *tables(),
        ("a.csv", b"file_name,label,age\n" + b"".join(b"%d.png,%d,%d\n" % (i, i % 2, i) for i in range(9))),
    ]  # fmt: skip
    for name, syntax in (("jls.dcm", JPEGLSLossless), ("j2k.dcm", JPEG2000Lossless)):
        try:
            found.append((name, dicom(syntax, deep)))
        except RuntimeError:  # the codec is not installed
            continue
    return [*found, *image_seeds(), *volume_seeds()]


def item(**elements: object) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def enhanced(array: np.ndarray) -> bytes:
    """Two echoes of two slices in functional groups, with dimensions; an ultrasound region."""
    frames = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, height])],
            FrameContentSequence=[
                item(StackID="1", InStackPositionNumber=place, DimensionIndexValues=[1, place, echo])
            ],
            MREchoSequence=[item(EffectiveEchoTime=10.0 * echo)],
        )
        for echo in (2, 1)
        for place, height in ((2, 4), (1, 0))
    ]
    pointers = (0x00209056, 0x00209057, 0x00189082)
    region = item(
        RegionSpatialFormat=1, PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3, PhysicalDeltaX=0.05,
        PhysicalDeltaY=0.02, RegionLocationMinX0=0, RegionLocationMinY0=0, RegionLocationMaxX1=19,
        RegionLocationMaxY1=5,
    )  # fmt: skip
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[item(PixelSpacing=[0.2, 0.5], SliceThickness=3)],
    )
    return dicom(
        ExplicitVRLittleEndian, array, Rows=len(array) // 4, NumberOfFrames=4,
        DimensionIndexSequence=[item(DimensionIndexPointer=pointer) for pointer in pointers],
        SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames,
        SequenceOfUltrasoundRegions=[region], PixelAspectRatio=[2, 5], ImageType=["DERIVED", "SECONDARY", "MPR"],
    )  # fmt: skip


def archives(grey: np.ndarray) -> list[tuple[str, bytes]]:
    """A set of two classes as zip and as tar."""
    zipped, tarred = io.BytesIO(), io.BytesIO()
    image = io.BytesIO()
    PillowImage.fromarray(grey).save(image, "PNG")
    names = [f"set/{label}/{index}.png" for label in "ab" for index in range(2)]
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in names:
            archive.writestr(name, image.getvalue())
    with tarfile.open(fileobj=tarred, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(image.getvalue())
            tar.addfile(info, io.BytesIO(image.getvalue()))
    return [
        ("set.zip", zipped.getvalue()),
        ("set.tar", tarred.getvalue()),
        ("set.tgz", gzip.compress(tarred.getvalue(), 1)),
    ]


def tables() -> list[tuple[str, bytes]]:
    """Sound tables of the other encodings and kinds."""
    lines = ["bild;label;alter", *(f"{i}.png;{('nävus', 'melanom')[i % 2]};{i},5" for i in range(9))]
    text = "\n".join(lines)
    objects = [{"file_name": f"{i}.png", "label": i % 2, "age": None, "also": ["a", 1.5]} for i in range(9)]
    book, file = openpyxl.Workbook(), io.BytesIO()
    for line in lines:
        book.active.append(line.split(";"))
    book.save(file)
    return [
        ("utf16.csv", text.encode("utf-16")),
        ("cp1252.csv", f"sep=;\r\n{text}".encode("cp1252")),
        ("a.csv.gz", gzip.compress(text.encode())),
        ("a.jsonl", "\n".join(map(json.dumps, objects)).encode()),
        ("a.json", json.dumps(objects).encode()),
        ("dataset.json", json.dumps({"labels": [[f"{i}.png", i % 3] for i in range(9)]}).encode()),
        ("a.xlsx", file.getvalue()),
    ]


def cases(count: int, first: int, ends: tuple[str, ...] = ("",)) -> Iterator[tuple[int, str, bytes]]:
    """Number, name and content of each case."""
    sound = [(name, raw) for name, raw in seeds() if name.endswith(ends)]
    for number in range(first, first + count):
        chance = random.Random(number)
        name, raw = sound[number % len(sound)]
        if name.endswith((".nii.gz", ".csv.gz", ".mgz", ".tgz")) and chance.random() < 0.7:
            # What is inside, and not only the compression.
            yield number, name, gzip.compress(mutated(gzip.decompress(raw), chance), 1)
        elif name.endswith(".xlsx") and chance.random() < 0.8:
            yield number, name, mutated_inside(raw, chance)
        else:
            yield number, name, mutated(raw, chance)


def fuzz(
    count: int, first: int, folder: Path, ends: tuple[str, ...] = ("",)
) -> tuple[Counter[str], list[str]]:
    """What became of the cases, and what should not have."""
    results: Counter[str] = Counter()
    wrong: list[str] = []
    for number, name, raw in cases(count, first, ends):
        path = folder / "case" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        if is_table(name):  # of images that are there, else no table is read to its end
            for index in range(9):
                PillowImage.new("L", (4, 4), index).save(path.with_name(f"{index}.png"))
        if name in COMPANIONS:
            path.with_name(COMPANIONS[name]).write_bytes(companion(name))
        start = time.process_time()
        os.environ["DRAI_CACHE"] = str(folder / "cache")
        try:
            inspect(path)
            results["read"] += 1
        except DraiError as error:
            results["refused"] += 1
            said = f"{error.message} {error.hint}"
            if "Secret" in said or "\n" in said or len(said) > 1500:
                wrong.append(f"case {number} ({name}): says {said!r}")
        except BaseException as error:  # a codec's panic is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong.append(f"case {number} ({name}): {traceback.format_exc()}")
        if (seconds := time.process_time() - start) > MAX_SECONDS:
            wrong.append(f"case {number} ({name}): {seconds:.1f} s of processor time")
        shutil.rmtree(folder / "cache", ignore_errors=True)
        if wrong and wrong[-1].startswith(f"case {number} "):
            path.rename(folder / f"{number}-{name}")
        else:
            path.unlink()
    peak = peak_bytes()
    if peak > MAX_BYTES:
        wrong.append(f"{peak >> 20} MiB of memory were in use at one time")
    return results, wrong


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    ends = tuple(sys.argv[3].split(",")) if len(sys.argv) > 3 else ("",)
    folder = Path(tempfile.mkdtemp(prefix="drai-fuzz-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.monotonic()
        results, wrong = fuzz(count, first, folder, ends)
    print(*wrong, sep="\n")
    peak = peak_bytes() >> 20
    print(
        f"{dict(results)}, {len(wrong)} wrong (kept in {folder}), {time.monotonic() - start:.0f} s, peak {peak} MiB"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
