"""Odd names, odd places and absurd numbers: an error in a line or a result, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.output.figure import add_row_names, draw_figure
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms

ODD_LABELS = ("a\nb", "\x1b[2J", "\u202etxt", "a\rb\tc", "\x00")
TINY = (
    "--size",
    16,
    "--base-channels",
    8,
    "--max-channels",
    8,
    "--content-dim",
    4,
    "--style-dim",
    4,
    "--device",
    "cpu",
)


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("label", ODD_LABELS)
def test_figures_name_labels_on_one_line(label):
    image = np.zeros((16, 16, 3), np.uint8)
    assert draw_figure([(label, image)]).ndim == 3
    assert add_row_names(np.zeros((32, 16, 3), np.uint8), [label, "b"], 16).shape[0] == 32


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("phantom", "--out", "p", "-n", 10**12), "10000000"),
        (("phantom", "--out", "p", "-n", 9_000_000), "expected room for the phantoms"),
        (("phantom", "--out", "p", "--seed", 2**64), str(2**63 - 1)),
        (("sample", "-n", 10**15, "--out", "s"), "1000000000"),
        (("sample", "-n", 900_000_000, "--out", "s", "--label", "mel"), "expected room for"),
        (("interpolate", "a.png", "b.png", "--steps", 10**18), "10000"),
        (("train", "--data", "d", "--seed", 2**64), str(2**63 - 1)),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_absurd_numbers_are_refused_by_dry_run_and_real_run(
    drai, tiny_model, tmp_path, monkeypatch, line, words, dry
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("drai_cli.io.room.free_bytes", lambda folder: 1 << 30)
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    weights = ["--weights", tiny_model] if line[0] in ("sample", "interpolate") else []
    done = drai(*line, *weights, *(["--dry-run"] if dry else []))
    assert done.exit_code in (2, 3), done.output
    assert words in done.stderr
    assert not (tmp_path / "p").exists()


def test_a_batch_larger_than_the_training_part_is_refused_by_both(drai, tmp_path):
    make_phantoms(PhantomOptions(tmp_path / "d", count=40, size=16))
    line = ("train", "--data", tmp_path / "d", "--out", tmp_path / "r", *TINY, "--batch-size", 36)
    said = {drai(*line, *more).stderr.splitlines()[-2] for more in (("--dry-run",), ())}
    assert len(said) == 1
    assert "expected at most" not in said.pop()


def test_a_label_longer_than_a_file_name_is_refused_by_train(drai, tmp_path):
    for label in ("x" * 210, "y"):
        for index in range(30):
            picture(tmp_path / "d" / f"{index}{label[0]}.png", index)
    rows = [f"{index}{label[0]}.png,{label}" for label in ("x" * 210, "y") for index in range(30)]
    (tmp_path / "d" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
    line = (
        "train",
        "--data",
        tmp_path / "d",
        "--label",
        "label",
        "--out",
        tmp_path / "r",
        *TINY,
        "--batch-size",
        8,
    )
    for more in (("--dry-run",), ()):
        done = drai(*line, *more)
        assert done.exit_code == 3
        assert "expected labels of at most 200 bytes as file names, got one of 210" in done.stderr


BAD = os.fsdecode(b"caf\xe9")


def test_names_that_are_no_utf8(drai, tiny_model, tmp_path):
    one, other = picture(tmp_path / f"{BAD}.png", 1), picture(tmp_path / f"{BAD}2.png", 2)
    model = ("--weights", tiny_model, "--device", "cpu")
    (tmp_path / "pairs.csv").write_bytes(os.fsencode(f"{one},{other}\n"))
    for line in (
        ("swap-style", one, other, *model, "--out", tmp_path / "swap"),
        ("interpolate", one, other, *model, "--steps", 3, "--out", tmp_path / "walk"),
        ("encode", one, *model, "--out", tmp_path / "c.npz"),
        ("export", "--weights", tiny_model, "--to", "hub-folder", "--out", tmp_path / BAD),
        ("sample", *model, "-n", 2, "--out", tmp_path / f"{BAD}3"),
        ("convert", one, tmp_path / f"{BAD}.tif"),
        ("verify", tmp_path / f"{BAD}3"),
    ):
        done = drai(*line)
        assert done.exit_code == 0, done.output


def test_a_run_on_names_that_are_no_utf8_can_be_read(drai, tmp_path, quick_judge):
    make_phantoms(PhantomOptions(tmp_path / "d", count=120, size=16))
    first = next((tmp_path / "d").glob("*/*.png"))
    first.rename(first.with_name(f"{BAD}.png"))
    (tmp_path / "d" / "metadata.csv").unlink()
    line = (
        "train",
        "--data",
        tmp_path / "d",
        "--out",
        tmp_path / BAD,
        *TINY,
        "--batch-size",
        8,
        "--precision",
        "fp32",
    )
    assert drai(*line, "--kimg", 0.016).exit_code == 0
    done = drai(*line, "--kimg", 0.032)
    assert done.exit_code == 0, done.output
    assert drai("info", tmp_path / BAD).exit_code == 0


def run(
    *words: object, cwd: Path | None = None, shell_end: str = "", **environment: str
) -> subprocess.CompletedProcess:
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HOME", "DRAI_CACHE", "XDG_CACHE_HOME")
    }
    own |= {"PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    line = " ".join(f"'{word}'" for word in (sys.executable, "-m", "drai_cli", *words))
    return subprocess.run(["sh", "-c", line + shell_end], cwd=cwd, env=own, capture_output=True, text=True)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_at_the_start(tmp_path, closed):
    done = run("phantom", "--out", tmp_path / "p", "-n", 4, "--size", 16, shell_end=f" {closed}")
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "p").rglob("*.png"):
        with PillowImage.open(path) as image:
            image.load()
    assert (tmp_path / "p" / "metadata.csv").read_text().startswith("file_name,")


def test_a_user_that_is_not_known_and_folders_that_are_gone(tmp_path):
    done = run("info", "~nosuch/x.safetensors")
    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd '{gone}' && rmdir '{gone}' && '{sys.executable}' -m drai_cli phantom --out p -n 2"
    own = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["sh", "-c", script], env=own, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr


def test_no_home_is_an_error_of_the_cache(monkeypatch):
    from drai_cli.data.cache import default_cache_dir
    from drai_cli.errors import InputError

    for name in ("HOME", "DRAI_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InputError, match="this user has no home folder"):
        default_cache_dir()
