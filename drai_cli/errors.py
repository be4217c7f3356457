"""Errors a user can cause, each with its exit code and a hint. Standard library only."""

from __future__ import annotations

import signal
import unicodedata
from enum import IntEnum

# Control, format, surrogate (undecodable bytes of a file name), line and paragraph separator.
_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class ExitCode(IntEnum):
    """Exit codes of the process, documented in reference/commands.md; 128 plus the number of a signal."""

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
    """Exit code of a process that a signal of this name (`SIGTERM`) ended."""
    return 128 + signal.Signals[name]


def printable(text: object) -> str:
    """Escapes control characters and undecodable bytes; the result is one line."""
    written = str(text)
    if written.isprintable():
        return written
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _HARMFUL else c
        for c in written
    )


class DraiError(Exception):
    """A mistake the user can correct: shown as one error line and one hint line, never as a traceback.

    All three texts may quote names from files and paths; they are made `printable` here and nowhere else.

    Args:
        subject: What is wrong, as the user typed it (`scan.dcm`, `--label`).
        message: What was expected and what was found, without a final full stop.
        hint: What to type or change; empty without a suggestion.

    Attributes:
        is_told: Whether another process of the same command has reported it; None: unknown.
    """

    exit_code: ExitCode = ExitCode.BAD_INPUT

    def __init__(self, subject: object, message: str, hint: str = "") -> None:
        self.subject, self.message, self.hint = printable(subject), printable(message), printable(hint)
        self.is_told: bool | None = None
        super().__init__(f"{self.subject}: {self.message}.")
        if self.hint:  # what a traceback in a notebook shows; at the prompt the hint is a line of its own
            self.add_note(f"hint: {self.hint}")


class UsageError(DraiError):
    """Options that contradict each other or name something that does not exist."""

    exit_code = ExitCode.USAGE


class InputError(DraiError):
    """Data that cannot be used: missing, damaged, ambiguous or too little."""

    exit_code = ExitCode.BAD_INPUT


class WeightsError(DraiError):
    """A model file that cannot be found, read or trusted."""

    exit_code = ExitCode.WEIGHTS


class NetworkError(DraiError):
    """A Hub that cannot be reached or refuses access, or a lost process of the same training."""

    exit_code = ExitCode.NETWORK


class OverwriteError(DraiError):
    """Existing output that would be overwritten."""

    exit_code = ExitCode.REFUSED
