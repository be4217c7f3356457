"""Ends training after a complete step when the user or the scheduler asks for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def stop_signals() -> Iterator[Callable[[], str]]:
    """A context in which the first of these signals is only recorded, so that a step completes; a second acts as usual.

    A signal that the process ignores (under nohup, in the background) stays ignored.

    Yields:
        A function that returns the name of the signal received, or an empty text.
    """
    asked: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    numbers = [signal.Signals[name] for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(signal.Signals(number).name)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: asked[0] if asked else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
