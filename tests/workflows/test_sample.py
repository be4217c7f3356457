"""`sample`: the same bytes whatever the way they were made, and nothing of anybody's overwritten."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import DraiError, ExitCode, InputError, OverwriteError, UsageError
from drai_cli.progress import Reporter
from drai_cli.workflows import sample as sample_module
from drai_cli.workflows.options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.sample_output import SampleOutput
from drai_cli.workflows.verify import verify


class Heard(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, message: str) -> None:
        self.lines.append(message)

    info = warn


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metadata.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def options(tmp_path, tiny_model):
    return SampleOptions(out=tmp_path / "out", weights=str(tiny_model), label="melanoma", count=21)


@pytest.fixture
def whole(tmp_path, options):
    """The uninterrupted output of `options`."""
    sample(replace(options, out=tmp_path / "whole"))
    return contents(tmp_path / "whole")


def test_output_is_laid_out_as_promised(options, tiny_model):
    result = sample(options)
    out = options.out
    assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "mel", "metadata.csv"]
    assert sorted(p.name for p in (out / "mel").iterdir()) == [f"mel_{i:06d}.png" for i in range(21)]
    assert rows(out)[20] == {
        "file_name": "mel/mel_000020.png", "label": "mel", "age": "", "seed": "0", "index": "20"
    }  # fmt: skip
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["weights_sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert manifest["options"]["labels"] == {"mel": 21}
    assert manifest["files"] == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in contents(out).items()
        if name.startswith("mel/")
    }
    assert manifest["metadata_sha256"] == hashlib.sha256((out / "metadata.csv").read_bytes()).hexdigest()
    assert result.to_json()["labels"] == {"mel": 21}
    assert (result.made, result.found, result.is_complete) == (21, 0, True)
    json.dumps(result.to_json())


def test_images_say_what_they_are(options, tiny_model):
    sample(replace(options, count=2, attributes=("age=60.0",), seed=5))
    picture = PillowImage.open(options.out / "mel" / "mel_000001.png")
    picture.load()
    assert picture.size == (16, 16)
    assert picture.mode == "RGB"
    assert dict(picture.text) == {
        "synthetic": "yes", "tool": f"drai {sample_module.__version__}", "version": sample_module.__version__,
        "weights_sha256": hashlib.sha256(tiny_model.read_bytes()).hexdigest(), "label": "mel", "seed": "5",
        "index": "1", "condition": '{"age": "60", "dx": "mel"}',
    }  # fmt: skip
    assert rows(options.out)[1]["age"] == "60"


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_changes_no_byte(options, whole, batch_size):
    sample(replace(options, batch_size=batch_size))
    assert contents(options.out) == whole


@pytest.mark.parametrize("parts", [2, 25])
def test_shards_in_any_order_join_to_the_whole(options, whole, parts):
    order = list(range(1, parts + 1))[::-1]
    for number in order:
        assert "manifest.json" not in os.listdir(options.out) if options.out.exists() else True
        result = sample(replace(options, shard=f"{number}/{parts}"))
        assert result.is_complete == (number == order[-1])
    assert contents(options.out) == whole
    assert sample(replace(options, shard=f"1/{parts}")).made == 0
    assert sample(options).made == 0


def test_shards_write_their_own_tables_until_all_are_done(options):
    sample(replace(options, shard="2/2"))
    assert {"metadata-2-of-2.csv", "manifest-2-of-2.json"} <= set(os.listdir(options.out))
    before = contents(options.out)
    again = sample(replace(options, shard="2/2"))
    assert (again.made, again.is_complete) == (0, False)
    assert contents(options.out) == before


def test_shards_at_the_same_time(options, whole):
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda i: sample(replace(options, shard=f"{i}/3")), (1, 2, 3)))
    assert sum(result.made for result in results) == 21
    assert any(result.is_complete for result in results)
    assert contents(options.out) == whole


@pytest.mark.parametrize("with_hidden", [True, False])
def test_shards_made_apart_are_copied_together(options, whole, tmp_path, with_hidden):
    for number in (1, 2, 3):
        apart = replace(options, out=tmp_path / str(number), shard=f"{number}/3")
        assert not sample(apart).is_complete
        ignore = None if with_hidden else shutil.ignore_patterns(".*")
        shutil.copytree(apart.out, options.out, ignore=ignore, dirs_exist_ok=True)
    with pytest.raises(InputError, match="all 3 parts are here") as caught:
        verify(VerifyOptions(options.out))
    assert "--shard 1/3" in caught.value.hint
    again = sample(replace(options, shard="1/3"))
    assert (again.made, again.is_complete) == (0, True)
    assert contents(options.out) == whole
    assert verify(VerifyOptions(options.out)).findings == ()


def test_launched_processes_share_the_job(options, whole, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    shards = []
    for shard in ("1/2", "2/2"):
        for rank in ("1", "0"):
            monkeypatch.setenv("RANK", rank)
            result = sample(replace(options, shard=shard))
            assert 0 < result.images < 21
            shards.append(result.shard)
    assert shards == ["2/4", "1/4", "4/4", "3/4"]
    assert contents(options.out) == whole


def test_an_image_does_not_depend_on_the_others(options, tmp_path):
    sample(replace(options, count=40))
    alone = replace(options, out=tmp_path / "class", label=None, count=None, per_class=3)
    sample(alone)
    for index in range(3):
        name = f"mel/mel_{index:06d}.png"
        assert (options.out / name).read_bytes() == (alone.out / name).read_bytes()


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


@pytest.mark.parametrize("fails_after", [0, 1, 16, 20])
def test_a_failure_is_gone_on_from(options, whole, monkeypatch, fails_after):
    place, calls = SampleOutput.place, []

    def fail(self, *arguments, **named):
        calls.append(1)
        if len(calls) > fails_after:
            raise InputError("disk", "full")
        return place(self, *arguments, **named)

    monkeypatch.setattr(SampleOutput, "place", fail)
    with pytest.raises(InputError):
        sample(options)
    monkeypatch.setattr(SampleOutput, "place", place)
    assert not (options.out / "manifest.json").exists()
    assert sample(options).made <= 21
    assert contents(options.out) == whole


def test_killed_at_any_moment_it_goes_on(options, tmp_path, tiny_model):
    options = replace(options, count=600)
    sample(replace(options, out=tmp_path / "whole"))
    code = (
        "import sys, pathlib\n"
        "from drai_cli.workflows.options import SampleOptions\n"
        "from drai_cli.workflows.sample import sample\n"
        "out, weights = sys.argv[1:]\n"
        "sample(SampleOptions(out=pathlib.Path(out), weights=weights, label='mel', count=600, batch_size=16))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(options.out), str(tiny_model)])
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if len(list(options.out.glob("mel/mel_*.png"))) > 60:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    (options.out / "mel" / ".mel_000500.png.1-0123abcd.tmp").write_bytes(b"left by a killed process")
    result = sample(options)
    assert result.made + result.found == 600
    assert contents(options.out) == contents(tmp_path / "whole")


def test_what_the_journal_says_is_not_made_again(options, monkeypatch):
    record, recorded = SampleOutput.record, []

    def stop(self, position, digest):
        record(self, position, digest)
        recorded.append(position)
        if position == 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(SampleOutput, "record", stop)
    with pytest.raises(KeyboardInterrupt):
        sample(options)
    monkeypatch.setattr(SampleOutput, "record", record)
    result = sample(options)
    assert (result.made, result.found) == (21 - len(recorded), len(recorded))
    assert len(recorded) >= 16


def test_beginnings_and_holes_are_mended_while_unfinished(options, whole, monkeypatch):
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    (options.out / "mel" / "mel_000003.png").unlink()
    first = options.out / "mel" / "mel_000004.png"
    first.write_bytes(first.read_bytes()[:100])
    assert sample(options).made == 2
    assert contents(options.out) == whole


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
    run = sample_module._Sampling.run

    def run_twice(self, reporter):
        with pytest.raises(OverwriteError, match=r"drai sample \(process \d+ on .+\) is writing it"):
            sample(options)
        return run(self, reporter)

    monkeypatch.setattr(sample_module._Sampling, "run", run_twice)
    sample(options)


def test_another_job_does_not_clear_a_folder_that_is_written(options, monkeypatch):
    run = sample_module._Sampling.run

    def run_twice(self, reporter):
        with pytest.raises(OverwriteError, match="is writing it"):
            sample(replace(options, seed=5, overwrite=True))
        return run(self, reporter)

    monkeypatch.setattr(sample_module._Sampling, "run", run_twice)
    sample(options)
    monkeypatch.undo()
    assert sample(options).made == 0


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


def test_style_from_an_image(options, tmp_path):
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(
        tmp_path / "s.png"
    )
    styled = replace(options, style_from=tmp_path / "s.png", format="npz", count=3)
    sample(styled)
    codes = [np.load(path) for path in sorted(styled.out.glob("mel/*.npz"))]
    assert (codes[0]["style"] == codes[2]["style"]).all()
    assert not (codes[0]["content"] == codes[2]["content"]).any()


def test_npz_holds_image_codes_and_provenance(options, tmp_path):
    sample(replace(options, format="npz"))
    sample(replace(options, out=tmp_path / "png"))
    with np.load(options.out / "mel" / "mel_000002.npz", allow_pickle=False) as file:
        assert str(file["synthetic"]) == "yes"
        assert str(file["label"]) == "mel"
        assert file["content"].shape == (4,)
        assert file["style"].shape == (6,)
        image = np.array(PillowImage.open(tmp_path / "png" / "mel" / "mel_000002.png"))
        np.testing.assert_array_equal(file["image"], image)
    again = replace(options, format="npz", out=tmp_path / "again", batch_size=3)
    sample(again)
    assert contents(again.out) == contents(options.out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "melanom"}, "did you mean"),
        ({"count": None}, "how many"),
        ({"count": 0}, "at least 1"),
        ({"per_class": 3}, "contradicts"),
        ({"label": None, "count": None, "per_class": -1}, "at least 1"),
        ({"like": Path("x.csv")}, "contradicts"),
        ({"attributes": ("age",)}, "NAME=VALUE"),
        ({"attributes": ("weight=3",)}, "no such attribute"),
        ({"attributes": ("age=old",)}, "finite number"),
        ({"attributes": ("age=3", "age=4")}, "twice"),
        ({"attributes": ("dx=nv",)}, "contradicts"),
        ({"format": "tfrecord"}, "png, dicom, nifti, npz, webdataset"),
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
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(DraiError) as raised:
            sample(replace(options, out=out))
        assert raised.value.exit_code in (ExitCode.REFUSED, ExitCode.BAD_INPUT)
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
