"""`drai explore` at the prompt: the address on stdout, an end by Ctrl-C, and the line to install what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(tiny_model, tmp_path):
    """The command in a process of its own."""
    pytest.importorskip("uvicorn")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "drai_cli", "explore", str(tiny_model), "--device", "cpu"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    yield process
    process.kill()
    process.communicate()


def test_it_prints_its_address_and_ends_with_ctrl_c(program):
    address = program.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    assert len(address.split("/")[3]) >= 32
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as page:
        assert b"drai explore" in page.read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen("/".join(address.split("/")[:3]) + "/", timeout=PATIENCE_S)
    program.send_signal(signal.SIGINT)
    out, error = program.communicate(timeout=PATIENCE_S)
    assert (program.returncode, out) == (130, "")
    assert "Traceback" not in error
    assert error.splitlines()[-1] == "drai: the page has ended"


def test_a_termination_ends_it(program):
    program.stdout.readline()
    program.send_signal(signal.SIGTERM)
    _, error = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 143
    assert "Traceback" not in error


def test_nothing_is_imported_once_the_thread_has_begun(tiny_model, monkeypatch):
    """A signal in one of two threads that import at once leaves Python's import lock held: the end took 30 s."""
    uvicorn = pytest.importorskip("uvicorn")
    from drai_cli.explore.opened import Watch
    from drai_cli.settings.model_options import ExploreOptions
    from drai_cli.workflows.explore import explore

    begun, loaded = [], []
    monkeypatch.setattr(Watch, "start", lambda self: begun.append(self))
    monkeypatch.setattr(
        uvicorn.Server, "run", lambda self, **_: loaded.append((len(begun), self.config.loaded))
    )
    monkeypatch.setattr(uvicorn.Config, "load", lambda self, load=uvicorn.Config.load: begun or load(self))
    explore(ExploreOptions(str(tiny_model), device="cpu"))
    assert loaded == [(1, True)]


def test_without_the_extra_the_line_to_install_it_is_named(drai, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = drai("explore")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "drai: error: explore: needs uvicorn, which is not installed.",
        "drai: hint: pip install 'drai-cli[explore]'",
    ]


def test_a_port_that_is_taken_is_said(drai, tiny_model, monkeypatch):
    pytest.importorskip("uvicorn")
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        result = drai("explore", tiny_model, "--port", other.getsockname()[1])
    assert result.exit_code == 2
    assert "cannot be used" in result.stderr


def test_json_gives_the_address(drai, tiny_model, monkeypatch):
    pytest.importorskip("uvicorn")
    import json
    import webbrowser

    import uvicorn

    opened = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    result = drai("explore", tiny_model, "--json", "--open")
    assert result.exit_code == 0, result.stderr
    assert opened == [json.loads(result.stdout)["address"]]


def test_no_such_model(drai):
    pytest.importorskip("uvicorn")
    assert drai("explore", "lesions-65").exit_code == 4


def test_real_images_are_looked_for_at_once(drai, tiny_model, tmp_path):
    pytest.importorskip("uvicorn")
    result = drai("explore", tiny_model, "--images", tmp_path / "none")
    assert result.exit_code == 3
    result = drai("explore", tiny_model, "--label", "dx")
    assert (result.exit_code, "--images" in result.stderr) == (2, True)
