"""`sample --format npz`: one file in MedMNIST's layout, the same by whatever way, whole or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.conditions.attribute import Attribute
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, OverwriteError
from drai_cli.sampling import copy_filter
from drai_cli.sampling.npz_file import write_npz
from drai_cli.sampling.output import SampleOutput
from drai_cli.sampling.plan import Item, RowFormat
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify
from tests.workflows.sample_checks import contents, rows
from tests.workflows.test_sample_tars import Copies

COUNT = 70


@pytest.fixture
def options(tmp_path, tiny_model):
    return SampleOptions(
        tmp_path / "out", str(tiny_model), count=COUNT, attributes=("age=60",), seed=3, format="npz", device="cpu"
    )  # fmt: skip


@pytest.fixture
def whole(tmp_path, options):
    """The uninterrupted output of `options`."""
    sample(replace(options, out=tmp_path / "whole"))
    return contents(tmp_path / "whole")


def test_rows_are_the_images_of_the_folder_form(options, tmp_path, tiny_model):
    result = sample(options)
    assert sorted(contents(options.out)) == ["images.npz", "manifest.json", "metadata.csv"]
    sample(replace(options, out=tmp_path / "png", format="png"))
    table = rows(options.out)
    assert len(table) == result.images == COUNT
    with np.load(options.out / "images.npz", allow_pickle=False) as file:
        assert file["train_images"].shape == (COUNT, 16, 16, 3)
        assert file["train_labels"].shape == (COUNT, 1)
        assert file["label_names"].tolist() == ["mel", "nv"]
        for part in ("val", "test"):
            assert file[f"{part}_images"].shape == (0, 16, 16, 3)
            assert file[f"{part}_labels"].shape == (0, 1)
        for k, row in enumerate(table):
            label = str(file["label_names"][file["train_labels"][k, 0]])
            assert (label, str(file["train_index"][k])) == (row["label"], row["index"])
            name = f"{label}/{label}_{int(row['index']):06d}.png"
            assert row["file_name"] == f"images.npz/{name.partition('/')[2].removesuffix('.png')}"
            np.testing.assert_array_equal(file["train_images"][k], PillowImage.open(tmp_path / "png" / name))
        said = {name: str(file[name]) for name in ("synthetic", "weights_sha256", "seed", "licence")}
    sha256 = hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert said == {"synthetic": "yes", "weights_sha256": sha256, "seed": "3", "licence": "CC0-1.0"}


def test_medmnist_and_training_read_it(options):
    """As medmnist's own class reads it, and as `train --data OUT` finds it."""
    sample(options)
    found = find_image_set(options.out)
    assert (found.kind, len(found.entries)) == ("medmnist", COUNT)
    assert [entry.values["label"] for entry in found.entries] == [row["label"] for row in rows(options.out)]
    npz = np.load(options.out / "images.npz", mmap_mode="r")
    assert npz["train_labels"][3].astype(int).shape == (1,)
    PillowImage.fromarray(npz["train_images"][3]).convert("RGB")


def test_grey_of_a_unit_says_what_levels_mean(tmp_path, tiny_ct_model):
    sample(SampleOptions(tmp_path / "out", str(tiny_ct_model), label="mel", count=3, format="npz"))
    with np.load(tmp_path / "out" / "images.npz") as file:
        assert file["train_images"].shape == (3, 16, 16)
        assert (str(file["unit"]), float(str(file["intercept"]))) == ("HU", -1000)
        assert float(str(file["slope"])) == pytest.approx(1600 / 255)


@pytest.mark.parametrize("batch_size", [1, 33])
def test_batch_size_changes_no_byte(options, whole, batch_size):
    sample(replace(options, batch_size=batch_size))
    assert contents(options.out) == whole


@pytest.mark.parametrize("parts", [3, 80])
def test_parts_of_the_job_join_to_the_whole(options, whole, parts):
    made = [sample(replace(options, shard=f"{number}/{parts}")).made for number in range(parts, 0, -1)]
    assert sum(made) == COUNT
    assert contents(options.out) == whole
    assert sample(options).made == 0


def test_parts_made_apart_are_copied_together_without_hidden_files(options, whole, tmp_path):
    for number in (1, 2, 3):
        apart = replace(options, out=tmp_path / str(number), shard=f"{number}/3")
        assert not sample(apart).is_complete
        assert (apart.out / f"images-{number}-of-3.npz").exists()
        assert sample(apart).made == 0
        shutil.copytree(apart.out, options.out, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    assert sample(replace(options, shard="2/3")).is_complete
    assert contents(options.out) == whole


@pytest.mark.parametrize(("fails_after", "kept"), [(0, 0), (33, 32), (69, 64)])
def test_after_a_failure_finished_images_are_kept_and_no_half_file_is_there(
    options, whole, monkeypatch, fails_after, kept
):
    place, calls = SampleOutput.place, []

    def fail(self, *arguments):
        calls.append(1)
        if len(calls) > fails_after:
            raise InputError("disk", "full")
        return place(self, *arguments)

    monkeypatch.setattr("drai_cli.sampling.pipeline.usable_cores", lambda: 1)
    monkeypatch.setattr(SampleOutput, "place", fail)
    with pytest.raises(InputError):
        sample(options)
    monkeypatch.undo()
    assert all(name.startswith(".") for name in contents(options.out))
    assert sample(options).found == kept
    assert contents(options.out) == whole


def test_rows_that_a_power_cut_lost_are_made_again(options, whole, monkeypatch):
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    hidden = options.out / ".drai-sample-1-of-1.rows"
    data = bytearray(hidden.read_bytes()[:-100])
    data[768 * 5] ^= 1
    hidden.write_bytes(data)
    (options.out / "images.npz").write_bytes(whole["images.npz"][:5000])
    assert sample(options).made == 2
    assert contents(options.out) == whole


def test_a_foreign_npz_is_not_touched(options, monkeypatch):
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    (options.out / "images.npz").write_bytes(b"mine")
    with pytest.raises(OverwriteError, match="another file has this name"):
        sample(options)
    assert (options.out / "images.npz").read_bytes() == b"mine"
    assert not list(options.out.glob(".*.tmp"))


def test_a_finished_job_is_recognised_and_its_change_refused(options, tmp_path):
    sample(options)
    assert sample(options).made == 0
    with pytest.raises(OverwriteError, match="seed 3 there, 4 here"):
        sample(replace(options, seed=4))
    sample(replace(options, format="png", overwrite=True))
    assert not (options.out / "images.npz").exists()
    sample(replace(options, overwrite=True))
    assert sorted(contents(options.out)) == ["images.npz", "manifest.json", "metadata.csv"]
    (options.out / "images.npz").write_bytes(b"x")
    with pytest.raises(OverwriteError, match="another file has this name"):
        sample(options)


@pytest.mark.parametrize("share", [4, 1])
def test_copies_have_no_row(options, tmp_path, monkeypatch, share):
    monkeypatch.setattr(copy_filter, "load_training_copies", lambda *_: Copies(share))
    options = replace(options, reject_copies=True, train_data=tmp_path)
    result = sample(options)
    assert result.rejected == COUNT if share == 1 else 0 < result.rejected < COUNT
    table = rows(options.out)
    with np.load(options.out / "images.npz") as file:
        assert len(file["train_images"]) == len(table) == COUNT - result.rejected
        assert [str(index) for index in file["train_index"]] == [row["index"] for row in table]
        sums = file["train_images"].astype(np.int64).sum((1, 2, 3))
    assert (sums % share != 0).all()
    left_out = [name for name, digest in _listed(options.out).items() if digest is None]
    assert len(left_out) == result.rejected
    again = sample(options)
    assert (again.made, again.rejected) == (0, result.rejected)
    assert verify(VerifyOptions(options.out, regenerate=5, weights=options.weights)).findings == ()
    for shard in ("2/2", "1/2"):
        sample(replace(options, out=tmp_path / "parts", shard=shard))
    assert contents(tmp_path / "parts") == contents(options.out)


def _listed(folder):
    return json.loads((folder / "manifest.json").read_text())["files"]


def test_verify_finds_rows_that_were_changed(options):
    sample(options)
    checked = VerifyOptions(options.out, regenerate=COUNT, weights=options.weights)
    sound = verify(checked)
    assert (sound.findings, sound.images, sound.files, sound.regenerated) == ((), COUNT, 1, COUNT)
    path, table = options.out / "images.npz", rows(options.out)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file}
    images = arrays["train_images"].copy()
    images[5, 0, 0, 0] ^= 1
    _forge(path, {**arrays, "train_images": images})
    assert verify(VerifyOptions(options.out)).findings == ()
    assert verify(checked).findings == ((table[5]["file_name"], "is not what the weights make"),)
    _forge(path, {**arrays, "train_labels": 1 - arrays["train_labels"]})
    found = verify(VerifyOptions(options.out)).findings
    assert len(found) == COUNT
    assert "its mark label is" in found[0][1]
    _forge(path, {name: array for name, array in arrays.items() if name != "synthetic"})
    assert verify(VerifyOptions(options.out)).findings[0][1] == "is not marked as synthetic"
    for name, array in (
        ("label_names", np.array("mel")), ("train_index", np.arange(3)), ("train_labels", arrays["train_labels"] + 9),
        ("train_labels", np.zeros((COUNT, 1), complex)), ("train_index", arrays["train_images"]),
    ):  # fmt: skip
        _forge(path, {**arrays, name: array})
        assert ("images.npz", "its arrays do not agree") in verify(VerifyOptions(options.out)).findings
    path.write_bytes(b"x")
    assert verify(VerifyOptions(options.out)).findings == (("images.npz", "was changed"),)


def _forge(path, arrays) -> None:
    """Writes other arrays, and lists their sha256."""
    manifest = path.with_name("manifest.json")
    old = _listed(path.parent)["images.npz"]
    np.savez(path, **arrays)
    manifest.write_text(manifest.read_text().replace(old, hashlib.sha256(path.read_bytes()).hexdigest()))


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """20,000 images of 64 px, 246 MB, are written in a few."""
    images, row = RowFormat((64, 64, 3), "uint8"), bytes(64 * 64 * 3)
    count = 20_000

    def items():
        return (Item("a", {}, index) for index in range(count))

    tracemalloc.start()
    with open(tmp_path / "big.npz", "wb") as file:
        write_npz(
            file,
            images,
            Attribute("a", "categorical", ("a",)),
            count,
            items,
            (row for _ in range(count)),
            {"synthetic": "yes"},
        )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    with np.load(tmp_path / "big.npz") as file:
        assert file["train_index"][-1] == count - 1
