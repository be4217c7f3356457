"""`sample`: the same bytes whatever the way they were made: batches, shards, failures, kills."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError
from drai_cli.sampling import pipeline
from drai_cli.sampling.output import SampleOutput
from drai_cli.settings.image_options import VerifyOptions
from drai_cli.workflows import sample as sample_module
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify
from tests.workflows.sample_checks import contents, rows


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
        assert not (options.out / "manifest.json").exists()
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


@pytest.mark.parametrize(("fails_after", "done"), [(0, 0), (31, 0), (32, 32), (69, 64)])
def test_after_a_failure_whole_micro_batches_are_kept(options, tmp_path, monkeypatch, fails_after, done):
    options = replace(options, count=70)
    sample(replace(options, out=tmp_path / "whole"))
    monkeypatch.setattr(pipeline, "usable_cores", lambda: 1)  # one micro-batch of 32 after the other
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
    result = sample(options)
    assert (result.made, result.found) == (70 - done, done)
    assert contents(options.out) == contents(tmp_path / "whole")


def test_a_job_killed_at_any_moment_is_resumed(options, tmp_path, tiny_model):
    options = replace(options, count=600)
    sample(replace(options, out=tmp_path / "whole"))
    code = (
        "import sys, pathlib\n"
        "from drai_cli.settings.image_options import SampleOptions\n"
        "from drai_cli.workflows.sample import sample\n"
        "out, weights = sys.argv[1:]\n"
        "sample(SampleOptions(out=pathlib.Path(out), weights=weights, label='mel', count=600, batch_size=16))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(options.out), str(tiny_model)])
    journal = options.out / ".drai-sample-1-of-1.journal"
    while process.poll() is None:
        with suppress(FileNotFoundError):  # not begun, or done
            if len(list(options.out.glob("mel/mel_*.png"))) > 60 and any(journal.read_bytes()):
                process.send_signal(signal.SIGKILL)
                break
        time.sleep(0.005)
    process.wait()
    written = len(list(options.out.glob("mel/mel_*.png")))
    (options.out / "mel" / ".mel_000500.png.1-0123abcd.tmp").write_bytes(b"left by a killed process")
    result = sample(options)
    assert 600 - written <= result.made
    assert result.found > 0
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
    assert recorded == list(range(16))
    assert (result.made, result.found) == (5, 16)


def test_beginnings_and_holes_are_mended_while_unfinished(options, whole, monkeypatch):
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(options)
    monkeypatch.undo()
    (options.out / "mel" / "mel_000003.png").unlink()
    first = options.out / "mel" / "mel_000004.png"
    first.write_bytes(first.read_bytes()[:100])
    assert sample(options).made == 2
    assert contents(options.out) == whole
