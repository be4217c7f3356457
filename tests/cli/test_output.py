"""What goes to stdout, what goes to stderr, and how it looks there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from drai_cli.cli import tasks as tasks_module
from drai_cli.cli.output import Output, StdoutClosedError
from drai_cli.cli.text import printable_json, show_rate, show_table, to_plain
from drai_cli.errors import DraiError, printable
from drai_cli.progress import show_about, show_bytes, show_duration
from tests.support.patience import PATIENCE_S


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_result_is_alone_on_stdout(capsys):
    output = Output()
    output.warn("a.png: clipped")
    output.info("device: cpu")
    output.result({"out": "aug"}, "aug")
    shown = capsys.readouterr()
    assert shown.out == "aug\n"
    assert shown.err == "drai: warning: a.png: clipped\ndrai: device: cpu\n"


def test_quiet_keeps_warnings(capsys):
    output = Output(quiet=True)
    output.warn("w")
    output.info("i")
    output.detail("d")
    with output.task("decoding", 2, "images") as task:
        task.advance(2)
    assert capsys.readouterr().err == "drai: warning: w\n"


def test_details_need_verbose(capsys):
    Output().detail("d")
    Output(verbose=True).detail("e")
    assert capsys.readouterr().err == "drai: e\n"


def test_json_is_one_object_of_plain_values(capsys):
    @dataclass
    class Result:
        path: Path
        shape: tuple[int, ...]
        value: float
        array: np.ndarray

    data = {"a": Result(Path("x"), (1, 2), float("nan"), np.array([1, 2])), "b": np.float32(0.5), "c": "ü"}
    Output(as_json=True).result(data, "never shown")
    shown = capsys.readouterr()
    expected = {"a": {"path": "x", "shape": [1, 2], "value": None, "array": [1, 2]}, "b": 0.5, "c": "ü"}
    assert json.loads(shown.out) == expected
    assert shown.err == ""


def test_plain_lines_tell_rate_and_time_left(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(tasks_module.time, "monotonic", lambda: clock[0])
    with Output().task("decoding", 500, "images") as task:
        task.advance(100)  # found done
        for _ in range(2):
            clock[0] += 6.0
            task.advance(60)
        task.note("loss 2")
        clock[0] += 28.0
        task.advance(280)
    assert capsys.readouterr().err.splitlines() == [
        "drai: decoding: 160 of 500 images, 10 images/s, 34 s left",
        "drai: decoding: 500 of 500 images, 10 images/s, 0 s left, loss 2",
        "drai: decoding: 500 of 500 images, 10 images/s, took 40 s, loss 2",
    ]


def test_what_comes_after_the_count_is_part_of_the_time_left(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(tasks_module.time, "monotonic", lambda: clock[0])
    with Output().task("training", 500, "images") as task:
        task.advance(0)
        clock[0] += 5.0
        task.expect(200, is_least=True, per_s=7)
        task.advance(50)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "drai: training: 50 of 500 images, 7 images/s, at least 3 min 20 s left"
    assert last == "drai: training: 50 of 500 images, 7 images/s, took 5 s"


def test_a_bar_counts_the_time_left_down_while_nothing_is_counted():
    progress = tasks_module.make_progress()
    now = time.monotonic()

    def left_of(**fields):
        given = {"unit": "images", "note": "", "end": None, "is_least": False, **fields}
        identity = progress.add_task("training", total=8, **given)
        (task,) = [one for one in progress.tasks if one.id == identity]
        return str(progress.columns[3].render(task))

    assert left_of(end=now + 90.4) == "1 min 30 s left"
    assert left_of(end=now - 5) == "longer than estimated"
    assert left_of(end=now + 90.4, is_least=True) == "at least 1 min 30 s left"


def test_no_silence_while_one_unit_takes_long(capsys, monkeypatch):
    for name in ("FIRST_WORD_S", "PLAIN_INTERVAL_S", "_LOOK_S"):
        monkeypatch.setattr(tasks_module, name, 0.0)
    spoken, line = threading.Semaphore(0), tasks_module.LineTask._line

    def line_and_count(task, *rest, **more):
        if task._name == "training the judge":
            spoken.release()
        return line(task, *rest, **more)

    monkeypatch.setattr(tasks_module.LineTask, "_line", line_and_count)
    output = Output()
    with output.task("training", 4, "images"), output.stage("training the judge", 9, "images"):
        assert spoken.acquire(timeout=PATIENCE_S)
        assert spoken.acquire(timeout=PATIENCE_S)
    lines = capsys.readouterr().err.splitlines()
    first = lines.index("drai: training the judge: 0 of 9 images")
    last = max(place for place, said in enumerate(lines) if said.startswith("drai: training the judge"))
    # The task around it waits for it, and speaks at its end.
    assert all(said.startswith("drai: training the judge: 0 of 9 images") for said in lines[first : last + 1])
    assert lines[-1].startswith("drai: training: 0 of 4 images, took")
    assert not [thread for thread in threading.enumerate() if "_look" in thread.name]


def test_work_that_counts_nothing_says_how_long_it_has_taken(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(tasks_module.time, "monotonic", lambda: clock[0])
    with Output().stage("trying a step", None, "") as task:
        clock[0] = 12.0
        task.advance(0)
        clock[0] = 13.0
    assert capsys.readouterr().err.splitlines() == [
        "drai: trying a step, for 12 s now",
        "drai: trying a step, took 13 s",
    ]


def test_a_short_stage_leaves_no_line(capsys):
    with Output().stage("measuring", 3, "steps") as task:
        task.advance(3)
    assert capsys.readouterr().err == ""


def test_a_task_that_fails_claims_no_end(capsys):
    with pytest.raises(ValueError), Output().task("decoding", 4, "images"):
        raise ValueError
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_and_lines_above_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    output = Output()
    with output.task("decoding", 4, "images") as task, output.task("hashing", None, "files"):
        task.advance(2)
        output.warn("b[x].png: skipped")
        assert output._progress is not None
        output._progress.refresh()
    text = terminal.getvalue()
    assert "2/4 images" in text
    assert "b[x].png: skipped" in text
    assert output._progress is None


@pytest.mark.parametrize("set_it", [True, False])
def test_no_color(monkeypatch, set_it):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if set_it:
        monkeypatch.setenv("NO_COLOR", "1")
    Output().error(DraiError("a.png", "is broken"))
    assert ("\x1b[" in terminal.getvalue() and "31m" in terminal.getvalue()) is not set_it
    assert "is broken" in terminal.getvalue()


def test_a_closed_stderr_does_not_stop_the_work(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    Output().warn("nobody hears this")


def test_a_closed_stdout(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(StdoutClosedError):
        Output().result({}, "text")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_stdout_is_an_error():
    code = "from drai_cli.cli.output import Output; Output().result({}, 'text')"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert "DraiError: stdout: cannot be written: No space left on device" in done.stderr


def test_a_name_that_is_no_unicode_can_be_printed(capsys):
    name = os.fsdecode(b"a\xff.png")
    Output().result({}, name)
    Output(as_json=True).result({"path": PurePosixPath(name)}, "")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "a\\udcff.png"
    assert json.loads("".join(shown[1:])) == {"path": "a\\udcff.png"}


def test_tables_are_aligned():
    assert show_table([["mel", 12], ["akiec", 3]], ["dx", "n"]) == "dx      n\nmel    12\nakiec   3"
    assert show_table([]) == ""
    assert show_table([["a\nb", "c"]]) == "a\\nb  c"


def test_units():
    assert [show_duration(s) for s in (0.4, 8, 200, 7500)] == ["0 s", "8 s", "3 min 20 s", "2 h 5 min"]
    assert [show_about(s) for s in (1, 203, 4000, 40_000)] == [
        "about 5 s", "about 3 min 30 s", "about 1 h 5 min", "about 11 h",
    ]  # fmt: skip
    assert [show_bytes(n) for n in (12, 9_400_000, 2_000)] == ["12 B", "9.4 MB", "2 kB"]
    assert [show_rate(s, "images") for s in (0.25, 12.34, 4321.5)] == [
        "4 s/image",
        "12.3 images/s",
        "4322 images/s",
    ]


def test_printable_leaves_letters_alone():
    assert printable("größe × 2 — ok") == "größe × 2 — ok"
    assert printable("a\tb\u202e") == "a\\tb\\u202e"


def test_plain_keeps_numbers():
    assert to_plain({1: True, "x": 3}) == {"1": True, "x": 3}


def test_json_turns_no_direction_and_deletes_nothing():
    shown = printable_json(json.dumps({"name": "a\u202etxt\x7f\x1bé"}, indent=2, ensure_ascii=False))
    assert not {"\u202e", "\x7f", "\x1b"} & set(shown)
    assert json.loads(shown) == {"name": "a\u202etxt\x7f\x1bé"}


def test_a_message_has_an_end(capsys):
    Output().warn("x" * 100_000)
    assert len(capsys.readouterr().err) < 4000
