"""A short run of `fuzz_files.py`; a long one is done by hand."""

import contextlib
import os
import signal
import sys
import tempfile

import pytest

from drai_cli.evaluation import parts as parts_module
from tests.stress import fuzz_files
from tests.stress.fuzz_kinds import KINDS

CASES = {
    "weights": 40,
    "onnx": 20,
    "config": 30,
    "table": 30,
    "sampled": 30,
    "sampled-tars": 15,
    "images": 20,
    "repository": 20,
    "hidden-sample": 40,
    "hidden-stage": 40,
}
"""Of those kinds whose sound files are made at once; the others train first."""


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    """One for all kinds: an audit hook stays for good."""
    before, cwd = dict(os.environ), os.getcwd()
    parts = dict(parts_module.PARTS)
    place, writes = tempfile.tempdir, sys.dont_write_bytecode
    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGPROF)}
    base = tmp_path_factory.mktemp("fuzz")
    os.chdir(base)
    try:
        yield fuzz_files.begin(base)
    finally:
        parts_module.PARTS.update(parts)  # which measure nothing while reports are fuzzed
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir, sys.dont_write_bytecode = place, writes
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CASES)
def test_nothing_but_documented_errors_escapes(fuzzer, kind):
    check(fuzzer, kind, CASES[kind])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in CASES])
def test_nothing_but_documented_errors_escapes_of_runs(fuzzer, kind):
    check(fuzzer, kind, 40)


def check(fuzzer, kind, count):
    before = sum(fuzzer.results.values())
    fuzzer.fuzz(kind, count)
    assert fuzzer.wrong == []
    assert sum(fuzzer.results.values()) == before + count


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda base: (base / "cases" / "beside").write_text(""), "open to write"),
        (lambda base: (base / "cases" / fuzz_files.SECRET).read_text(), "opened"),
        (lambda base: os.system("true"), "os.system"),
        (lambda base: os.rename(base / "gone", base / "cases" / "out"), "os.rename"),
    ],
)
def test_the_watch_sees_what_must_not_be(fuzzer, does, said):
    fuzzer.watch.start(fuzzer.base / "cases" / "out")
    with contextlib.suppress(OSError):
        does(fuzzer.base)
    assert any(said in line for line in fuzzer.watch.stop())
    (fuzzer.base / "cases" / "beside").unlink(missing_ok=True)
