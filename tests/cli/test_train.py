"""`drai train` and `drai phantom`: settings, plan, a short run, resuming, stopping."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from drai_cli.cli.train import describe_presets, resolve_settings
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import name_run
from drai_cli.settings.presets import PRESETS
from tests.cli.small_training import SMALL
from tests.support.patience import PATIENCE_S


def settings(**values):
    return {"data": Path("lesions"), **values}


def test_a_size_chooses_its_preset():
    data, training = resolve_settings(None, settings(size=128))
    assert (data.size, training.model.image_size, training.batch_size) == (128, 128, 16)
    data, training = resolve_settings(None, settings())
    assert (data.size, training.model.image_size, training.batch_size) == (64, 64, 16)
    own = PRESETS["64px"]
    assert (training.model.channels, training.objective.r1_gamma) == (own["channels"], own["r1_gamma"])


def test_a_preset_brings_its_size_and_a_flag_goes_before_it():
    data, training = resolve_settings("256px", settings(batch_size=8, r1_gamma=2.0, base_channels=40))
    assert (data.size, training.model.image_size) == (256, 256)
    assert (training.batch_size, training.objective.r1_gamma, training.model.channels) == (8, 2.0, 40)
    assert training.model.max_channels == 256


def test_what_no_preset_names_is_the_default():
    _, training = resolve_settings("32px", settings())
    assert training.decay_share == TrainOptions.decay_share
    assert training.objective.align_weight == Objective.align_weight


def test_data_options_are_passed_on():
    data, _ = resolve_settings(
        None,
        settings(
            condition=["age", "sex"], alias=["nevus=nv"], channels="1", fit="pad", label="dx", group="who"
        ),
    )
    expected = DataOptions(
        Path("lesions"),
        label="dx",
        conditions=("age", "sex"),
        group="who",
        channels=1,
        fit="pad",
        aliases={"nevus": "nv"},
    )
    assert data == expected


def test_a_pattern_of_names_comes_from_a_file_and_is_kept(drai, tmp_path):
    for patient in range(8):
        for image in range(2):
            path = tmp_path / "set" / "ab"[patient % 2] / f"p{patient}_{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), patient * 20 + image).save(path)
    (tmp_path / "c.toml").write_text("[train]\ngroup-pattern = '/p(\\d+)_'\n")
    command = [
        "train",
        "--data",
        tmp_path / "set",
        "--config",
        tmp_path / "c.toml",
        "--out",
        tmp_path / "run",
    ]
    command += [*SMALL, "--kimg", 0.008, "--batch-size", 4, "--precision", "fp32"]
    assert drai(*command).exit_code == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["group_pattern"] == r"/p(\d+)_"
    with open(tmp_path / "run" / "split.csv") as file:
        parts = {(row["name"].split("_")[0], row["part"]) for row in csv.DictReader(file)}
    assert len(parts) == 8
    refused = drai("train", "--data", tmp_path / "set", "--group", "patient", "--dry-run")
    assert refused.exit_code == 2
    assert "--group-pattern REGEX" in refused.stderr


def test_names_of_runs():
    assert [name_run(Path(name)) for name in ("lesions", "./a/lesions/", "x.npz")] == [
        "lesions",
        "lesions",
        "x",
    ]


def test_every_setting_has_an_option(drai):
    shown = drai("train", "--help-all").stdout
    names = [f.name for cls in (ModelConfig, Objective, TrainOptions, DataOptions) for f in fields(cls)]
    renamed = {"path": "data", "conditions": "condition", "aliases": "alias", "image_size": "size"}
    renamed |= {
        "image_channels": "channels",
        "mask_channels": "masks",
        "max_channels": "max-channels",
        "is_relativistic": "relativistic",
    }
    for name in set(names) - {"model", "objective"}:
        assert f"--{renamed.get(name, name).replace('_', '-')}" in shown
    for name in (
        "preset",
        "init",
        "out",
        "device",
        "config",
        "dry-run",
        "licence",
        "json",
        "quiet",
        "verbose",
    ):
        assert f"--{name}" in shown


@pytest.mark.usefixtures("quick_judge")
def test_train_and_again(drai, phantoms, tmp_path):
    command = ["train", "--data", phantoms, "--out", tmp_path / "run", *SMALL]
    result = drai(*command, "--kimg", 0.08)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'run'}\n"
    assert "the model is the snapshot at 0.08 kimg" in result.stderr
    assert "drai: device: cpu" in result.stderr.splitlines()[0]
    assert {"model.safetensors", "checkpoint", "config.json", "split.csv", "stats.jsonl", "grids"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    again = drai(*command, "--kimg", 0.08, "--json")
    assert again.exit_code == 0, again.stderr
    assert "nothing to do" in again.stderr
    assert json.loads(again.stdout)["images_seen"] == json.loads(again.stdout)["resumed_from"] == 80
    more = json.loads(drai(*command, "--kimg", 0.16, "--json", "-q").stdout)
    assert (more["images_seen"], more["resumed_from"]) == (160, 80)
    other = drai(*command, "--kimg", 0.16, "--seed", 3)
    assert other.exit_code == 2
    assert "training.seed: 0 in the run, 3 now" in other.stderr
    shown = json.loads(drai("info", tmp_path / "run", "--json").stdout)
    assert shown["image_size"] == 16
    assert len(shown["labels"]) == 7


def test_a_missing_tensorboard_is_said_first(drai, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = drai("train", "--data", tmp_path / "none", "--tensorboard")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "drai: error: --tensorboard: TensorBoard is not installed.",
        "drai: hint: pip install 'drai-cli[tensorboard]'",
    ]


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_stopped_by_the_user_has_its_code_and_says_how_to_go_on(
    drai, phantoms, tmp_path, monkeypatch, name, code
):
    from drai_cli.workflows import train as workflow

    def stopped(run, reporter):
        return workflow.TrainResult(run.out, 12_000, 0, False, name, 8_000, {"score": 0.5})

    monkeypatch.setattr(workflow, "train", stopped)
    result = drai("train", "--data", phantoms, "--out", tmp_path / "run", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout)["images_seen"] == 12_000
    assert result.stderr.splitlines()[-1] == (
        "drai: warning: stopped at 12 kimg, everything is saved: run the same command again to resume"
    )


@pytest.mark.parametrize(("has_findings", "count"), [(False, "--per-class"), (True, "--per-finding")])
def test_the_end_says_what_the_measures_mean_and_what_to_do_next(
    drai, phantoms, tmp_path, monkeypatch, has_findings, count
):
    from drai_cli.run.verdict import Verdict
    from drai_cli.workflows import train as workflow

    verdict = Verdict(
        "poor",
        (("good", "Swaps keep."), ("near", "Seen."), ("poor", "Far.")),
        "It no longer improves.",
        ("Add images.",),
    )

    def finished(run, reporter):
        return workflow.TrainResult(run.out, 12_000, 0, True, "kimg", 8_000, {}, verdict, has_findings)

    monkeypatch.setattr(workflow, "train", finished)
    result = drai("train", "--data", phantoms, "--out", tmp_path / "my run")
    weights = f"--weights '{tmp_path / 'my run'}'"
    assert result.stderr.splitlines() == [
        "drai: 12 kimg seen, ended by kimg; the model is the snapshot at 8 kimg",
        "drai: good: Swaps keep.",
        "drai: close to good: Seen.",
        "drai: poor: Far.",
        "drai: It no longer improves.",
        "drai: Add images.",
        f"drai: images of it: drai sample {weights} {count} 8 --out 'my run-samples' --sheet 'my run.png'",
        f"drai: a report on it: drai evaluate --data {phantoms} {weights} --out 'my run-report'",
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_saves(phantoms, tmp_path):
    command = [
        sys.executable,
        "-m",
        "drai_cli",
        "train",
        "--data",
        phantoms,
        "--out",
        tmp_path / "run",
        *SMALL,
    ]
    environment = {**os.environ, "DRAI_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [*map(str, command), "--kimg", "100000"], stderr=subprocess.PIPE, text=True, env=environment
    )
    while not list((tmp_path / "run" / "grids").glob("*.png")):
        assert process.poll() is None, process.stderr
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "run the same command again to resume" in stderr
    assert (tmp_path / "run" / "checkpoint").is_dir()


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        ([], 2, "--data: is required", "drai train --help"),
        (["--data", "none"], 3, "none: ", ""),
        (
            ["--data", "lesions", "--preset", "65px"],
            2,
            "--preset '65px': no such choice",
            "did you mean 64px?",
        ),
        (
            ["--data", "lesions", "--method", "drei"],
            2,
            "--method 'drei': no such choice",
            "did you mean drai?",
        ),
        (
            ["--data", "lesions", "--alias", "melanoma"],
            2,
            "--alias melanoma: expected NAME=VALUE",
            "melanoma=mel",
        ),
        (
            ["--data", "lesions", "--batchsize", "4"],
            2,
            "--batchsize: no such option",
            "did you mean --batch-size?",
        ),
        (["--data", "lesions", "--init", "nothing"], 4, "nothing: no such model file", ""),
    ],
)
def test_mistakes(drai, phantoms, tmp_path, monkeypatch, arguments, code, message, hint):
    monkeypatch.chdir(tmp_path)
    result = drai("train", *arguments)
    assert result.exit_code == code
    assert f"drai: error: {message}" in result.stderr
    assert hint in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_help_says_what_presets_decide():
    found = {**describe_presets(ModelConfig), **describe_presets(TrainOptions), **describe_presets(Objective)}
    assert found["batch_size"] == "8 with preset 32px; 16 with 64px, 128px, 256px"
    assert found["pools_content"] == "off with preset 32px; on with 64px, 128px, 256px"
    assert found["match_weight"] == "0.1 with preset 32px; 0 with 64px, 128px, 256px"
    assert "content_dim" not in found  # what every preset leaves as it is
    decided = {name for preset in PRESETS.values() for name in preset} - {"image_size"}
    assert decided - {"content_dim"} == set(found) - {"image_size"}
