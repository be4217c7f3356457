"""Servers that are no Hub, or a hostile one: an error in a line, nothing outside the cache, bounded memory."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random

import pytest

from drai_cli.errors import NetworkError, WeightsError
from drai_cli.workflows.pull import PullOptions, pull
from tests.support.memory import peak_bytes
from tests.workflows.test_pull_push import NAME, hub, pushed  # noqa: F401  (fixtures)

pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")
UP = "../../../../outside"


def files(folder):
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if "cache" not in path.relative_to(folder).parts
    }


def refused(tmp_path, words="the server's answer is not a Hub's"):
    before = files(tmp_path)
    with pytest.raises((NetworkError, WeightsError), match=words):
        pull(PullOptions(NAME))
    assert files(tmp_path) == before
    written = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not [path for path in written if path.suffix in (".safetensors", ".incomplete")]


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": f'"{UP}"'}, {"ETag": '"/tmp/absolute"'}, {"ETag": '""'}, {"ETag": '".."'}, {"ETag": f'"{"a" * 4000}"'},
        {"X-Linked-ETag": f'"{UP}"'}, {"X-Repo-Commit": UP}, {"X-Repo-Commit": ""}, {"X-Repo-Commit": "a" * 39},
        {"Content-Encoding": "gzip"},
    ],
)  # fmt: skip
def test_no_header_names_a_place_outside_the_cache(pushed, tmp_path, headers):  # noqa: F811
    pushed.headers = headers
    refused(tmp_path)


def info(**changes):
    answer = {
        "id": NAME,
        "sha": "a" * 40,
        "siblings": [{"rfilename": "model.safetensors", "size": 10}],
        "private": False,
    }
    return json.dumps({**answer, **changes}).encode()


BODIES = {
    "a log-in page": b"<!doctype html><html><body>Please log in</body></html>",
    "nothing": b"", "null": b"null", "a number": b"7", "nested": b"[" * 100_000, "a list": b'[["x"]]',
    "no sha": json.dumps({"id": NAME, "siblings": [{"rfilename": "model.safetensors"}]}).encode(),
    "null sha": info(sha=None), "sha out": info(sha=UP), "number as sha": info(sha=7),
    "text as size": info(siblings=[{"rfilename": "model.safetensors", "size": "huge"}]),
    "negative size": info(siblings=[{"rfilename": "model.safetensors", "size": -5}]),
    "null name": info(siblings=[{"rfilename": None}]), "files as text": info(siblings="model.safetensors"),
    "files of numbers": info(siblings=[1, 2]), "null files": info(siblings=None),
    "name out": info(siblings=[{"rfilename": "../model.safetensors", "size": 1}, {"rfilename": "model.safetensors"}]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_what_is_no_list_of_files_is_an_error(pushed, tmp_path, kind):  # noqa: F811
    pushed.answers = {"GET /api/models": (200, BODIES[kind], {"Content-Type": "application/json"})}
    words = {"name out": "leads out of it", "null files": f"holds no {'model.safetensors'}"}
    refused(tmp_path, words.get(kind, "the server's answer is not a Hub's"))


def test_a_null_size_is_not_known_and_the_file_is_fetched(pushed):  # noqa: F811
    pushed.sizes = {"model.safetensors": None}
    assert os.path.isfile(pull(PullOptions(NAME)).files["model.safetensors"])


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {}])
def test_a_large_answer_takes_little_memory(pushed, tmp_path, headers):  # noqa: F811
    plain = b'{"id": "' + b"x" * (100 << 20) + b'"}'
    body = gzip.compress(bytes(200 << 20), 1) if headers else plain
    pushed.answers = {"GET /api/models": (200, body, headers)}
    before = peak_bytes()
    refused(tmp_path)
    assert peak_bytes() - before < 300 << 20


def test_hostile_answers_of_every_kind(pushed, tmp_path):  # noqa: F811
    """A few hundred; `DRAI_MANY` sets another number."""
    chance = random.Random(0)
    odd = (UP, "", "..", "/etc/x", "a\\b", "\x7f", "é", "W/", "0" * 40, "a" * 300, '"', "null", "-1", "1e9")
    good = info()
    for _ in range(int(os.environ.get("DRAI_MANY", "60"))):
        raw = bytearray(good)
        pushed.answers, pushed.headers = {}, {}
        kind = chance.randrange(4)
        if kind == 0:
            value = chance.choice((None, [], {}, 7, -1, True, 1e300, *odd))
            answer = json.loads(good)
            target = chance.choice((answer, answer["siblings"][0]))
            target[chance.choice((*target, "sha", "siblings", "size", "rfilename"))] = value
            raw = bytearray(json.dumps(answer).encode())
        elif kind == 1:
            for _ in range(chance.choice((1, 3, 9))):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
        elif kind == 2:
            del raw[chance.randrange(len(raw)) :]
        else:
            name = chance.choice(
                ("ETag", "X-Linked-ETag", "X-Repo-Commit", "Content-Encoding", "X-Linked-Size")
            )
            pushed.headers = {name: chance.choice(odd).encode("ascii", "replace").decode()}
        if kind < 3:
            pushed.answers = {"GET /api/models": (200, bytes(raw), {"Content-Type": "application/json"})}
        before = files(tmp_path)
        with contextlib.suppress(NetworkError, WeightsError):
            pull(PullOptions(NAME))
        assert files(tmp_path) == before
