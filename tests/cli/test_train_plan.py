"""`drai train --dry-run`: what is planned, and what stands in the way of it."""

from __future__ import annotations

import json

from PIL import Image

from tests.cli.small_training import SMALL


def test_dry_run_prints_the_plan(drai, phantoms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(
        '[train]\ndata = "lesions"\nbatch-size = 4\nkimg = 3\nalign-weight = 0.2'
    )
    given = ("--seed", 1, "--split-seed", 0, "--base-channels", 8, "--device", "cpu")
    result = drai("train", "--config", "c.toml", "--kimg", 2, "--size", 32, *given, "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    training = shown["run"]["training"]
    assert shown["dry_run"] is True
    assert (training["batch_size"], training["kimg"], training["objective"]["align_weight"]) == (4, 2.0, 0.2)
    assert training["model"]["image_size"] == shown["run"]["data"]["size"] == 32
    assert (shown["device"], shown["is_resumed"], shown["run"]["out"]) == ("cpu", False, "runs/lesions")
    assert sum(shown["classes"].values()) == 140
    assert shown["plan"][0].startswith("2 kimg in about ")
    assert sum(part["images"] for part in shown["parts"].values()) == 140
    assert (training["seed"], training["split_seed"]) == (1, 0)
    page = drai("train", "--data", "lesions", "--dry-run", *SMALL).stdout
    assert page.splitlines()[-3].startswith("plan: no budget: the run ends when 12 ticks in a row")
    assert page.splitlines()[0].split() == ["run", "directory", "runs/lesions", "(new)"]
    names = [line.split("  ")[0] for line in page.split("\n\n")[0].splitlines()]
    assert len(names) == len(set(names))
    assert {"channels", "base channels"} <= set(names)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "cache").exists()


def test_dry_run_and_inspect_agree_that_training_stops(drai, tmp_path):
    """The test part spells its classes otherwise than the training part."""
    for place, (part, label) in enumerate(
        (p, c) for p, both in (("train", "ab"), ("test", "xy")) for c in both
    ):
        folder = tmp_path / "set" / part / label
        folder.mkdir(parents=True)
        for index in range(3):
            Image.new("L", (8, 8), 60 * place + index).save(folder / f"{index}.png")
    said = "classes without a training image: x (3), y (3)"
    assert said in drai("inspect", tmp_path / "set").stdout
    refused = drai("train", "--data", tmp_path / "set", "--dry-run")
    assert refused.exit_code == 3
    assert said in refused.stderr


def test_dry_run_looks_at_out(drai, phantoms, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for out, message in (
        ("mine", "the folder holds other files and no run"),
        ("file", "expected a folder, got a file"),
        ("file/run", "expected a folder, got a file"),
    ):
        planned = drai("train", "--data", phantoms, "--out", tmp_path / out, "--dry-run")
        begun = drai("train", "--data", phantoms, "--out", tmp_path / out, *SMALL)
        assert (planned.exit_code, begun.exit_code) == (6, 6), planned.stderr + begun.stderr
        assert message in planned.stderr
        assert message in begun.stderr
