"""What a process of several does with signals; how they meet and part is in `test_train_together.py`."""

from __future__ import annotations

import signal
import threading
from types import SimpleNamespace

import pytest

from drai_cli.run.process_group import _set_sigterm_handler


@pytest.fixture
def lines():
    before = signal.getsignal(signal.SIGTERM)
    yield SimpleNamespace(is_lost=threading.Event())
    signal.signal(signal.SIGTERM, before)


def test_sigterm_is_the_command_line_s_until_another_is_lost(lines):
    came = []
    signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    _set_sigterm_handler(lines)
    signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM]
    lines.is_lost.set()
    signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM]


def test_without_a_command_line_it_ends_as_ctrl_c_does(lines):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _set_sigterm_handler(lines)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
