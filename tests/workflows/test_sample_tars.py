"""`sample --format webdataset`: tars with the folder form's bytes, the same by whatever way, whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.tar import make_tar_end, make_tar_member
from drai_cli.sampling import copy_filter
from drai_cli.sampling import layout as sample_layout
from drai_cli.sampling.job import Job
from drai_cli.sampling.output import SampleOutput
from drai_cli.sampling.plan import Plan, Run
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify
from tests.workflows.sample_checks import Heard, contents, rows

TARS = [f"images-{number:06d}.tar" for number in range(4)]
COUNT, SIZE = 70, 20


def files_of(folder: Path) -> dict[str, str | None]:
    return json.loads((folder / "manifest.json").read_text())["files"]


def samples_in(path: Path) -> Iterator[dict[str, bytes]]:
    """As WebDataset reads a tar: what follows one another with one key, up to the first dot, is a sample."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            match = re.fullmatch(r"((?:.*/|)[^.]+)[.]([^/]*)", info.name)
            assert match is not None
            if found and found["__key__"] != match[1].encode():
                yield found
                found = {}
            found["__key__"] = match[1].encode()
            assert match[2] not in found
            found[match[2]] = tar.extractfile(info).read()
    yield found


@pytest.fixture
def options(tmp_path, tiny_model):
    return SampleOptions(
        tmp_path / "out", str(tiny_model), count=COUNT, attributes=("age=60",), seed=3, format="webdataset",
        shard_size=SIZE, device="cpu",
    )  # fmt: skip


@pytest.fixture
def whole(tmp_path, options):
    """The uninterrupted output of `options`."""
    sample(replace(options, out=tmp_path / "whole"))
    return contents(tmp_path / "whole")


def test_tars_hold_what_the_folder_form_writes(options, tmp_path, tiny_model):
    result = sample(options)
    folders = replace(options, out=tmp_path / "png", format="png", shard_size=None)
    sample(folders)
    assert (result.images, result.made, result.is_complete) == (COUNT, COUNT, True)
    assert sorted(os.listdir(options.out)) == [*TARS, "manifest.json", "metadata.csv"]
    listed = rows(options.out)
    as_files = {(row["label"], row["index"]): row for row in rows(folders.out)}
    assert len(listed) == len(as_files) == COUNT
    samples = [one for tar in TARS for one in samples_in(options.out / tar)]
    for position, (row, one) in enumerate(zip(listed, samples, strict=True)):
        assert set(one) == {"__key__", "png", "json", "cls"}
        assert row["file_name"] == f"{TARS[position // SIZE]}/{one['__key__'].decode()}.png"
        other = as_files.pop((row["label"], row["index"]))
        assert one["png"] == (folders.out / other["file_name"]).read_bytes()
        assert {**row, "file_name": ""} == {**other, "file_name": ""}
        told = json.loads(one["json"])
        assert (told["synthetic"], told["label"], told["attributes"]) == (True, row["label"], {"age": "60"})
        assert (told["seed"], told["index"]) == (3, int(row["index"]))
        assert told["weights_sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
        assert ("mel", "nv")[int(one["cls"])] == row["label"]
    assert {row["label"] for row in listed[:SIZE]} == {"mel", "nv"}
    manifest = json.loads((options.out / "manifest.json").read_text())
    assert manifest["files"] == {
        name: hashlib.sha256((options.out / name).read_bytes()).hexdigest() for name in TARS
    }
    assert manifest["options"]["shard_size"] == SIZE


def test_attributes_that_are_not_set_keep_their_keys(options):
    sample(replace(options, attributes=(), count=3))
    for one in samples_in(options.out / TARS[0]):
        assert json.loads(one["json"])["attributes"] == {"age": ""}


@pytest.mark.parametrize("parts", [3, 7])
def test_parts_of_the_job_join_to_the_whole(options, whole, parts):
    heard = Heard()
    made = []
    for number in range(parts, 0, -1):
        made.append(sample(replace(options, shard=f"{number}/{parts}", batch_size=16), heard).made)
    assert sum(made) == COUNT
    assert made.count(0) == max(0, parts - 4) == sum("is empty" in line for line in heard.lines)
    assert contents(options.out) == whole
    assert sample(options).made == 0


def test_parts_made_apart_are_copied_together(options, whole, tmp_path):
    for number in (1, 2, 3):
        apart = replace(options, out=tmp_path / str(number), shard=f"{number}/3")
        assert not sample(apart).is_complete
        shutil.copytree(apart.out, options.out, dirs_exist_ok=True)
    assert sample(replace(options, shard="2/3")).is_complete
    assert contents(options.out) == whole


@pytest.mark.parametrize("fails_after", [0, 19, 20, 45, 69])
def test_after_a_failure_whole_tars_are_kept_and_no_half_one_is_there(
    options, whole, monkeypatch, fails_after
):
    place, calls = SampleOutput.place, []

    def fail(self, *arguments):
        calls.append(1)
        if len(calls) > fails_after:
            raise InputError("disk", "full")
        return place(self, *arguments)

    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(SampleOutput, "place", fail)
    with pytest.raises(InputError):
        sample(options)
    monkeypatch.undo()
    left = {name: data for name, data in contents(options.out).items() if not name.startswith(".")}
    assert left == {name: whole[name] for name in left}
    assert not list(options.out.glob(".*.tmp"))
    result = sample(options)
    assert result.found == len(left) * SIZE
    assert contents(options.out) == whole


def test_a_tar_with_a_gap_is_not_written(tmp_path):
    """Of several batches in flight one may fail, and what comes after it be done."""
    schema = ConditionSchema((Attribute("dx", "categorical", ("mel",)),))
    plan = Plan(schema, (Run({"dx": "mel"}, 0, 10),), (".png",), tar_images=4)
    output = SampleOutput(tmp_path / "out", plan, Job("1", "0" * 64, {}), 0)
    output.open(overwrite=False)
    for position, item in enumerate(plan.items(0, 10)):
        if position != 5:
            output.record(position, output.place(item, (b"x",)))
    assert output.find_missing(0, 10) == [4, 5, 6, 7]
    output.close()
    assert [path.name for path in sorted(output.out.glob("*.t*"))] == [TARS[0], TARS[2]]
    assert not list(output.out.glob(".*.tmp"))


def test_a_job_is_resumed_from_what_a_killed_process_left(options, whole, monkeypatch):
    """A tar that was renamed and not written down, one that a power cut shortened, a beginning under a hidden name."""
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    journal = options.out / ".drai-sample-1-of-1.journal"
    entries = bytearray(journal.read_bytes())
    entries[: SIZE * 32] = bytes(SIZE * 32)
    journal.write_bytes(entries)
    (options.out / TARS[1]).write_bytes(whole[TARS[1]][:5000])
    (options.out / TARS[2]).unlink()
    (options.out / f".{TARS[3]}.1-0123abcd.tmp").write_bytes(whole[TARS[3]][:700])
    result = sample(options)
    assert result.found == COUNT - 3 * SIZE
    assert contents(options.out) == whole


def test_a_foreign_tar_is_not_touched(options, monkeypatch):
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    (options.out / TARS[1]).write_bytes(b"mine")
    with pytest.raises(OverwriteError, match="another file has this name"):
        sample(options)
    assert (options.out / TARS[1]).read_bytes() == b"mine"
    assert not list(options.out.glob(".*.tmp"))


def test_a_finished_job_is_recognised(options):
    sample(options)
    before = {path: path.stat().st_mtime_ns for path in [options.out, *options.out.rglob("*")]}
    assert sample(options).made == 0
    assert {path: path.stat().st_mtime_ns for path in [options.out, *options.out.rglob("*")]} == before
    with pytest.raises(OverwriteError, match="shard_size 20 there, 21 here"):
        sample(replace(options, shard_size=21))
    (options.out / "images-000004.tar").write_bytes(b"")
    with pytest.raises(OverwriteError, match="is no output of this command"):
        sample(options)
    (options.out / "images-000004.tar").unlink()
    (options.out / TARS[2]).write_bytes(b"changed")
    with pytest.raises(OverwriteError, match="another file has this name"):
        sample(options)


def test_overwrite_goes_from_tars_to_folders_and_back(options, whole):
    sample(options)
    (options.out / "notes.txt").write_text("mine")
    sample(replace(options, format="png", shard_size=None, overwrite=True))
    assert sorted(os.listdir(options.out)) == ["manifest.json", "mel", "metadata.csv", "notes.txt", "nv"]
    sample(replace(options, overwrite=True))
    assert contents(options.out) == {**whole, "notes.txt": b"mine"}


class Copies:
    """Stands for the check against training images: says of some images that they are copies."""

    key = "key"

    def __init__(self, share: int) -> None:
        self.share = share

    def find(self, images: np.ndarray) -> np.ndarray:
        return images.astype(np.int64).sum((1, 2, 3)) % self.share == 0

    def reasons(self, images: np.ndarray, labels: Sequence[str]) -> list[str | None]:
        return ["copy" if is_copy else None for is_copy in self.find(images)]


@pytest.mark.parametrize("share", [4, 1])
def test_copies_are_left_out(options, tmp_path, monkeypatch, share):
    monkeypatch.setattr(copy_filter, "load_training_copies", lambda *_: Copies(share))
    plain = replace(options, out=tmp_path / "plain")
    sample(plain)
    options = replace(options, reject_copies=True, train_data=tmp_path)
    result = sample(options)
    assert result.rejected == COUNT if share == 1 else 0 < result.rejected < COUNT
    assert len(rows(options.out)) == COUNT - result.rejected
    listed = files_of(options.out)
    left_out = [name for name, digest in listed.items() if "/" in name and digest is None]
    there = [row["file_name"] for row in rows(options.out)]
    assert sorted(left_out + there) == sorted(row["file_name"] for row in rows(plain.out))
    assert [name for name in listed if "/" not in name] == TARS
    assert (share == 1) == (listed[TARS[0]] is None) == (not (options.out / TARS[0]).exists())
    again = sample(options)
    assert (again.made, again.rejected) == (0, result.rejected)
    assert verify(VerifyOptions(options.out, regenerate=5, weights=options.weights)).findings == ()
    for shard in ("2/2", "1/2"):
        sample(replace(options, out=tmp_path / "parts", shard=shard))
    assert contents(tmp_path / "parts") == contents(options.out)


def rewritten(path: Path, change) -> None:
    """Changes the members of a tar, and lists its new sha256 as a forger would."""
    with tarfile.open(path) as tar:
        members = [(info.name, tar.extractfile(info).read()) for info in tar]
    data = b"".join(make_tar_member(*member) for member in change(members))
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(data + make_tar_end(len(data)))
    manifest = path.with_name("manifest.json")
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(old, new))


def test_verify_finds_what_is_wrong_with_tars(options):
    sample(options)
    checked = VerifyOptions(options.out, regenerate=COUNT, weights=options.weights)
    sound = verify(checked)
    assert (sound.findings, sound.images, sound.files, sound.regenerated) == ((), COUNT, 4, COUNT)
    first, second = (row["file_name"] for row in rows(options.out)[:2])
    inner = [name.partition("/")[2] for name in (first, second)]

    def swap_and_drop(members):
        data = dict(members)
        data[inner[0]] = data[inner[1]]
        del data[inner[1]]
        return [*data.items(), ("extra.png", b"")]

    rewritten(options.out / TARS[0], swap_and_drop)
    found = dict(verify(VerifyOptions(options.out)).findings)
    assert found[first].startswith("its mark ")
    assert (found[second], found[f"{TARS[0]}/extra.png"]) == ("is missing", "is in no table")
    assert len(found) == 3
    (options.out / TARS[1]).write_bytes(b"x")
    (options.out / TARS[2]).unlink()
    found = dict(verify(checked).findings)
    assert (found[TARS[1]], found[TARS[2]]) == ("was changed", "is missing")


def test_pixels_changed_behind_the_manifests_back_are_found(options):
    sample(options)
    name = rows(options.out)[5]["file_name"]
    inner = name.partition("/")[2].replace(".png", ".cls")
    rewritten(
        options.out / TARS[0], lambda members: [(n, b"7" if n == inner else data) for n, data in members]
    )
    assert verify(VerifyOptions(options.out)).findings == ()
    found = verify(VerifyOptions(options.out, regenerate=COUNT, weights=options.weights)).findings
    assert found == ((name.replace(".png", ".cls"), "is not what the weights make"),)


def test_folders_of_bounded_size_are_one_job_whatever_the_way(options, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_layout, "MOST_IN_A_FOLDER", 20)
    options = replace(options, format="png", shard_size=None)
    sample(replace(options, out=tmp_path / "whole"))
    whole = contents(tmp_path / "whole")
    assert {name.rpartition("/")[0] for name in whole} == {"", "mel", "nv/000", "nv/001", "nv/002"}
    for shard in ("3/3", "1/3", "2/3"):
        sample(replace(options, shard=shard))
    assert contents(options.out) == whole
    assert sample(options).made == 0
    assert verify(VerifyOptions(options.out, regenerate=3, weights=options.weights)).findings == ()
    sample(replace(options, label="mel", count=3, overwrite=True))
    assert sorted(os.listdir(options.out)) == ["manifest.json", "mel", "metadata.csv"]
