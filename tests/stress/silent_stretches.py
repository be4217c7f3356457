"""Finds where a command says nothing: python tests/stress/silent_stretches.py [--over 1.5] evaluate --data …

Runs the command in this process and lists every stretch in which it neither printed a line nor had a task that is
shown: its length in seconds and in seconds of processor time (what a busy machine does not lengthen), and the function
of the package that it was mostly in. Exits with 1 if a stretch took longer than `--over` seconds of processor time.
"""

from __future__ import annotations

import collections
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from drai_cli.cli import output
from drai_cli.cli.app import main

_LOOK_S = 0.05


class Listener:
    """Listens to what is said, and samples where the main thread is while nothing is."""

    def __init__(self) -> None:
        self.open_tasks = 0
        self.last_word = "start"
        self.stretches: list[tuple[float, float, str, str]] = []
        self.places: collections.Counter[str] = collections.Counter()
        self.began, self.cpu_began = time.monotonic(), time.process_time()
        self.main = threading.get_ident()

    def said(self, what: str) -> None:
        """Something was printed, or a task began or ended."""
        now, cpu = time.monotonic(), time.process_time()
        if self.open_tasks == 0 and self.places:
            place = self.places.most_common(1)[0][0]
            self.stretches.append((now - self.began, cpu - self.cpu_began, self.last_word, place))
        self.places.clear()
        self.began, self.cpu_began, self.last_word = now, cpu, what

    def look(self) -> None:
        """Samples for as long as the process lives."""
        while True:
            time.sleep(_LOOK_S)
            if self.open_tasks == 0:
                frame = sys._current_frames().get(self.main)
                self.places[_place(frame)] += 1


def _place(frame: FrameType | None) -> str:
    """The innermost functions of the package that a frame is in."""
    names = []
    while frame is not None and len(names) < 3:
        path = Path(frame.f_code.co_filename)
        if "drai_cli" in path.parts and "cli" not in path.parts[-2:-1]:
            names.append(f"{path.parent.name}/{path.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(names) or "outside the package"


def listen(listener: Listener) -> None:
    """Puts the listener into the output of every command."""
    say, open_task = output.Output._say, output.Output._open

    def heard(self: Any, kind: str, message: str) -> None:
        listener.said(message)
        say(self, kind, message)

    @contextmanager
    def watched(self: Any, name: str, *rest: Any, **options: Any) -> Iterator[Any]:
        listener.said(name)
        listener.open_tasks += 1
        try:
            with open_task(self, name, *rest, **options) as task:
                yield task
        finally:
            listener.open_tasks -= 1
            listener.said(f"the end of {name}")

    output.Output._say = heard  # type: ignore[method-assign]
    output.Output._open = watched  # type: ignore[method-assign,assignment]
    threading.Thread(target=listener.look, daemon=True).start()


def run() -> int:
    """Runs the command line that follows the options; returns the exit code."""
    words, over = sys.argv[1:], 1.5
    if words[:1] == ["--over"]:
        over, words = float(words[1]), words[2:]
    listener = Listener()
    listen(listener)
    sys.argv = ["drai", *words]
    code: Any = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    listener.said("the end")
    long = sorted(listener.stretches, key=lambda stretch: -stretch[1])
    for wall_s, cpu_s, word, place in long[:12]:
        sys.stderr.write(f"{wall_s:6.1f} s, {cpu_s:5.1f} s of processor time after {word[:70]!r}: {place}\n")
    return int(code or 0) or int(any(cpu_s > over for _, cpu_s, _, _ in long))


if __name__ == "__main__":
    sys.exit(run())
