"""Signals and closed pipes: documented exit codes, no traceback, nothing half-written, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drai_cli.sampling.output import SampleOutput

ENDS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def command(drai, tiny_model):
    """`drai sample` of 40 images into a folder."""
    return lambda out, *more: drai(
        "sample", "--weights", tiny_model, "-l", "mel", "-n", 40, "--out", out, *more
    )


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(("name", "code"), ENDS)
def test_sample_ends_and_goes_on(command, tmp_path, monkeypatch, request, name, code):
    record, recorded = SampleOutput.record, []

    def send(self, position, digests):
        record(self, position, digests)
        recorded.append(position)
        if len(recorded) == 20:
            os.kill(os.getpid(), getattr(signal, name))

    # Ignored, where the tests run in the background or under nohup.
    usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    number = getattr(signal, name)
    before = signal.signal(number, usual)
    request.addfinalizer(lambda: signal.signal(number, before))
    with monkeypatch.context() as patch:
        patch.setattr(SampleOutput, "record", send)
        stopped = command(tmp_path / "out", "-q", "--batch-size", 16)
    assert stopped.exit_code == code
    assert stopped.stdout == ""
    assert stopped.stderr == "drai: warning: interrupted: run the same command again to resume\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert command(tmp_path / "whole").exit_code == command(tmp_path / "out").exit_code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_a_signal_that_is_ignored_stays_so(command, tmp_path, monkeypatch):
    record = SampleOutput.record

    def send(self, position, digests):
        os.kill(os.getpid(), signal.SIGHUP)  # as when the terminal goes, under nohup
        record(self, position, digests)

    monkeypatch.setattr(SampleOutput, "record", send)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert command(tmp_path / "out").exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("info", "--list"),
        ("train", "--help"),
        pytest.param(("sample", "-n", "3", "--json", "--out", "OUT"), marks=pytest.mark.slow),
    ],
)
def test_nobody_reads_stdout(tmp_path, tiny_model, arguments):
    words = [str(tmp_path / "out") if word == "OUT" else word for word in arguments]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "drai_cli", *words],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DRAI_WEIGHTS": str(tiny_model), "HF_HUB_OFFLINE": "1"},
    )
    os.close(writing)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    if "OUT" in arguments:
        assert (tmp_path / "out" / "manifest.json").is_file()
