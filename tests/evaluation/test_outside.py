"""Images from elsewhere have the evaluated set's values for black and white."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.data.alike import read_alike
from drai_cli.data.cache import build_cache
from drai_cli.data.prepared import find_set
from drai_cli.evaluation.outside import read_outside
from drai_cli.io.intensity import Intensity
from drai_cli.settings.data_options import DataOptions
from tests.conftest import write_dicom
from tests.support.reporters import Recorder

LABELS = ("benign", "malignant")


def write_set(folder: Path, values: np.ndarray, kind: str) -> Path:
    """Two classes of two 16 px images each, all of them `values` plus a few of their own."""
    for number in range(4):
        array = values.copy()
        array[0, 0] += number
        path = folder / LABELS[number % 2] / f"{number}"
        if kind != "dicom":
            path.parent.mkdir(parents=True, exist_ok=True)
            stored = array.astype(np.float32 if kind == "float.tif" else np.uint16)
            PillowImage.fromarray(stored).save(path.with_suffix(path.suffix + "." + kind.rpartition(".")[2]))
        else:
            write_dicom(
                path.with_suffix(".dcm"), array.astype(np.int16), sop_class="1.2.840.10008.5.1.4.1.1.2",
                uid=f"1.2.{number + 1}", series=f"1.3.{number + 1}", PatientID=f"P{number}",
                RescaleSlope=1, RescaleIntercept=0, PixelSpacing=[1, 1], ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            )  # fmt: skip
    return folder


def evaluated(folder: Path, window: str | None = None) -> SimpleNamespace:
    """What `read_outside` needs of the evaluated set."""
    label = ("folder",) if next(folder.rglob("*.*")).suffix == ".dcm" else ()
    data = find_set(DataOptions(folder, size=16, window=window, label=label))
    images = build_cache(data, size=16, channels=1).images
    schema = ConditionSchema.from_rows([dict(entry.values) for entry in data.entries], data.label)
    return SimpleNamespace(
        images=images, schema=schema, intensity=data.intensity, trained_digests=frozenset()
    )


@pytest.mark.parametrize(
    ("kind", "black", "white", "window"),
    [
        ("png", 0, 4095, None),
        ("tif", 0, 4095, None),
        ("float.tif", 0, 4095, None),
        ("dicom", -160, 240, "40,400"),
    ],
)
def test_equal_values_are_equal_levels(tmp_path, kind, black, white, window):
    reporter = Recorder()
    ramp = np.linspace(black, white - 4, 256).reshape(16, 16)
    real = evaluated(write_set(tmp_path / "own", ramp, kind), window)
    assert real.intensity is not None
    theirs = write_set(tmp_path / "theirs", ramp / 2, kind)  # alone, they would be stretched
    outside = read_outside(theirs, (), real, reporter)
    low, high = real.intensity.low, real.intensity.high
    top = np.iinfo(outside.images.dtype).max
    expected = np.clip((np.rint(ramp / 2) - low) / (high - low), 0, 1) * top
    found = outside.images[0, ..., 0].astype(float)
    assert np.abs(found - expected)[1:].max() < 0.01 * top
    assert not [text for text in reporter.warnings if "black and white" in text]


def test_another_range_is_said(tmp_path):
    reporter = Recorder()
    ramp = np.linspace(0, 60000, 256).reshape(16, 16)
    real = evaluated(write_set(tmp_path / "own", ramp, "png"))  # levels as they are
    assert real.intensity is None
    read_outside(write_set(tmp_path / "theirs", ramp / 100, "png"), (), real, reporter)
    assert any("black and white may be other values" in text for text in reporter.warnings)


def test_plain_files_of_medical_images_hold_levels(tmp_path):
    folder = write_set(tmp_path, np.linspace(0, 60000, 256).reshape(16, 16), "png")
    hu = Intensity("HU", -1350, 150, "uint16")
    assert read_alike(DataOptions(folder), hu) == DataOptions(folder)
    asked = DataOptions(folder, window="full")
    assert read_alike(asked, Intensity("", 0, 4095, "uint16", 0.0)) is asked
