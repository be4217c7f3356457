"""`drai info`."""

from __future__ import annotations

import hashlib
import json

import pytest


def test_what_a_model_says_of_itself(drai, tiny_model):
    result = drai("info", tiny_model, "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["labels"] == ["mel", "nv"]
    assert shown["attributes"][0]["aliases"] == {"melanoma": "mel"}
    assert shown["attributes"][1] == {
        "name": "age", "kind": "continuous", "values": [], "aliases": {}, "mean": 50.0, "deviation": 10.0,
        "findings": None,
    }  # fmt: skip
    assert (shown["image_size"], shown["image_channels"], shown["content_dim"], shown["style_dim"]) == (
        16,
        3,
        4,
        6,
    )
    assert (shown["images_seen"], shown["label_counts"], shown["training"]) == (
        1234, {"mel": 3, "nv": 9}, {"seed": 7},
    )  # fmt: skip
    assert (shown["method"], shown["licence"], shown["has_encoder"]) == ("drai", "CC0-1.0", True)
    assert shown["sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert shown["size_bytes"] == tiny_model.stat().st_size
    assert set(shown["parameters"]) == {"generator", "encoder", "content_prior"}


def test_the_page_for_people(drai, tiny_model):
    lines = drai("info", tiny_model, "--all").stdout.splitlines()
    words = [line.split() for line in lines]
    assert ["mel", "3", "melanoma"] in words
    assert ["nv", "9"] in words
    assert any(line.startswith("licence") and line.endswith("CC0-1.0") for line in lines)
    assert any(line.startswith("age") and line.endswith("a number, 50 ± 10") for line in lines)
    assert ["test.label", "agreement", "0.5"] in words


def test_ten_lines_say_what_matters_and_how_to_see_the_rest(drai, tiny_model):
    lines = drai("info", tiny_model).stdout.splitlines()
    assert len(lines) == 10
    said = dict(line.split(None, 1) for line in lines)
    assert said["dx"] == "mel 3, nv 9 (training images)"
    assert said["attributes"] == "age"
    assert said["image"] == "16 × 16 RGB"
    assert said["training"].startswith("drai, 1.23 k images seen; Nothing: random weights")
    assert said["licence"] == "CC0-1.0. Tests"
    assert said["measures"] == "label agreement 0.5"
    assert said["more"] == f"drai info {tiny_model} --all"


@pytest.mark.parametrize(
    ("method", "infers", "limits"),
    [
        ("cgan", [], "(no encoder: it samples only)"),
        ("cavae", ["style"], "(infers style alone: swaps take labels)"),
    ],
)
def test_what_a_method_cannot_do(drai, model_of, method, infers, limits):
    assert json.loads(drai("info", model_of(method), "--json").stdout)["infers"] == infers
    assert limits in drai("info", model_of(method)).stdout


def test_weights_by_variable(drai, tiny_model, monkeypatch):
    monkeypatch.setenv("DRAI_WEIGHTS", str(tiny_model))
    assert str(tiny_model) in drai("info").stdout


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-100], "cannot be read"),
        (lambda data: data[:20], "expected a drai model file"),
        (lambda data: b"\x89PNG" + data, "expected a drai model file"),
    ],
)
def test_a_spoilt_file_is_exit_4(drai, tiny_model, tmp_path, spoil, message):
    path = tmp_path / "spoilt.safetensors"
    path.write_bytes(spoil(tiny_model.read_bytes()))
    result = drai("info", path)
    assert result.exit_code == 4
    assert f"drai: error: {path}: {message}" in result.stderr
    assert "drai: hint: " in result.stderr
    assert "Traceback" not in result.stderr


def test_no_such_model(drai):
    result = drai("info", "nonsense")
    assert result.exit_code == 4
    assert result.stderr.startswith(
        "drai: error: nonsense: no such model file, run directory or bundled model."
    )


@pytest.mark.parametrize("arguments", [["--weights", "runs/lesions"], ["--weights=runs/lesions"]])
def test_what_it_takes_without_an_option_is_said(drai, arguments):
    result = drai("info", *arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "drai: error: --weights: drai info takes it as an argument, without an option.",
        "drai: hint: drai info runs/lesions",
    ]


def test_list_of_bundled_models(drai, tiny_model, monkeypatch):
    monkeypatch.setattr("drai_cli.workflows.info.bundled_models", lambda: {"tiny": tiny_model})
    result = drai("info", "--list")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].split()[:4] == ["tiny", "16", "×", "16"]
    shown = json.loads(drai("info", "--list", "--json").stdout)
    assert [model["name"] for model in shown["models"]] == ["tiny"]


def test_list_and_a_name_contradict(drai, tiny_model):
    assert drai("info", tiny_model, "--list").exit_code == 2
