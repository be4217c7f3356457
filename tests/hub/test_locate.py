"""Where WEIGHTS are found, and what is said when they are not. No network."""

from __future__ import annotations

import importlib

import pytest

from drai_cli.errors import NetworkError, UsageError, WeightsError
from drai_cli.hub import locate as hub
from drai_cli.hub.locate import locate_weights


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Far from the user's models and caches."""
    monkeypatch.delenv("DRAI_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    bundled = tmp_path / "bundled" / "lesions-64.safetensors"
    bundled.parent.mkdir()
    bundled.write_bytes(b"x")
    monkeypatch.setattr(hub, "bundled_models", lambda: {"lesions-64": bundled})


def test_order(tmp_path, monkeypatch):
    bundled = tmp_path / "bundled" / "lesions-64.safetensors"
    assert locate_weights() == locate_weights("lesions-64") == bundled
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"x")
    assert locate_weights(tmp_path / "run") == tmp_path / "run" / "model.safetensors"
    monkeypatch.setenv("DRAI_WEIGHTS", "run")
    assert locate_weights().name == "model.safetensors"
    assert locate_weights("lesions-64") == bundled


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.safetensors", "no such model file"),
        ("./gone/model.safetensors", "no such model file"),
        ("lesion-64", "did you mean 'lesions-64'"),
        ("old.pt", "never loaded"),
        ("empty", "got a folder without"),
        ("begun", "has no model.safetensors yet"),
    ],
)
def test_what_is_no_model_says_why(tmp_path, name, words):
    (tmp_path / "old.pt").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / "checkpoint").mkdir(parents=True)
    with pytest.raises(WeightsError) as raised:
        locate_weights(name)
    assert words in f"{raised.value} {raised.value.hint}"


@pytest.fixture
def runs(tmp_path):
    """Two runs in `runs/`, where runs are written to."""
    for name in ("lesions", "nodules"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "model.safetensors").write_bytes(b"x")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("runs", "it holds runs/lesions, runs/nodules"),
        ("lesoins", "did you mean 'lesions-64'? here: runs/lesions, runs/nodules; bundled: lesions-64"),
        ("noduls", "did you mean 'runs/nodules'? here:"),
        ("empty", "here: runs/lesions, runs/nodules; bundled: lesions-64"),
        ("runs/lesoins/model.safetensors", "did you mean 'runs/lesions'? here:"),
    ],
)
def test_the_runs_that_are_there_are_named(runs, tmp_path, name, hint):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError) as raised:
        locate_weights(name)
    assert raised.value.hint.startswith(hint)


def test_a_mistyped_run_is_no_matter_of_the_hub(runs, monkeypatch):
    def not_there(self, files, reporter):
        raise NetworkError(self.name, "no such file or folder here, nor on the Hub", "look at the spelling")

    monkeypatch.setattr("drai_cli.hub.locate.HubRepository.fetch", not_there)
    with pytest.raises(WeightsError, match="no such file or folder here") as raised:
        locate_weights("runs/lesoins")
    assert raised.value.hint.startswith("did you mean 'runs/lesions'? here: runs/lesions, runs/nodules")
    assert raised.value.hint.endswith("As a Hub name: look at the spelling")
    with pytest.raises(NetworkError):  # no folder here of that name, so that it was meant for the Hub
        locate_weights("clinic/lesoins")


def test_exported_models_belong_elsewhere(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(UsageError, match="exported"):
        locate_weights("m.onnx")


def test_hub_names_come_from_the_cache_first(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []
    model = tmp_path / "cached.safetensors"
    model.write_bytes(b"x")

    def cached(repository, file, revision=None):
        asked.append((repository, file, revision))
        return str(model)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    assert locate_weights("clinic/lesions@v1.2") == model
    assert asked == [("clinic/lesions", "model.safetensors", "v1.2")]


def test_offline_and_not_cached(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE is set"):
        locate_weights("clinic/lesions")


def _failures():
    from huggingface_hub import errors

    library = importlib.import_module(errors.Response.__module__)  # httpx, or what has followed it

    def answer(status):
        return library.Response(status, request=library.Request("GET", "https://hub"))

    return [
        (errors.RepositoryNotFoundError("x", response=answer(404)), NetworkError, "no such repository"),
        (errors.GatedRepoError("x", response=answer(403)), NetworkError, "gated"),
        (errors.RevisionNotFoundError("x", response=answer(404)), WeightsError, "no such revision"),
        (
            errors.RemoteEntryNotFoundError("x", response=answer(404)),
            WeightsError,
            "holds no model.safetensors",
        ),
        (errors.LocalEntryNotFoundError("x"), NetworkError, "cannot be reached"),
        (errors.HfHubHTTPError("x", response=answer(429)), NetworkError, "wait"),
        (errors.HfHubHTTPError("x", response=answer(401)), NetworkError, "hf auth login"),
        (errors.HfHubHTTPError("x", response=answer(500)), NetworkError, "answered 500"),
        (library.ConnectError("x"), NetworkError, "cannot be reached"),
        (OSError(28, "No space left on device"), WeightsError, " free)"),
    ]


@pytest.mark.parametrize("number", range(10))
def test_failures_of_the_hub_are_errors_in_words(monkeypatch, number):
    import huggingface_hub

    failure, kind, words = _failures()[number]

    def fail(*_, **__):
        raise failure

    # Read when the library is first imported, which another test may have done.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(kind) as raised:
        locate_weights("clinic/lesions")
    assert words in f"{raised.value} {raised.value.hint}"


def test_bugs_are_not_hidden(monkeypatch):
    import huggingface_hub

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(ZeroDivisionError):
        locate_weights("clinic/lesions")
