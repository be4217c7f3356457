"""`sample` into a folder that holds something: a finished job is recognised, nothing of anybody's overwritten."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from drai_cli.errors import ExitCode, OverwriteError
from drai_cli.sampling.output import SampleOutput
from drai_cli.sampling.pipeline import SamplePipeline
from drai_cli.workflows.sample import sample
from tests.workflows.sample_checks import Heard, contents


def test_a_foreign_file_under_our_name_is_not_touched(options, monkeypatch):
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    foreign = options.out / "mel" / "mel_000003.png"
    foreign.write_bytes(b"mine")
    with pytest.raises(OverwriteError):
        sample(options)
    assert foreign.read_bytes() == b"mine"


def test_a_finished_job_writes_nothing(options):
    sample(options)
    before = {path: path.stat().st_mtime_ns for path in [options.out, *options.out.rglob("*")]}
    heard = Heard()
    result = sample(options, heard)
    assert (result.made, result.found, result.is_complete) == (0, 21, True)
    assert any("nothing to do" in line for line in heard.lines)
    assert {path: path.stat().st_mtime_ns for path in [options.out, *options.out.rglob("*")]} == before


def test_a_finished_job_is_recognised_on_a_read_only_disk(options):
    sample(options)
    os.chmod(options.out, 0o555)
    try:
        assert sample(options).made == 0
    finally:
        os.chmod(options.out, 0o755)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 1}, "seed 0 there, 1 here"),
        ({"count": 22}, "labels"),
        ({"truncation": 0.5}, "truncation"),
        ({"attributes": ("age=3",)}, "attributes"),
        ({"format": "npz"}, "format"),
        ({"precision": "bf16"}, "precision"),
    ],
)
@pytest.mark.parametrize("is_finished", [True, False])
def test_another_command_is_refused(options, monkeypatch, change, word, is_finished):
    if not is_finished:
        monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    before = contents(options.out)
    with pytest.raises(OverwriteError, match=word) as raised:
        sample(replace(options, **change))
    assert raised.value.exit_code == ExitCode.REFUSED
    assert contents(options.out) == before


def test_other_parts_are_refused_while_unfinished(options):
    sample(replace(options, shard="1/2"))
    for shard in (None, "1/3"):
        with pytest.raises(OverwriteError, match="parts 2 there"):
            sample(replace(options, shard=shard))


@pytest.mark.parametrize("name", ["notes.txt", "mel/notes.txt", "mel/mel_000021.png", "nv/nv_000000.png"])
def test_other_files_are_refused(options, name):
    sample(options)
    (options.out / name).parent.mkdir(exist_ok=True)
    (options.out / name).write_text("mine")
    with pytest.raises(OverwriteError):
        sample(options)


def test_a_folder_of_something_else_is_left_as_it_is(options):
    options.out.mkdir()
    (options.out / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OverwriteError, match="other files"):
        sample(options)
    assert os.listdir(options.out) == ["holiday.jpg"]


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes() + b"x")])
@pytest.mark.parametrize("name", ["mel/mel_000004.png", "metadata.csv"])
def test_a_changed_finished_job_is_refused(options, damage, name):
    sample(options)
    damage(options.out / name)
    with pytest.raises(OverwriteError):
        sample(options)


TORN = {
    "empty": lambda whole: b"",
    "short": lambda whole: whole[: len(whole) // 2],
    "zeros": lambda whole: bytes(len(whole)),
    "zeros at its end": lambda whole: whole[:100] + bytes(len(whole) - 100),
}


@pytest.mark.parametrize("kind", ["png", "webdataset"])
@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("torn", TORN)
def test_what_a_power_cut_leaves_of_a_file_is_made_again(options, monkeypatch, kind, is_finished, torn):
    options = replace(options, format=kind, shard_size=20 if kind == "webdataset" else None)
    sample(options)
    expected = contents(options.out)
    name = "mel/mel_000004.png" if kind == "png" else "images-000001.tar"
    if not is_finished:
        other = replace(options, out=options.out.with_name("unfinished"))
        with monkeypatch.context() as patch:
            patch.setattr(SampleOutput, "finish", lambda self: False)
            sample(other)
        options = other
    path = options.out / name
    path.write_bytes(TORN[torn](path.read_bytes()))
    assert sample(options).made == 1  # the second tar file holds the last image alone
    assert contents(options.out) == expected
    assert not list(options.out.rglob(".*"))


def test_overwrite_replaces_an_earlier_job_and_nothing_else(options):
    sample(options)
    (options.out / "notes.txt").write_text("mine")
    sample(replace(options, label="nv", count=3, overwrite=True))
    assert (options.out / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in options.out.rglob("*")) == [
        "manifest.json", "metadata.csv", "notes.txt", "nv", "nv_000000.png", "nv_000001.png", "nv_000002.png"
    ]  # fmt: skip


def test_overwrite_touches_no_folder_that_no_sample_made(options):
    options.out.mkdir()
    (options.out / "metadata.csv").write_text("mine")
    with pytest.raises(OverwriteError, match="other files") as told:
        sample(replace(options, overwrite=True))
    assert told.value.hint == "choose another --out"
    assert (options.out / "metadata.csv").read_text() == "mine"


def test_overwrite_with_shards(options, whole):
    sample(replace(options, seed=9))
    for shard in ("1/2", "2/2"):
        sample(replace(options, shard=shard, overwrite=True))
    assert contents(options.out) == whole


def test_two_writers_of_one_part_do_not_mix(options, monkeypatch):
    run = SamplePipeline.run

    def run_twice(self, reporter):
        with pytest.raises(OverwriteError, match=r"drai sample \(process \d+ on .+\) is writing it"):
            sample(options)
        return run(self, reporter)

    monkeypatch.setattr(SamplePipeline, "run", run_twice)
    sample(options)


def test_another_job_does_not_clear_a_folder_that_is_written(options, monkeypatch):
    run = SamplePipeline.run

    def run_twice(self, reporter):
        with pytest.raises(OverwriteError, match="is writing it"):
            sample(replace(options, seed=5, overwrite=True))
        return run(self, reporter)

    monkeypatch.setattr(SamplePipeline, "run", run_twice)
    sample(options)
    monkeypatch.undo()
    assert sample(options).made == 0


@pytest.mark.parametrize(
    "name", [".drai-sample.lock", ".drai-sample-1-of-1.journal", ".drai-sample-1-of-1.lock"]
)
def test_no_file_is_written_through_a_link_in_the_folder(drai, tiny_model, tmp_path, name):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to("../victim")
    done = drai("sample", "--weights", tiny_model, "-n", 2, "--out", tmp_path / "out", "--device", "cpu")
    assert done.exit_code == 3
    assert f"{name}: expected a file or folder of drai's own, got a link." in done.stderr
    assert (tmp_path / "victim").read_text() == "mine"


def test_no_image_is_written_through_a_linked_folder(drai, tiny_model, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    command = ("sample", "--weights", tiny_model, "-n", 2, "--device", "cpu", "--out", tmp_path / "out")
    assert drai(*command).exit_code == 0
    for label in ("mel", "nv"):
        for path in (tmp_path / "out" / label).iterdir():
            path.unlink()
        (tmp_path / "out" / label).rmdir()
        (tmp_path / "out" / label).symlink_to("../elsewhere")
    for again in ((), ("--overwrite",)):
        assert drai(*command, *again).exit_code in (3, 6)
        assert list((tmp_path / "elsewhere").iterdir()) == []
