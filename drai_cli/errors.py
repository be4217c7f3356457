"""Errors a user can cause, each with its exit code and a way out. Standard library only."""

from __future__ import annotations

import signal
import unicodedata
from enum import IntEnum

# Control, format, surrogate (undecodable bytes of a file name), line and paragraph separator.
_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class ExitCode(IntEnum):
    """What the process returns; documented in reference/commands.md. Of a signal 128 and its number, as shells do."""

    DONE = 0
    BUG = 1
    USAGE = 2
    BAD_INPUT = 3
    WEIGHTS = 4
    NETWORK = 5
    REFUSED = 6
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


def exit_code_of(name: str) -> int:
    """What a process returns that ended for a signal of this name (`SIGTERM`)."""
    return 128 + signal.Signals[name]


def printable(text: object) -> str:
    """A text as one line that does no harm: control characters and undecodable bytes are escaped."""
    written = str(text)
    if written.isprintable():
        return written
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _HARMFUL else c
        for c in written
    )


class DraiError(Exception):
    """A mistake the user can mend: shown as one error line and one hint line, never a traceback.

    All three texts may quote names from files and paths: they are made `printable` here, and nowhere else.

    Args:
        subject: The thing that is wrong, as the user typed it (`scan.dcm`, `--label`).
        message: What was expected and what was got, without a final full stop.
        hint: What to type or change; empty where there is nothing to suggest.

    Attributes:
        is_told: Whether another process of the same command has said it; None: it was not settled between them.
    """

    exit_code: ExitCode = ExitCode.BAD_INPUT

    def __init__(self, subject: object, message: str, hint: str = "") -> None:
        self.subject, self.message, self.hint = printable(subject), printable(message), printable(hint)
        self.is_told: bool | None = None
        super().__init__(f"{self.subject}: {self.message}.")


class UsageError(DraiError):
    """Options that contradict each other or name something that does not exist."""

    exit_code = ExitCode.USAGE


class InputError(DraiError):
    """Data that cannot be used: missing, broken, doubtful or too little."""

    exit_code = ExitCode.BAD_INPUT


class WeightsError(DraiError):
    """A model file that cannot be found, read or trusted."""

    exit_code = ExitCode.WEIGHTS


class NetworkError(DraiError):
    """A Hub that cannot be reached or refuses, or another process of the same training that is lost."""

    exit_code = ExitCode.NETWORK


class OverwriteError(DraiError):
    """Something is already there and would be overwritten."""

    exit_code = ExitCode.REFUSED
