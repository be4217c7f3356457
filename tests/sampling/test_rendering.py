"""Samples as DICOM and NIfTI: the values of the model's convention, marks, UIDs, and the same manners as PNG."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as PillowImage
from pydicom.pixels import apply_modality_lut

from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.output.marks import read_marks
from drai_cli.sampling import pipeline
from drai_cli.sampling.output import SampleOutput
from drai_cli.settings.image_options import SampleOptions
from drai_cli.workflows.sample import sample
from tests.workflows.sample_checks import contents

SUFFIXES = {"png": [".png"], "dicom": [".dcm"], "nifti": [".json", ".nii.gz"]}


@pytest.fixture
def options(tmp_path, tiny_ct_model):
    return SampleOptions(out=tmp_path / "out", weights=str(tiny_ct_model), label="melanoma", count=5)


@pytest.fixture
def levels(options, tmp_path):
    """The images as PNG levels, by index."""
    sample(replace(options, out=tmp_path / "levels"))
    return [np.array(PillowImage.open(path)) for path in sorted((tmp_path / "levels/mel").iterdir())]


@pytest.mark.parametrize("format", ["dicom", "nifti"])
def test_files_and_manifest(options, format):
    sample(replace(options, format=format))
    names = [f"mel/mel_{i:06d}{suffix}" for i in range(5) for suffix in SUFFIXES[format]]
    assert sorted(contents(options.out)) == sorted([*names, "manifest.json", "metadata.csv"])
    files = json.loads((options.out / "manifest.json").read_text())["files"]
    assert files == {name: hashlib.sha256((options.out / name).read_bytes()).hexdigest() for name in names}
    first = (options.out / "metadata.csv").read_text().splitlines()[1]
    assert first.startswith(f"mel/mel_000000{SUFFIXES[format][-1]},mel,")


def test_dicom_holds_hounsfield_units(options, levels):
    sample(replace(options, format="dicom"))
    for index, level in enumerate(levels):
        dataset = pydicom.dcmread(options.out / f"mel/mel_{index:06d}.dcm")
        np.testing.assert_array_equal(dataset.pixel_array, level)
        values = apply_modality_lut(dataset.pixel_array, dataset)
        np.testing.assert_allclose(values, level * (1600 / 255) - 1000, atol=1e-9)
        assert (dataset.RescaleType, dataset.SyntheticData) == ("HU", "YES")


def test_nifti_holds_hounsfield_units(options, levels):
    sample(replace(options, format="nifti"))
    for index, level in enumerate(levels):
        image = nib.load(options.out / f"mel/mel_{index:06d}.nii.gz")
        np.testing.assert_allclose(image.get_fdata()[..., 0].T, level * (1600 / 255) - 1000, atol=1e-3)
        np.testing.assert_array_equal(image.dataobj.get_unscaled()[..., 0].T, level)
        assert image.header["descrip"].item().startswith(b"SYNTHETIC, made by drai")


def test_colour(options, tiny_model, tmp_path):
    made = {}
    for format in ("png", "dicom", "nifti"):
        out = tmp_path / format
        sample(replace(options, weights=str(tiny_model), format=format, out=out, count=1))
        made[format] = out / f"mel/mel_000000{SUFFIXES[format][-1]}"
    pixels = np.array(PillowImage.open(made["png"]))
    np.testing.assert_array_equal(pydicom.dcmread(made["dicom"]).pixel_array, pixels)
    found = np.asanyarray(nib.load(made["nifti"]).dataobj)[..., 0]
    np.testing.assert_array_equal(np.stack([found[c] for c in "RGB"], -1).swapaxes(0, 1), pixels)


@pytest.mark.parametrize("format", ["png", "dicom", "nifti"])
def test_every_kind_says_what_it_is(options, tiny_ct_model, format):
    sample(replace(options, format=format, attributes=("age=60",), seed=3, count=2))
    marks = read_marks(options.out / f"mel/mel_000001{SUFFIXES[format][-1]}")
    expected = {
        "synthetic": "yes", "label": "mel", "seed": "3", "index": "1", "condition": '{"age": "60", "dx": "mel"}',
        "weights_sha256": hashlib.sha256(tiny_ct_model.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert {name: marks[name] for name in expected} == expected
    assert marks["tool"].startswith("drai ")


@pytest.mark.parametrize("format", ["dicom", "nifti"])
def test_shards_and_resuming_give_the_same_bytes(options, tmp_path, monkeypatch, format):
    options = replace(options, format=format, count=70)
    sample(replace(options, out=tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    for shard in ("2/3", "3/3", "1/3"):
        sample(replace(options, out=tmp_path / "shards", shard=shard))
    assert contents(tmp_path / "shards") == whole
    monkeypatch.setattr(pipeline, "usable_cores", lambda: 1)  # one micro-batch of 32 after the other
    place, calls = SampleOutput.place, []

    def fail(self, *arguments, **named):
        calls.append(1)
        if len(calls) > 69:
            raise InputError("disk", "full")
        return place(self, *arguments, **named)

    monkeypatch.setattr(SampleOutput, "place", fail)
    with pytest.raises(InputError):
        sample(options)
    monkeypatch.undo()
    assert sample(options).found == 64
    assert contents(options.out) == whole
    again = sample(options)
    assert (again.made, again.is_complete) == (0, True)


@pytest.mark.parametrize("name", ["mel/mel_000002.json", "mel/mel_000002.nii.gz"])
def test_a_changed_or_foreign_file_is_refused(options, name, monkeypatch):
    options = replace(options, format="nifti")
    sample(options)
    (options.out / name).write_bytes(b"{}")
    with pytest.raises(OverwriteError, match="another file has this name"):
        sample(options)
    (options.out / "mel/notes.json").write_bytes(b"{}")
    with pytest.raises(OverwriteError, match="is no output of this command"):
        sample(options)
    sample(replace(options, format="dicom", overwrite=True))
    assert sorted(os.listdir(options.out / "mel")) == [*(f"mel_{i:06d}.dcm" for i in range(5)), "notes.json"]


def uids(options: SampleOptions, out: Path) -> list[str]:
    sample(replace(options, format="dicom", out=out))
    found = [pydicom.dcmread(path) for path in sorted(out.glob("*/*.dcm"))]
    return (
        [d.SOPInstanceUID for d in found]
        + [d.SeriesInstanceUID for d in found]
        + [d.StudyInstanceUID for d in found]
    )


def test_uids_follow_from_what_decides_the_pixels_alone(options, tmp_path):
    alone = replace(options, count=1)
    base = uids(alone, tmp_path / "base")
    assert len(set(base)) == 3
    assert uids(replace(alone, compression="rle"), tmp_path / "rle") == base
    assert set(base) < set(uids(options, tmp_path / "more"))
    for number, change in enumerate(
        [{"seed": 1}, {"label": "nv"}, {"truncation": 0.5}, {"attributes": ("age=3",)}, {"precision": "bf16"}]
    ):
        assert not set(base) & set(uids(replace(alone, **change), tmp_path / str(number)))


def test_packed_pixels_are_the_same(options, levels):
    sample(replace(options, format="dicom", compression="rle"))
    for index, level in enumerate(levels):
        dataset = pydicom.dcmread(options.out / f"mel/mel_{index:06d}.dcm")
        assert dataset.file_meta.TransferSyntaxUID.name == "RLE Lossless"
        np.testing.assert_array_equal(dataset.pixel_array, level)


def test_packing_is_for_dicom(options):
    with pytest.raises(UsageError, match="is for DICOM"):
        sample(replace(options, format="nifti", compression="rle"))
    assert not options.out.exists()


@pytest.mark.parametrize(
    "intensity", [{"dtype": "int8"}, {"low": 3, "high": 3}, {"low": "x"}, {"high": float("inf")}], ids=str
)
def test_a_convention_that_makes_no_sense_is_refused(options, tiny_ct_model, tmp_path, intensity):
    from drai_cli.errors import WeightsError
    from drai_cli.model_file.checkpoint import read_header
    from drai_cli.model_file.header import model_intensity

    with pytest.raises(WeightsError, match="intensity convention"):
        model_intensity(replace(read_header(tiny_ct_model), intensity=intensity))
