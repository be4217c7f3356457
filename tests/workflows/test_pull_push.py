"""`pull`, `push` and Hub names as WEIGHTS, against a Hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import huggingface_hub
import pytest
from huggingface_hub import constants

from drai_cli.errors import NetworkError, OverwriteError, UsageError, WeightsError
from drai_cli.export.hub_folder import write_hub_folder
from drai_cli.hub.locate import locate_weights
from drai_cli.hub.repository import HubRepository, origin_of
from drai_cli.settings.image_options import SampleOptions
from drai_cli.settings.model_options import PullOptions, PushOptions
from drai_cli.workflows.info import InfoOptions, describe_model, list_models
from drai_cli.workflows.pull import pull
from drai_cli.workflows.push import push
from drai_cli.workflows.sample import sample
from tests.support.hub_server import serve
from tests.support.reporters import Recorder

# huggingface_hub sends bytes in a way that the library below it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")
NAME = "clinic/lesions"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with serve() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.chdir(tmp_path)
        yield hub


@pytest.fixture
def pushed(hub, tiny_model, tmp_path):
    """The Hub with the tiny model in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    files = write_hub_folder(tiny_model, NAME, folder)
    hub.commit(NAME, {name: path.read_bytes() for name, path in files.items()})
    hub.log.clear()
    return hub


def leftovers(tmp_path):
    """Files in the cache that are no whole ones."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".incomplete", ".tmp")]


def test_first_cached_and_offline(pushed, tiny_model, tmp_path, monkeypatch):
    first = pull(PullOptions(NAME))
    assert (first.repository, len(first.commit), sorted(first.files)) == (
        NAME, 40, ["README.md", "config.json", "model.safetensors", "samples.png"],
    )  # fmt: skip
    downloads = [line for line in pushed.log if line.startswith("GET") and "/resolve/" in line]
    assert len(downloads) == 4
    pushed.log.clear()
    again = pull(PullOptions(NAME))
    assert again == first
    assert not [line for line in pushed.log if line.startswith("GET") and "/resolve/" in line]
    pushed.log.clear()
    path = locate_weights(NAME)
    assert (path.read_bytes(), pushed.log) == (tiny_model.read_bytes(), [])
    assert locate_weights(f"{NAME}@{first.commit}").read_bytes() == tiny_model.read_bytes()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull(PullOptions(NAME)) == first
    assert pushed.log == []
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE"):
        pull(PullOptions("clinic/other"))


def test_a_pushed_and_pulled_model_samples_the_same_bytes(hub, tiny_model, tmp_path):
    hub.token = "secret"
    with pytest.raises(NetworkError) as raised:
        push(PushOptions(str(tiny_model), NAME))
    assert "hf auth login" in raised.value.hint
    (tmp_path / "token").write_text("secret")
    sent = push(PushOptions(str(tiny_model), NAME))
    assert hub.commits[NAME][sent.commit]["model.safetensors"] == tiny_model.read_bytes()
    assert pull(PullOptions(NAME)).commit == sent.commit
    options = SampleOptions(tmp_path / "own", str(tiny_model), per_class=2)
    sample(options)
    sample(replace(options, out=tmp_path / "pulled", weights=NAME))
    manifests = []
    for folder in ("own", "pulled"):
        manifests.append(json.loads((tmp_path / folder / "manifest.json").read_text()))
    assert manifests[0]["files"] == manifests[1]["files"]
    assert manifests[1].pop("weights_origin") == f"{NAME}@{sent.commit}"
    assert manifests[0] == manifests[1]
    sample(replace(options, out=tmp_path / "pulled"))  # the same job: the Hub's model has the same bytes


def test_revisions(pushed, tiny_model, tmp_path):
    first = pull(PullOptions(NAME)).commit
    pushed.commit(NAME, {"README.md": b"changed"})
    assert pull(PullOptions(NAME)).commit != first
    assert pull(PullOptions(f"{NAME}@{first}")).commit == first
    with pytest.raises(WeightsError, match="no such revision") as raised:
        pull(PullOptions(f"{NAME}@v9"))
    assert "branches and tags" in raised.value.hint
    with pytest.raises(WeightsError, match="no such revision"):
        locate_weights(f"{NAME}@v9")


def test_to_a_folder_that_is_weights_elsewhere(pushed, tiny_model, tmp_path):
    found = pull(PullOptions(NAME, tmp_path / "carried"))
    assert found.weights == str(tmp_path / "carried")
    assert locate_weights(str(tmp_path / "carried")).read_bytes() == tiny_model.read_bytes()
    assert sorted(os.listdir(tmp_path / "carried")) == sorted(found.files)
    with pytest.raises(OverwriteError):
        pull(PullOptions(NAME, tmp_path / "carried"))


def test_an_interrupted_download_is_resumed(pushed, tiny_model, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # it keeps whole chunks, of 10 MB
    pushed.cuts = 2
    assert locate_weights(NAME).read_bytes() == tiny_model.read_bytes()
    assert pushed.cuts == 0
    half = tiny_model.stat().st_size // 2
    assert half - 1000 <= pushed.starts[0] <= half  # from where it broke off


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "hf auth login"),
        (403, "no access"),
        (429, "too many requests"),
        (500, "try again later"),
    ],
)
def test_what_the_hub_refuses(pushed, tmp_path, status, words, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    pushed.failures = {"GET /api/models/": status}
    with pytest.raises(NetworkError) as raised:
        pull(PullOptions(NAME))
    assert words in f"{raised.value} {raised.value.hint}"
    pushed.failures = {"/resolve/": status}
    with pytest.raises(NetworkError) as raised:
        pull(PullOptions(NAME))
    assert raised.value.hint
    assert not leftovers(tmp_path)
    pushed.failures = {}
    pull(PullOptions(NAME))


def test_no_such_repository_and_nobody_there(pushed, monkeypatch):
    with pytest.raises(NetworkError, match="no such repository"):
        pull(PullOptions("clinic/nothing"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match="cannot be reached"):
        pull(PullOptions(NAME))
    with pytest.raises(UsageError, match="expected a Hub name"):
        pull(PullOptions("lesions"))


@pytest.mark.parametrize(
    "failure", [{"GET /api/models/": 403}, {"POST /api/repos/create": 403}, {"/commit/": 500}]
)
def test_what_the_hub_refuses_to_take(hub, tiny_model, failure, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.failures = failure
    if "GET /api/models/" in failure:
        push(PushOptions(str(tiny_model), NAME))  # nothing is asked of what is there
        return
    with pytest.raises(NetworkError) as raised:
        push(PushOptions(str(tiny_model), NAME))
    assert ("may not write" in raised.value.hint) == (403 in failure.values())
    assert len(hub.commits.get(NAME, {})) <= 1


def test_a_changed_hash_leaves_nothing_in_the_cache(pushed, tmp_path):
    pushed.spoilt = True
    with pytest.raises(WeightsError, match="another hash") as raised:
        locate_weights(NAME)
    assert "pull it again" in raised.value.hint
    assert not list((tmp_path / "cache").rglob("model.safetensors"))
    pushed.spoilt = False
    locate_weights(NAME)


def spoil(path):
    stored = path.resolve()
    stored.chmod(0o644)
    stored.write_bytes(b"\0" * stored.stat().st_size)


def test_files_spoilt_in_the_cache_are_fetched_again(pushed, tiny_model, monkeypatch):
    path = locate_weights(NAME)
    spoil(path)
    recorder = Recorder()
    assert locate_weights(NAME, recorder).read_bytes() == tiny_model.read_bytes()
    assert "damaged in the Hub cache, removed" in recorder.warnings[0]

    first = pull(PullOptions(NAME))
    good = {name: (path.parent / name).read_bytes() for name in first.files}
    for name in first.files:  # a power cut may damage all of them
        spoil(path.parent / name)
    assert pull(PullOptions(NAME)) == first
    assert {name: (path.parent / name).read_bytes() for name in first.files} == good

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    spoil(path.parent / "README.md")
    assert "README.md" not in pull(PullOptions(NAME)).files
    spoil(path)
    with pytest.raises(NetworkError, match="not in the local Hub cache"):
        locate_weights(NAME)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"pytorch_model.bin": b"\x80\x04"}, "pickles can run code"),
        ({"README.md": b"hello"}, "not made by drai"),
        ({"../../evil.safetensors": b"x", "model.safetensors": b"x"}, "leads out of it"),
        ({"/etc/passwd": b"x", "model.safetensors": b"x"}, "leads out of it"),
        ({"a\\..\\b": b"x", "model.safetensors": b"x"}, "leads out of it"),
    ],
)
def test_repositories_that_cannot_be_trusted(hub, tmp_path, files, words):
    hub.commit(NAME, files)
    for use in (lambda: pull(PullOptions(NAME)), lambda: locate_weights(NAME)):
        with pytest.raises(WeightsError) as raised:
            use()
        assert words in f"{raised.value} {raised.value.hint}"
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert not [line for line in hub.log if "/resolve/" in line]


def test_only_files_of_known_names_are_fetched(pushed):
    pushed.commit(NAME, {"modeling_drai.py": b"import os", "more/model.safetensors": b"x"})
    found = pull(PullOptions(NAME))
    assert "modeling_drai.py" not in found.files
    assert not [line for line in pushed.log if "modeling" in line or "more" in line]


def test_what_is_too_large_is_not_fetched(pushed, tmp_path, monkeypatch):
    monkeypatch.setattr("drai_cli.io.room.free_bytes", lambda _: 1000)
    for size, words in (
        (1 << 40, r"model\.safetensors has 1\.1 TB, expected at most 1\.07 GB"),
        (1 << 29, "expected room for clinic/lesions, at least 537 MB, got 1 kB free"),
    ):
        pushed.sizes["model.safetensors"] = size
        with pytest.raises(WeightsError, match=words):
            pull(PullOptions(NAME))
    assert not [line for line in pushed.log if "/resolve/" in line]
    assert not list((tmp_path / "cache").rglob("model.safetensors"))


def test_no_room(pushed, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(WeightsError, match=r"no space left on device, .* free") as raised:
        pull(PullOptions(NAME))
    assert "HF_HOME" in raised.value.hint
    assert not leftovers(tmp_path)
    assert not list((tmp_path / "cache").rglob("model.safetensors"))


def test_info_says_where_from(pushed, tiny_model, tmp_path):
    commit = pull(PullOptions(NAME)).commit
    shown = describe_model(InfoOptions(NAME))
    assert (shown.origin, shown.name) == (f"{NAME}@{commit}",) * 2
    assert describe_model(InfoOptions(str(tiny_model))).origin == "file"
    (tmp_path / "runs" / "mine" / "checkpoint").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "model.safetensors").write_bytes(tiny_model.read_bytes())
    listed = {model.name: model.origin for model in list_models()}
    assert listed[f"{NAME}@{commit}"] == f"{NAME}@{commit}"
    assert listed["runs/mine"] == "file"


def test_dry_run_lists_and_sends_nothing(hub, tiny_model):
    found = push(PushOptions(str(tiny_model), NAME, dry_run=True))
    assert found.commit == ""
    assert found.files["model.safetensors"][0] == tiny_model.stat().st_size
    assert hub.log == []


def test_the_card_has_the_hubs_metadata(hub, tiny_model, tmp_path):
    push(PushOptions(str(tiny_model), NAME))
    files = hub.commits[NAME][hub.branches[NAME]["main"]]
    card = huggingface_hub.ModelCard(files["README.md"].decode())
    assert card.data.library_name == "drai"
    assert card.data.license == "cc0-1.0"
    assert card.data.widget[0]["output"]["url"] == "samples.png"
    assert "| mel | melanoma | 3 |" in card.text
    config = json.loads(files["config.json"])
    assert config["schema"][0]["name"] == "dx"
    assert files["samples.png"].startswith(b"\x89PNG")


def test_origin_is_only_of_cached_files(tmp_path):
    commit = "a" * 40
    path = tmp_path / "models--a--b-c" / "snapshots" / commit / "model.safetensors"
    assert origin_of(path) == f"a/b-c@{commit}"
    assert origin_of(tmp_path / "model.safetensors") == ""
    assert str(HubRepository("a/b", "v1")) == "a/b@v1"


def test_at_the_prompt_in_a_process_of_its_own(pushed, tiny_model, tmp_path):
    environment = {
        **os.environ, "HF_ENDPOINT": pushed.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip

    def drai(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "drai_cli", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    done = drai("pull", NAME)
    assert done.returncode == 0, done.stderr
    assert "use it with --weights clinic/lesions@" in done.stderr
    done = drai("pull", "clinic/nothing")
    assert (done.returncode, "drai: error: clinic/nothing:" in done.stderr) == (5, True)
    done = drai("sample", "--weights", NAME, "--label", "mel", "-n", "1", "--out", "out", "-q")
    assert (done.returncode, done.stderr) == (0, "")
