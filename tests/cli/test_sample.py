"""`drai sample`."""

from __future__ import annotations

import csv
import json

import pytest


@pytest.fixture
def sample(drai, tiny_model, tmp_path):
    """Runs `drai sample` with the tiny model into `tmp_path/aug`."""
    return lambda *arguments: drai("sample", "--weights", tiny_model, "--out", tmp_path / "aug", *arguments)


def test_labelled_images(sample, tmp_path):
    result = sample("--label", "melanoma", "-n", 3, "--set", "age=60")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'aug'}\n"
    assert result.stderr.startswith("drai: device: cpu\n")
    assert "sampling: 3 of 3 images" in result.stderr
    names = [f"mel/mel_00000{index}.png" for index in range(3)]
    with open(tmp_path / "aug/metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == names
    assert {(row["label"], row["age"], row["seed"]) for row in rows} == {("mel", "60", "0")}
    assert all((tmp_path / "aug" / name).is_file() for name in names)
    assert (tmp_path / "aug/manifest.json").is_file()


def test_tar_files(sample, tmp_path):
    packed = ("-n", 5, "--format", "webdataset", "--shard-size", 2)
    result = sample(*packed, "--json")
    assert result.exit_code == 0, result.stderr
    assert len(list((tmp_path / "aug").glob("images-00000?.tar"))) == 3
    assert json.loads(sample(*packed, "--json", "--shard", "1/2").stdout)["made"] == 0


def test_json(sample, tmp_path):
    shown = json.loads(sample("--per-class", 2, "--json", "-q").stdout)
    assert shown["labels"] == {"mel": 2, "nv": 2}
    assert (shown["images"], shown["made"], shown["found"], shown["is_complete"]) == (4, 4, 0, True)
    again = sample("--per-class", 2, "--json")
    assert json.loads(again.stdout)["made"] == 0
    assert "nothing to do" in again.stderr


@pytest.mark.parametrize("layout", ["folders", "flat", "bids"])
def test_images_of_any_layout_are_shown(sample, monkeypatch, layout):
    shown = []
    monkeypatch.setattr("drai_cli.cli.sample.show_files", lambda output, paths: shown.extend(paths))
    assert sample("-n", 3, "--layout", layout, "--show").exit_code == 0
    assert len(shown) == 3


def test_of_packed_images_it_is_said_that_none_is_shown(sample):
    done = sample("-n", 2, "--format", "npz", "--show")
    assert "not shown: --format npz packs the images; --sheet FILE.png draws them" in done.stderr


def test_quiet_is_silent(sample):
    assert sample("--label", "nv", "-n", 1, "-q").stderr == ""


def test_dry_run_writes_nothing(sample, tmp_path, tiny_model):
    result = sample("-n", 8, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert ["nv", "6"] in [line.split() for line in result.stdout.splitlines()]
    shown = json.loads(sample("-n", 8, "--dry-run", "--json", "--set", "age=40").stdout)
    assert shown["dry_run"] is True
    assert (shown["weights"], shown["images"], shown["labels"]) == (str(tiny_model), 8, {"mel": 2, "nv": 6})
    assert shown["options"]["attributes"] == ["age=40"]
    assert shown["options"]["format"] == "png"
    assert not (tmp_path / "aug").exists()


def test_options_from_a_file(sample, tmp_path):
    (tmp_path / "c.toml").write_text('[sample]\nlabel = "nv"\nn = 2\nset = { age = 50 }\nseed = 4')
    result = sample("--config", tmp_path / "c.toml", "--seed", 5, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["seed"] == 5
    assert "age,seed,index" in (tmp_path / "aug/metadata.csv").read_text()
    assert ",50,5,0" in (tmp_path / "aug/metadata.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (
            ["--label", "melanom", "-n", "1"],
            2,
            "dx 'melanom': no such value in this model",
            "did you mean 'melanoma'",
        ),
        (["--label", "mel"], 2, "-n: expected a number of images, got none", "-n 16"),
        (["--label", "mel", "-n", "0"], 2, "-n/--count: ", ""),
        (
            ["-n", "1", "--format", "jpg"],
            2,
            "--format 'jpg': no such choice",
            "one of: png, dicom, nifti, npz",
        ),
        (["-n", "1", "--set", "size=3"], 2, "size: no such attribute in this model", "it has: dx, age"),
        (["-n", "1", "--device", "tpu"], 2, "--device tpu: no such device here", "cpu"),
        (["-n", "1", "--like", "none.csv"], 3, "none.csv: ", ""),
        (["-n", "1", "-q", "-v"], 2, "-q: contradicts -v", ""),
        (["-n", "1", "--truncation", "-1"], 2, "--truncation: ", ""),
        (["-n", "4", "--shard-size", "2"], 2, "--shard-size 2: is for tar files, got png", "--shard I/N"),
    ],
)
def test_mistakes(sample, tmp_path, arguments, code, message, hint):
    result = sample(*arguments)
    assert result.exit_code == code
    assert f"drai: error: {message}" in result.stderr
    assert hint in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "aug").exists()


def test_a_folder_with_other_files_is_exit_6(sample, tmp_path):
    (tmp_path / "aug").mkdir()
    (tmp_path / "aug/mine.txt").write_text("mine")
    assert sample("--label", "nv", "-n", 1).exit_code == 6
    assert [path.name for path in (tmp_path / "aug").iterdir()] == ["mine.txt"]


def test_ctrl_c_says_how_to_go_on(sample, monkeypatch):
    def interrupted(options, reporter):
        raise KeyboardInterrupt

    monkeypatch.setattr("drai_cli.workflows.sample.sample", interrupted)
    result = sample("--label", "nv", "-n", 1)
    assert result.exit_code == 130
    assert result.stderr == "drai: warning: interrupted: run the same command again to resume\n"


def test_out_is_required(drai):
    result = drai("sample", "-n", 1)
    assert result.exit_code == 2
    assert "drai: error: --out: is required." in result.stderr
