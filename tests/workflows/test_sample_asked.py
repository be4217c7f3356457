"""`sample`: what is asked for is what is made, and what cannot be is refused in words."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import DraiError, ExitCode, InputError, UsageError
from drai_cli.sampling import pipeline
from drai_cli.workflows.sample import preview_sample, sample
from tests.workflows.sample_checks import Heard, rows


def test_seed_label_and_attributes_change_every_image(options, tmp_path):
    pixels = []
    for number, changed in enumerate(
        [
            options,
            replace(options, seed=1),
            replace(options, label="nv"),
            replace(options, attributes=("age=60",)),
        ]
    ):
        changed = replace(changed, out=tmp_path / str(number), count=3)
        sample(changed)
        pixels += [np.array(PillowImage.open(path)).tobytes() for path in changed.out.glob("*/*.png")]
    assert len(set(pixels)) == 12


@pytest.mark.parametrize(
    ("age", "is_far"),
    [("50", False), ("80", False), ("20", False), ("81", True), ("500", True), ("-3", True)],
)
def test_a_number_far_from_the_training_images_is_pointed_out(options, age, is_far):
    """Of the model's training images, age is 50 ± 10."""
    for run in (sample, preview_sample):
        heard = Heard()
        run(replace(options, count=1, attributes=(f"age={age}",)), heard)
        warned = [
            line for line in heard.lines if f"--set age={age}: age of the training images is 50 ± 10" in line
        ]
        assert len(warned) == is_far


def test_far_numbers_of_a_table_are_counted(options, tmp_path):
    table = tmp_path / "real.csv"
    table.write_text("dx,age\nnv,45\nmel,500\nnv,900\nmel,\n")
    heard = Heard()
    sample(replace(options, label=None, count=None, like=table), heard)
    assert "real.csv: 2 rows lie far outside: age of the training images is 50 ± 10" in heard.lines


def test_labels_are_drawn_in_the_training_proportions(options):
    heard = Heard()
    result = sample(replace(options, label=None, count=20), heard)
    assert result.labels == {"mel": 5, "nv": 15}
    assert any("mel 5, nv 15" in line for line in heard.lines)


def test_per_class(options):
    result = sample(replace(options, label=None, count=None, per_class=4))
    assert result.labels == {"mel": 4, "nv": 4}


def test_like_follows_a_table(options, tmp_path):
    table = tmp_path / "real.csv"
    table.write_text("image_id,dx,age\na,nv,45.0\nb,Melanoma,\nc,nv,45\nd,,30\ne,nv,\n")
    heard = Heard()
    sample(replace(options, label=None, count=None, like=table), heard)
    assert [(r["file_name"], r["age"]) for r in rows(options.out)] == [
        ("nv/nv_000000.png", "45"), ("mel/mel_000000.png", ""), ("nv/nv_000001.png", "45"), ("nv/nv_000002.png", "")
    ]  # fmt: skip
    assert any("1 rows without a label" in line for line in heard.lines)


def test_like_follows_its_own_metadata(options, tmp_path):
    sample(replace(options, attributes=("age=50",)))
    again = replace(
        options, out=tmp_path / "again", label=None, count=None, like=options.out / "metadata.csv"
    )
    sample(again)
    assert (again.out / "mel/mel_000007.png").read_bytes() == (
        options.out / "mel/mel_000007.png"
    ).read_bytes()


def test_like_with_a_count_goes_evenly_over_the_rows(options, tmp_path):
    table = tmp_path / "real.csv"
    table.write_text("label\nnv\nmel\n")
    result = sample(replace(options, label=None, count=7, like=table))
    assert result.labels == {"mel": 3, "nv": 4}


def test_truncation_draws_towards_the_mean(options, tmp_path):
    spreads = []
    for number, truncation in enumerate((0.0, 0.5, 1.0)):
        changed = replace(options, out=tmp_path / str(number), truncation=truncation)
        sample(changed)
        images = [np.array(PillowImage.open(path)).astype(float) for path in changed.out.glob("mel/*.png")]
        spreads.append(np.std(images, axis=0).mean())
    assert spreads[0] == 0
    assert spreads[0] < spreads[1] < spreads[2]


def test_style_from_an_image(options, tmp_path, monkeypatch):
    drawn, draw = [], pipeline.draw_images
    monkeypatch.setattr(
        pipeline, "draw_images", lambda *given, **more: drawn.append(draw(*given, **more)) or drawn[-1]
    )
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(
        tmp_path / "s.png"
    )
    sample(replace(options, style_from=tmp_path / "s.png", count=3))
    ((_, contents_, styles),) = drawn
    assert (styles == styles[0]).all()
    assert not (contents_[0] == contents_[2]).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "melanom"}, "did you mean"),
        ({"count": None}, "expected a number of images"),
        ({"count": 0}, "from 1 to"),
        ({"per_class": 3}, "contradicts"),
        ({"label": None, "count": None, "per_class": -1}, "at least 1"),
        ({"like": Path("x.csv")}, "contradicts"),
        ({"attributes": ("age",)}, "NAME=VALUE"),
        ({"attributes": ("weight=3",)}, "no such attribute"),
        ({"attributes": ("age=old",)}, "finite number"),
        ({"attributes": ("age=3", "age=4")}, "twice"),
        ({"attributes": ("dx=nv",)}, "contradicts"),
        ({"format": "tfrecord"}, "png, dicom, nifti, npz, webdataset"),
        ({"layout": "heaps"}, "folders, flat, isic, bids"),
        ({"layout": "flat", "format": "npz"}, "a file per image, got npz"),
        ({"layout": "bids", "format": "dicom"}, "nifti or png, got dicom"),
        ({"shard_size": 100}, "a part of a job is --shard I/N"),
        ({"format": "webdataset", "shard_size": 0}, "at least 1"),
        ({"shard": "0/4"}, "from 1"),
        ({"shard": "5/4"}, "from 1 to 4"),
        ({"shard": "one"}, "I/N"),
        ({"truncation": -1.0}, "at least 0"),
        ({"truncation": float("nan")}, "at least 0"),
        ({"batch_size": 0}, "at least 1"),
        ({"device": "tpu9"}, "no such device"),
        ({"device": "cuda:99"}, "no such device"),
        ({"precision": "fp8"}, "no such precision"),
    ],
)
def test_usage_errors_leave_nothing_behind(options, change, words):
    with pytest.raises(UsageError) as raised:
        sample(replace(options, **change))
    assert words in f"{raised.value} {raised.value.hint}"
    assert not options.out.exists()


@pytest.mark.parametrize("text", ["age\n3\n", "dx\nunknown thing\n", "dx,age\n,3\n", ""])
def test_tables_that_cannot_be_followed(options, tmp_path, text):
    table = tmp_path / "real.csv"
    table.write_text(text)
    with pytest.raises(InputError):
        sample(replace(options, label=None, count=None, like=table))
    assert not options.out.exists()


def test_out_that_cannot_be_written(options, tmp_path):
    (tmp_path / "file").write_text("x")
    file = tmp_path / "file"
    for out, exit_code in ((file, ExitCode.REFUSED), (file / "out", ExitCode.BAD_INPUT)):
        with pytest.raises(DraiError) as raised:
            sample(replace(options, out=out))
        assert raised.value.exit_code == exit_code
    assert (tmp_path / "file").read_text() == "x"


def test_a_full_disk_is_an_error_in_words(options, monkeypatch):
    real = os.replace

    def full(source, target, **named):
        if str(target).endswith("000004.png"):
            raise OSError(28, "No space left on device", str(target))
        return real(source, target, **named)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="no space left"):
        sample(options)
    assert not (options.out / "mel" / "mel_000004.png").exists()
    assert not list(options.out.rglob("*.tmp"))
