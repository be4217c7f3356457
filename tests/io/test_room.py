"""Disks that are full, too small or read-only: it is said before the work where it can be, and nothing is lost."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from drai_cli.errors import InputError
from drai_cli.io import room
from drai_cli.io.files import atomic_writer, free_bytes
from drai_cli.io.room import check_room
from drai_cli.progress import Reporter

SMALL = [
    "--size",
    "16",
    "--base-channels",
    "8",
    "--max-channels",
    "8",
    "--content-dim",
    "4",
    "--style-dim",
    "4",
    "--batch-size",
    "8",
    "--device",
    "cpu",
]


class Heard(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, message: str) -> None:
        self.lines.append(f"warning: {message}")

    def info(self, message: str) -> None:
        self.lines.append(message)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("free", "said"),
    [(10**9, "the images: at most 5 kB, 1 GB free"),
     (2000, "warning: the images: at most 5 kB, 2 kB free, which may not be enough")],
)  # fmt: skip
def test_what_will_be_written_is_said(tmp_path, monkeypatch, free, said):
    monkeypatch.setattr(room, "free_bytes", lambda folder: free)
    heard = Heard()
    check_room(tmp_path / "not" / "there", "the images", 1000, 5000, "make room", heard)
    assert heard.lines == [said]


def test_what_cannot_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "free_bytes", lambda folder: 999)
    with pytest.raises(
        InputError, match="expected room for the images, at least 1 kB, got 999 B free"
    ) as caught:
        check_room(tmp_path, "the images", 1000, 5000, "make room", Heard())
    assert caught.value.hint == "make room"


def test_free_room_of_a_folder_that_is_not_there(tmp_path):
    assert free_bytes(tmp_path / "not" / "there") == pytest.approx(free_bytes(tmp_path), rel=0.1)


def test_a_full_disk_keeps_the_earlier_file(small_disk):
    disk = small_disk("16k")
    with atomic_writer(disk / "a") as file:
        file.write(b"earlier")
    with (
        pytest.raises(
            InputError, match=r"a: cannot be written \(no space left on device, .*B free\)"
        ) as caught,
        atomic_writer(disk / "a") as file,
    ):
        file.write(bytes(1 << 20))
    assert "the earlier file is kept" in caught.value.hint
    assert contents(disk) == {"a": b"earlier"}


@pytest.mark.parametrize(
    ("kind", "least", "files"),
    [(["--format", "png"], 6, 40), (["--format", "webdataset", "--shard-size", 5], 1, 8)],
    ids=["png", "webdataset"],
)
def test_sample_onto_a_disk_that_fills_goes_on_when_there_is_room(
    drai, small_disk, tiny_model, tmp_path, kind, least, files
):
    disk = small_disk("112k")
    command = ["sample", "--weights", tiny_model, "-l", "mel", "-n", 40, *kind, "--out"]
    assert drai(*command, tmp_path / "whole", "-q").exit_code == 0
    full = drai(*command, disk / "out")
    assert full.exit_code == 3
    assert "drai: warning: 40 images: at most " in full.stderr
    assert "cannot be written (no space left on device, " in full.stderr
    assert "written images are kept" in full.stderr
    made = contents(disk / "out")
    whole = contents(tmp_path / "whole")
    assert least <= len(made.keys() & whole.keys()) < files
    hidden = {name for name in made if "/" not in name and name.startswith(".")}
    assert hidden == {".drai-sample.json", ".drai-sample-1-of-1.journal"}
    assert all(made[name] == whole[name] for name in made.keys() & whole.keys())
    small_disk.resize(disk, "4m")
    assert drai(*command, disk / "out").exit_code == 0
    assert contents(disk / "out") == whole


def test_train_says_what_it_takes_and_what_is_kept(drai, small_disk, tmp_path):
    drai("phantom", "--out", tmp_path / "lesions", "-n", 70, "--size", 16)
    disk = small_disk("48m")
    command = ["train", "--data", tmp_path / "lesions", "--out", disk / "run", *SMALL, "--kimg"]
    begun = drai(*command, 0.016)
    assert begun.exit_code == 0, begun.stderr
    said = re.search(r"drai: model and checkpoint: at most ([\d.]+) MB, [\d.]+ MB free", begun.stderr)
    state, model = (disk / "run" / name for name in ("checkpoint/state.safetensors", "model.safetensors"))
    assert float(said[1]) == pytest.approx((3 * state.stat().st_size + model.stat().st_size) / 1e6, rel=0.02)
    assert "drai: the image cache: at most " in begun.stderr
    before = contents(disk / "run")
    (disk / "filler").write_bytes(bytes(free_bytes(disk) - 65536))
    full = drai(*command, 0.032)
    assert full.exit_code == 3
    assert "expected room for model and checkpoint, at least " in full.stderr
    assert (
        "the checkpoint at 0.016 kimg is kept: make room, then run the same command to resume" in full.stderr
    )
    assert contents(disk / "run") == before
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (disk / "filler").unlink()
    try:  # as a quota
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        limited = drai(*command, 0.032)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert limited.exit_code == 3
    assert "cannot be written (file too large)" in limited.stderr
    assert "the checkpoint at 0.016 kimg is kept" in limited.stderr
    assert state.read_bytes() == before["checkpoint/state.safetensors"]
    assert not [name for name in contents(disk) if name.endswith((".tmp", ".lock"))]
    assert drai(*command, 0.032).exit_code == 0


@pytest.mark.parametrize("command", ["train", "sample", "evaluate"])
def test_a_read_only_disk(drai, small_disk, tiny_model, tmp_path, command):
    drai("phantom", "--out", tmp_path / "lesions", "-n", 70, "--size", 16)
    disk = small_disk("1m")
    small_disk.resize(disk, "1m", "ro")
    arguments = {
        "train": ["--data", tmp_path / "lesions", *SMALL],
        "sample": ["--weights", tiny_model, "-n", 4],
        "evaluate": ["--data", tmp_path / "lesions", "--weights", tiny_model],
    }[command]
    result = drai(command, *arguments, "--out", disk / "out")
    assert result.exit_code == 3, result.stderr
    assert "cannot be written (read-only file system)" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("drai: error: ")]) == 1
    assert list(disk.iterdir()) == []
