"""The one list of what decides a sample's pixels: the manifest, UIDs, a resumed job and `verify` all follow it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import OverwriteError
from drai_cli.model_file.header import ModelHeader
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.plan import Item
from drai_cli.sampling.rendering import SampleEncoder
from drai_cli.settings.config import ModelConfig
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify
from tests.conftest import write_dicom

PLAIN = PixelOptions(seed=3, truncation=0.7)
# Another value for each option of the list, in a job that takes its style from an image.
OTHERS: dict[str, Any] = {
    "seed": 4, "truncation": 0.5, "precision": "bf16", "runtime": "onnx",
    "style_from_sha256": "c" * 64, "style_from_frame": 1, "style_from_window": "40,400",
    "move_content": "0,1,0,0", "move_style": "0,0,0,0,0,-0.5",
}  # fmt: skip


def instance_uid(options: Mapping[str, Any]) -> str:
    """Of the same black image, whatever the options are."""
    schema = ConditionSchema((Attribute("dx", "categorical", ("mel", "nv")),))
    model = ModelConfig(
        image_size=16, image_channels=1, content_dim=4, style_dim=6, channels=8, max_channels=8
    )
    encoder = SampleEncoder(ModelHeader(model, schema, "drai"), "a" * 64, {**options, "format": "dicom"})
    pixels = np.zeros((16, 16, 1), np.uint8)
    (data,) = encoder.encode(Item("mel", {"dx": "mel"}, 5), pixels, pixels[..., :0])
    return str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID)


@pytest.mark.parametrize(
    ("style_from_sha256", "uid"),
    [
        (None, "2.25.283378274835697520699531567946282748643"),
        ("b" * 64, "2.25.2112015905944033827976893575818495824"),
    ],
)
def test_jobs_without_the_later_options_keep_their_uids(style_from_sha256, uid):
    """UIDs as they were when frame, window and runtime were not among what they follow from."""
    assert instance_uid(replace(PLAIN, style_from_sha256=style_from_sha256).to_json()) == uid


@pytest.mark.parametrize("name", [field.name for field in fields(PixelOptions)])
def test_each_option_of_the_list_makes_other_uids(name):
    with_style = replace(PLAIN, style_from_sha256="b" * 64)
    changed = replace(with_style, **{name: OTHERS[name]})
    assert instance_uid(changed.to_json()) != instance_uid(with_style.to_json())
    assert PixelOptions.from_json(json.loads(json.dumps(changed.to_json()))) == changed


@pytest.fixture
def options(tmp_path: Path, tiny_ct_model: Path) -> SampleOptions:
    """A job whose style is that of the first frame of a file."""
    frames = np.random.default_rng(0).integers(0, 1000, (2, 16, 16), np.uint16)
    style = write_dicom(tmp_path / "style.dcm", frames)
    return SampleOptions(
        tmp_path / "out", str(tiny_ct_model), label="mel", count=1, format="dicom", style_from=style, frame=0
    )


@pytest.mark.parametrize("change", [{"frame": 1}, {"window": "full"}, {"window": "300,200"}], ids=str)
def test_how_the_style_image_is_read_is_part_of_the_job(options, tmp_path, change):
    other = replace(options, out=tmp_path / "other", **change)
    made = []
    for job in (options, other):
        sample(job)
        made.append(pydicom.dcmread(job.out / "mel/mel_000000.dcm"))
        found = verify(VerifyOptions(job.out, 1, options.weights, style_from=options.style_from))
        assert (found.regenerated, found.findings) == (1, ())
    assert made[0].PixelData != made[1].PixelData
    assert made[0].SOPInstanceUID != made[1].SOPInstanceUID
    with pytest.raises(OverwriteError, match=f"style_from_{next(iter(change))}"):
        sample(replace(other, out=options.out))
