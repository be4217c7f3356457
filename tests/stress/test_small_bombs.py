"""Files of less than 1 MiB that would become gigabytes or hours, each in a process of its own."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

MOST_BYTES, MOST_SECONDS = 1 << 30, 60.0
Command = list[str]

RUN = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
from drai_cli.cli.app import app
import numpy, torch, PIL.Image, pydicom, nibabel
import drai_cli.workflows.sample, drai_cli.workflows.inspect, drai_cli.workflows.train, drai_cli.workflows.info
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    app(sys.argv[1:])
except SystemExit as ended:
    code = ended.code or 0
used = resource.getrusage(resource.RUSAGE_SELF)
print("USED", code, (used.ru_maxrss - before) << 10, used.ru_utime + used.ru_stime)
"""


def tiff_frames(folder: Path, tiny: Path) -> Command:
    """A small first frame and large ones after it, each turned, of one grey."""
    from PIL import Image

    small, large = Image.new("L", (8, 8)), Image.new("L", (20_000, 10_000))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "frames.tif"
    small.save(path, compression="tiff_deflate", exif=exif, save_all=True, append_images=[large] * 3)
    return ["inspect", str(path)]


def nifti_scaled(folder: Path, tiny: Path) -> Command:
    """Bytes that become float64."""
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((800, 800, 400), np.uint8), np.eye(4))
    raw = bytearray(image.to_bytes())
    struct.pack_into("<f", raw, 112, 0.5)
    path = folder / "a.nii.gz"
    path.write_bytes(gzip.compress(bytes(raw), 9))
    return ["inspect", str(path)]


def series_rescaled(folder: Path, tiny: Path) -> Command:
    """A first slice of bytes, others that become float64."""
    from tests.conftest import write_dicom

    path = folder / "series.zip"
    frame = np.zeros((1500, 1500), np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(110):
            scale = {} if number == 0 else {"RescaleSlope": "0.3", "RescaleIntercept": "0"}
            place = {
                "ImagePositionPatient": [0, 0, number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                "PixelSpacing": [1, 1], "InstanceNumber": number,
            }  # fmt: skip
            one = write_dicom(folder / "one.dcm", frame, uid=f"1.2.{number + 1}", **place, **scale)
            archive.write(one, f"{number}.dcm")
            one.unlink()
    return ["inspect", str(path)]


def npy_header(folder: Path, tiny: Path) -> Command:
    """An npz whose array has a header of 900 MB."""
    path = folder / "a.npz"
    head = b"\x93NUMPY\x02\x00" + struct.pack("<I", 900 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for part in ("train", "val", "test"):
            for kind in ("images", "labels"):
                with archive.open(f"{part}_{kind}.npy", "w", force_zip64=True) as file:
                    file.write(head)
                    for _ in range(900 if (part, kind) == ("train", "images") else 1):
                        file.write(b" " * (1 << 20))
    return ["inspect", str(path)]


def _onnx(folder: Path, tiny: Path, spoil: Callable[[object, object], None]) -> Command:
    import onnx

    from tests.stress.fuzz_kinds import _make_onnx
    from tests.stress.fuzz_places import Place

    place = Place(folder, lambda command: None)
    _make_onnx(place, folder)
    model = onnx.load(folder / "m.onnx")
    model.graph.node[-1].output[0] = "inner"
    spoil(model, onnx)
    onnx.save(model, folder / "m.onnx")
    return [
        "sample",
        "--runtime",
        "onnx",
        "--weights",
        str(folder / "m.onnx"),
        "-n",
        "1",
        "--out",
        str(folder / "o"),
    ]


def onnx_constant(folder: Path, tiny: Path) -> Command:
    """A constant of 4 GB that is computed when the model is loaded."""

    def spoil(model: object, onnx: object) -> None:
        helper, graph = onnx.helper, model.graph  # type: ignore[attr-defined]
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([1_000_000_000]), "many"))  # type: ignore[attr-defined]
        graph.node.insert(0, helper.make_node("ConstantOfShape", ["many"], ["large"]))
        graph.node.insert(1, helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0))
        graph.node.append(helper.make_node("Add", ["inner", "sum"], [graph.output[1].name]))

    return _onnx(folder, tiny, spoil)


def onnx_chain(folder: Path, tiny: Path) -> Command:
    """A chain of products of large constants."""

    def spoil(model: object, onnx: object) -> None:
        helper, graph = onnx.helper, model.graph  # type: ignore[attr-defined]
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([4000, 4000]), "side"))  # type: ignore[attr-defined]
        graph.node.insert(0, helper.make_node("ConstantOfShape", ["side"], ["m0"]))
        for index in range(2000):
            graph.node.insert(index + 1, helper.make_node("MatMul", [f"m{index}", "m0"], [f"m{index + 1}"]))
        graph.node.append(helper.make_node("ReduceSum", ["m2000"], ["sum"], keepdims=0))
        graph.node.append(helper.make_node("Add", ["inner", "sum"], [graph.output[1].name]))

    return _onnx(folder, tiny, spoil)


def _model(folder: Path, **claims: int) -> Command:
    from drai_cli.model_file.header import HEADER_KEY

    architecture = {
        "image_size": 64, "image_channels": 3, "content_dim": 4, "style_dim": 4, "channels": 8, "max_channels": 8,
        "blocks": 1, "pools_content": False, **claims,
    }  # fmt: skip
    schema = [
        {
            "name": "dx",
            "kind": "categorical",
            "values": ["a", "b"],
            "aliases": {},
            "mean": 0.0,
            "deviation": 1.0,
        }
    ]
    entry = {
        "format_version": 1, "architecture": architecture, "schema": schema, "method": "drai", "intensity": {},
        "training": {}, "measures": {}, "data": "", "licence": "", "intended_use": "",
    }  # fmt: skip
    head = json.dumps({"__metadata__": {HEADER_KEY: json.dumps(entry)}}).encode()
    path = folder / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    return ["sample", "--weights", str(path), "-n", "1", "--out", str(folder / "o"), "--device", "cpu"]


def model_blocks(folder: Path, tiny: Path) -> Command:
    """Thousands of blocks in a file under 1 kB."""
    return _model(folder, blocks=4096, image_size=4096)


def model_widths(folder: Path, tiny: Path) -> Command:
    return _model(folder, content_dim=4096, style_dim=4096, channels=4096, max_channels=4096, image_size=4096)


def csv_columns(folder: Path, tiny: Path) -> Command:
    """60,000 columns."""
    columns = ["file_name", "label", *(f"c{index}" for index in range(60_000))]
    rows = [f"{index}.png,{'ab'[index % 2]}," + "," * 59_999 for index in range(4)]
    (folder / "metadata.csv").write_text("\n".join([",".join(columns), *rows]) + "\n")
    from PIL import Image

    for index in range(4):
        Image.new("L", (16, 16)).save(folder / f"{index}.png")
    return ["inspect", str(folder), "--label", "label"]


def like_unknown(folder: Path, tiny: Path) -> Command:
    """A table of which no value is known to the model, which has a few thousand."""
    from dataclasses import replace

    from drai_cli.conditions.schema import Attribute, ConditionSchema
    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import read_header, save_model

    site = Attribute("site", "categorical", tuple(f"a site with a long name {i}" for i in range(4000)))
    header = read_header(tiny)
    header = replace(header, schema=ConditionSchema((*header.schema.attributes, site)))
    save_model(folder / "m.safetensors", header, Networks(header.architecture, header.schema.dim))
    rows = [f"mel,a site of unknown name {index}" for index in range(10_000)]
    (folder / "like.csv").write_text("\n".join(["label,site", *rows]) + "\n")
    return ["sample", "--weights", str(folder / "m.safetensors"), "--like", str(folder / "like.csv"), "-n", "1",
            "--device", "cpu", "--out", str(folder / "o")]  # fmt: skip


def gif_frames(folder: Path, tiny: Path) -> Command:
    """Tens of thousands of frames of a large canvas."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("P", (4000, 4000)).save(buffer, "GIF")
    raw = buffer.getvalue()
    head, frame = raw[: raw.index(b",")], raw[raw.index(b",") : -1]
    (folder / "a.gif").write_bytes(head + frame * max(2, (900 << 10) // len(frame)) + b";")
    return ["inspect", str(folder / "a.gif")]


def jpeg2000_size(folder: Path, tiny: Path) -> Command:
    """DICOM whose JPEG 2000 stream claims another size than its header."""
    from PIL import Image
    from pydicom.encaps import encapsulate

    from tests.conftest import write_dicom

    buffer = io.BytesIO()
    Image.new("L", (12_000, 12_000)).save(buffer, "JPEG2000", irreversible=False)
    path = write_dicom(
        folder / "a.dcm", np.zeros((8, 8), np.uint8), PixelData=encapsulate([buffer.getvalue()])
    )
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(path.read_bytes()))
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    return ["inspect", str(path)]


def dicomdir_loop(folder: Path, tiny: Path) -> Command:
    """Folders that link to themselves and to each other, with a DICOMDIR in each."""
    from tests.conftest import write_dicom

    for index in range(30):
        place = folder / "d" / f"s{index}"
        write_dicom(place / "a.dcm", np.zeros((8, 8), np.uint8), uid=f"1.2.{index}", series=f"1.{index}")
        write_dicom(place / "DICOMDIR", np.zeros((8, 8), np.uint8), sop_class="1.2.840.10008.1.3.10")
        (place / "loop").symlink_to("..")
        (place / "self").symlink_to(".")
    return ["inspect", str(folder / "d")]


BOMBS = (
    tiff_frames, nifti_scaled, series_rescaled, npy_header, onnx_constant, onnx_chain, model_blocks, model_widths,
    csv_columns, like_unknown, gif_frames, jpeg2000_size, dicomdir_loop,
)  # fmt: skip
ALLOWED = {0, 2, 3, 4, 6}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_small_file_stays_small(bomb, tmp_path, tiny_model):
    command = bomb(tmp_path, tiny_model)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    largest = max(sizes)
    assert largest < (4 << 20 if bomb is like_unknown else 1 << 20), largest
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *command], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert "Traceback" not in ended.stderr, ended.stderr[-2000:]
    line = next(line for line in ended.stdout.splitlines() if line.startswith("USED"))
    _, code, used, seconds = line.split()
    print(
        f"{bomb.__name__}: {largest} bytes, exit {code}, {int(used) >> 20} MiB, {float(seconds):.1f} s",
        ended.stderr,
    )
    assert int(code) in ALLOWED
    assert int(used) <= MOST_BYTES
    assert float(seconds) <= MOST_SECONDS
