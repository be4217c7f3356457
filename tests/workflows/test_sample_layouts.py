"""`sample --layout`: the same images in other folders, with tables that other tools read."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import OverwriteError
from drai_cli.sampling import copy_filter
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify
from tests.workflows.sample_checks import contents, rows
from tests.workflows.test_sample_tars import Copies

LAYOUTS = ("flat", "isic", "bids")


@pytest.fixture(params=LAYOUTS)
def options(request, tmp_path, tiny_model):
    return SampleOptions(
        tmp_path / "out", str(tiny_model), count=12, attributes=("age=60",), seed=3, layout=request.param,
        device="cpu",
    )  # fmt: skip


def test_the_images_are_those_of_the_folder_form(options, tmp_path):
    sample(options)
    folders = replace(options, out=tmp_path / "folders", layout="folders")
    sample(folders)
    by_key = {(row["label"], row["index"]): row["file_name"] for row in rows(folders.out)}
    assert len(rows(options.out)) == 12
    for row in rows(options.out):
        same = by_key[row["label"], row["index"]]
        assert (options.out / row["file_name"]).read_bytes() == (folders.out / same).read_bytes()
    found = find_image_set(options.out)
    assert [entry.values["label"] for entry in found.entries] == [row["label"] for row in rows(options.out)]


def test_parts_join_to_the_whole_and_a_finished_job_is_recognised(options, tmp_path):
    sample(replace(options, out=tmp_path / "whole"))
    for number in (2, 3, 1):
        sample(replace(options, shard=f"{number}/3"))
    assert contents(options.out) == contents(tmp_path / "whole")
    assert sample(options).made == 0
    assert verify(VerifyOptions(options.out, regenerate=12, weights=options.weights)).findings == ()
    (options.out / "notes.txt").write_text("mine")
    with pytest.raises(OverwriteError, match="is no output of this command"):
        sample(options)


def test_overwrite_removes_what_the_other_layout_made_and_nothing_else(options):
    sample(options)
    for other in ("images/scan_000001.txt", "sub-000001/mine.txt", "notes.txt"):
        (options.out / other).parent.mkdir(exist_ok=True)
        (options.out / other).write_text("mine")
    sample(replace(options, layout="folders", overwrite=True))
    left = {name for name, data in contents(options.out).items() if data == b"mine"}
    assert left == {"images/scan_000001.txt", "sub-000001/mine.txt", "notes.txt"}
    made = {name for name in contents(options.out) if name not in left}
    assert all(re.fullmatch(r"(mel|nv)/\1_\d{6}\.png|metadata\.csv|manifest\.json", name) for name in made)
    assert len(made) == 14


def test_overwrite_of_folders_leaves_images_of_another_layout(options):
    """A user's own folder `images` next to an output of class folders."""
    sample(replace(options, layout="folders"))
    (options.out / "images").mkdir()
    (options.out / "images" / "scan_000001.png").write_text("mine")
    sample(replace(options, layout="folders", count=2, overwrite=True))
    assert (options.out / "images" / "scan_000001.png").read_text() == "mine"


@pytest.mark.parametrize("options", ["isic", "bids"], indirect=True)
def test_a_changed_table_is_found(options):
    sample(options)
    name = "ground_truth.csv" if options.layout == "isic" else "participants.tsv"
    path = options.out / name
    path.write_text(path.read_text().replace("mel", "nv"))
    assert verify(VerifyOptions(options.out)).findings == ((name, "was changed"),)
    with pytest.raises(OverwriteError, match="was changed"):
        sample(options)


@pytest.mark.parametrize("options", ["flat"], indirect=True)
def test_flat_is_one_folder(options):
    sample(options)
    assert sorted(path.name for path in options.out.iterdir()) == ["images", "manifest.json", "metadata.csv"]
    assert all(re.fullmatch(r"images/(mel|nv)_\d{6}\.png", row["file_name"]) for row in rows(options.out))


@pytest.mark.parametrize("options", ["isic"], indirect=True)
def test_isic_has_a_column_for_each_label(options, tmp_path, monkeypatch):
    monkeypatch.setattr(copy_filter, "load_training_copies", lambda *_: Copies(4))
    result = sample(replace(options, reject_copies=True, train_data=tmp_path))
    assert 0 < result.rejected < 12
    with open(options.out / "ground_truth.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["image", "mel", "nv"]
    for row, listed in zip(table, rows(options.out), strict=True):
        assert listed["file_name"] == f"images/{row['image']}.png"
        assert re.fullmatch(r"DRAI_\d{7}", row["image"])
        assert {label: row[label] for label in ("mel", "nv")} == {
            label: "1.0" if label == listed["label"] else "0.0" for label in ("mel", "nv")
        }


@pytest.mark.parametrize("options", ["bids"], indirect=True)
@pytest.mark.parametrize("format", ["png", "nifti"])
def test_bids_says_what_it_is(options, format):
    """Names by the specification's rules: entities by key-value, one datatype folder, a table of participants."""
    sample(replace(options, format=format))
    told = json.loads((options.out / "dataset_description.json").read_text())
    assert told["DatasetType"] == "derivative"
    assert told["GeneratedBy"][0]["Name"] == "drai"
    assert told["License"] == "CC0-1.0"
    assert told["BIDSVersion"]
    with open(options.out / "participants.tsv", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    described = json.loads((options.out / "participants.json").read_text())
    assert {"participant_id", *described} == set(table[0])
    for row, listed in zip(table, rows(options.out), strict=True):
        subject = row["participant_id"]
        suffix = ".png" if format == "png" else ".nii.gz"
        assert listed["file_name"] == f"{subject}/anat/{subject}_desc-synthetic_image{suffix}"
        assert (row["label"], row["age"]) == (listed["label"], "60")
    assert "no participant is a person" in (options.out / "README").read_text()


@pytest.mark.parametrize("options", ["bids"], indirect=True)
def test_missing_values_of_participants_are_said_so(options):
    sample(replace(options, attributes=(), label="mel"))
    with open(options.out / "participants.tsv") as file:
        assert file.readlines()[1] == "sub-000001\tmel\tn/a\n"
