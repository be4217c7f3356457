"""What the tests share: a runner of the prompt, a tiny random model, and small DICOM files."""

from __future__ import annotations

import os

# Before torch is imported: one thread in each test process, and in those that it starts. The test processes use the
# cores; several threads in each would wait for one another, the more the busier the machine is.
os.environ["OMP_NUM_THREADS"] = "1"

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from typer.testing import Result

from tests.support.fidelity import torch_fidelity  # noqa: F401  (a fixture)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def drai(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs a `drai` command line in this process, far from the user's own settings and caches."""
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("DRAI_WEIGHTS", raising=False)

    def run(*arguments: object) -> Result:
        from tests.support.prompt import run_drai

        return run_drai(arguments)

    return run


@pytest.fixture(scope="session")
def quick_judge() -> Iterator[None]:
    """Runs in this process choose their snapshot by a judge that has seen little: most of a tiny run is its judge."""
    from drai_cli.run import validation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_JUDGE_ROUNDS", 2)
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random 16 px RGB networks with two labels, `mel` and `nv`, and an age."""
    import torch

    from drai_cli.conditions.attribute import Attribute
    from drai_cli.conditions.schema import ConditionSchema
    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import save_model
    from drai_cli.model_file.header import ModelHeader
    from drai_cli.settings.config import ModelConfig

    torch.manual_seed(0)
    schema = ConditionSchema(
        (
            Attribute("dx", "categorical", ("mel", "nv"), {"melanoma": "mel"}),
            Attribute("age", "continuous", mean=50.0, deviation=10.0),
        )
    )
    config = ModelConfig(
        image_size=16, image_channels=3, content_dim=4, style_dim=6, channels=8, max_channels=8, blocks=1
    )
    header = ModelHeader(
        config,
        schema,
        "drai",
        training={"label_counts": {"mel": 3, "nv": 9}, "images_seen": 1234, "seed": 7},
        measures={"test": {"label agreement": 0.5}},
        data="Nothing: random weights",
        licence="CC0-1.0",
        intended_use="Tests",
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(path, header, Networks(config, schema.dim))
    return path


@pytest.fixture(scope="session")
def chest_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random 16 px grey networks with three findings and an age: see `CHEST`."""
    from tests.support.chest import save_chest_model

    return save_chest_model(tmp_path_factory.mktemp("weights") / "chest.safetensors")


def write_dicom(
    path: Path,
    array: np.ndarray,
    *,
    syntax: str = ExplicitVRLittleEndian,
    sop_class: str = SECONDARY,
    uid: str = "1.2.3.4",
    series: str = "1.2.3",
    bits: int | None = None,
    **elements: Any,
) -> Path:
    """Writes `[H, W]`, `[H, W, 3]` or `[frames, H, W]`; further elements by keyword."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = uid
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, "1.2"
    dataset.PatientName, dataset.PatientID = "Secret^Name", "SECRET-ID"
    dataset.Modality = {CT: "CT", MR: "MR"}.get(sop_class, "OT")
    is_colour = array.ndim == 3 and array.shape[-1] == 3
    dataset.SamplesPerPixel = 3 if is_colour else 1
    dataset.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        dataset.PlanarConfiguration = 0
    height_axis = 0 if is_colour or array.ndim == 2 else 1
    dataset.Rows, dataset.Columns = array.shape[height_axis : height_axis + 2]
    if array.ndim == 3 and not is_colour:
        dataset.NumberOfFrames = len(array)
    dataset.BitsAllocated = 8 * array.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    big = syntax == ExplicitVRBigEndian
    raw = array.astype(array.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OB" if array.dtype.itemsize == 1 else "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(
        path,
        enforce_file_format=True,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=not big,
    )
    return path


def placed(
    position: tuple[float, float, float] = (0, 0, 0),
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    spacing: tuple[float, float] = (0.5, 0.25),
    thickness: float = 2.0,
) -> dict[str, Any]:
    """Elements that say where an image lies."""
    return {
        "ImagePositionPatient": list(position),
        "ImageOrientationPatient": list(orientation),
        "PixelSpacing": list(spacing),
        "SliceThickness": thickness,
    }


@pytest.fixture(scope="session")
def make_dicom() -> Callable[..., Path]:
    """`write_dicom`."""
    return write_dicom


@pytest.fixture(scope="session")
def place() -> Callable[..., dict[str, Any]]:
    """`placed`."""
    return placed


@pytest.fixture(scope="session")
def tiny_ct_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random 16 px grey networks whose levels are Hounsfield units from -1000 to 600."""
    from dataclasses import replace

    import torch

    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import read_header, save_model

    torch.manual_seed(0)
    header = read_header(tiny_model)
    header = replace(
        header,
        architecture=replace(header.architecture, image_channels=1),
        intensity={"unit": "HU", "low": -1000, "high": 600, "dtype": "uint8"},
    )
    path = tmp_path_factory.mktemp("weights") / "ct.safetensors"
    save_model(path, header, Networks(header.architecture, header.schema.dim))
    return path


@pytest.fixture(scope="session")
def model_of(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a model file of random networks of a method, else as `tiny_model`."""
    from dataclasses import replace

    import torch

    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import read_header, save_model
    from drai_cli.settings.methods import METHODS

    folder = tmp_path_factory.mktemp("methods")

    def make(method: str) -> Path:
        path = folder / f"{method}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            header = replace(read_header(tiny_model), method=method)
            save_model(path, header, Networks(header.architecture, header.schema.dim, METHODS[method]))
        return path

    return make


class SmallDisks:
    """Makes small disks of memory, each a tmpfs below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounted: list[Path] = []

    def __call__(self, size: str) -> Path:
        """A new disk of a size as mount has it (`16k`); the test is skipped where one may not be mounted."""
        disk = self.folder / f"disk-{len(self.mounted)}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("may not mount a tmpfs")
        self.mounted.append(disk)
        return disk

    def resize(self, disk: Path, size: str, *options: str) -> None:
        """Gives a disk another size, or options (`ro`)."""
        subprocess.run(["mount", "-o", ",".join(["remount", f"size={size}", *options]), disk], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisks]:
    """`SmallDisks`, unmounted at the end."""
    disks = SmallDisks(tmp_path)
    yield disks
    for disk in disks.mounted:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(scope="session")
def mask_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random networks as `tiny_model`, which makes a mask `lesion` with each image."""
    from dataclasses import replace

    import torch

    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import read_header, save_model

    torch.manual_seed(0)
    header = read_header(tiny_model)
    architecture = replace(header.architecture, mask_channels=1)
    header = replace(header, architecture=architecture, mask_names=("lesion",))
    path = tmp_path_factory.mktemp("weights") / "masks.safetensors"
    save_model(path, header, Networks(architecture, header.schema.dim))
    return path
