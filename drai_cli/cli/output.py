"""Writes results to stdout and everything else to stderr. Knows no command and no workflow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from drai_cli.cli.tasks import BarTask, LineTask, Watcher, make_progress
from drai_cli.cli.text import encodable, printable_json, to_plain
from drai_cli.errors import DraiError, printable
from drai_cli.progress import Reporter, Task

if TYPE_CHECKING:
    from rich.progress import Progress

_MAX_MESSAGE = 3000  # characters: names in a file can have any length
LOADING = "loading the libraries"
"""What a command says while it imports its workflow: torch takes seconds on a busy machine."""
STYLES = {"error": "bold red", "warning": "yellow", "hint": "cyan"}


class StdoutClosedError(Exception):
    """The reader of stdout has closed it (`drai info | head -1`); this is no error."""


class Output(Reporter):
    """Prints the result, progress, warnings and errors of a command.

    Args:
        quiet: Print only warnings and errors on stderr.
        verbose: Also print details, and the cause of an error.
        as_json: Print the result as one JSON object.
        is_mute: Print only errors; of several processes of one command, the first prints for all.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, as_json: bool = False, is_mute: bool = False
    ) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.as_json = as_json
        self.is_mute = is_mute
        self.is_interrupt_told = False
        self._progress: Progress | None = None
        self._open_tasks = 0
        self._watcher = Watcher()

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Writes the command's result: `data` with `--json`, else `text`.

        Raises:
            StdoutClosedError: The reader of stdout has closed it.
            DraiError: Stdout cannot be written (for example, the disk is full).
        """
        if self.as_json:
            text = printable_json(json.dumps(to_plain(data), indent=2, ensure_ascii=False, allow_nan=False))
        if text and not self.is_mute:
            write_stdout(text + "\n")

    def warn(self, message: str) -> None:
        self._say("warning", message)

    def info(self, message: str) -> None:
        if not self.quiet:
            self._say("", message)

    def detail(self, message: str) -> None:
        """Prints a line with `-v` only."""
        if self.verbose:
            self._say("", message)

    def error(self, error: DraiError) -> None:
        """Prints the error line and, if there is a hint, the hint line."""
        message = error.message.rstrip(".")
        self._say("error", f"{error.subject}: {message}.")
        if error.hint:
            self._say("hint", error.hint)

    def interrupted(self, message: str = "interrupted") -> None:
        """Prints once that the user has stopped the command."""
        if not self.is_interrupt_told:
            self.is_interrupt_told = True
            self.warn(message)

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        return self._open(name, total, unit, is_stage=False)

    def stage(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        return self._open(name, total, unit, is_stage=True)

    def _open(self, name: str, total: int | None, unit: str, is_stage: bool) -> AbstractContextManager[Task]:
        if self.quiet or self.is_mute:
            return super().task(name, total, unit)
        if _is_terminal(sys.stderr):
            return self._bar(name, total, unit)
        return self._lines(name, total, unit, is_stage)

    def _say(self, kind: str, message: str) -> None:
        """Prints one line on stderr, above any progress bar; control characters are escaped."""
        if self.is_mute and kind not in ("error", "hint"):
            return
        lead = f"drai: {kind}: " if kind else "drai: "
        body = printable(message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…")
        try:
            if self._progress is not None or (kind and _is_terminal(sys.stderr)):
                from rich.console import Console
                from rich.text import Text

                console = self._progress.console if self._progress else Console(stderr=True)
                line = Text.assemble((lead, STYLES.get(kind, "")), body)
                console.print(line, soft_wrap=True, highlight=False)
            else:
                sys.stderr.write(encodable(lead + body, sys.stderr) + "\n")
                sys.stderr.flush()
        except OSError:
            pass  # nobody reads stderr; the command continues

    @contextmanager
    def _bar(self, name: str, total: int | None, unit: str) -> Iterator[Task]:
        if self._progress is None:
            self._progress = make_progress()
            self._progress.start()
        progress = self._progress
        self._open_tasks += 1
        identity = progress.add_task(name, total=total, unit=unit, note="", end=None, is_least=False)
        try:
            yield BarTask(progress, identity)
        finally:
            progress.remove_task(identity)
            self._open_tasks -= 1
            if self._open_tasks == 0:
                progress.stop()
                self._progress = None

    @contextmanager
    def _lines(self, name: str, total: int | None, unit: str, is_stage: bool) -> Iterator[Task]:
        task = LineTask(self.info, name, total, unit, is_stage)
        with self._watcher.watch(task):
            yield task
        task.finish()


def write_stdout(text: str) -> None:
    """Writes and flushes a result, so that an error is raised here and not at exit."""
    try:
        sys.stdout.write(encodable(text, sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        raise StdoutClosedError from None
    except OSError as error:
        discard_stdout()
        raise DraiError("stdout", f"cannot be written: {error.strerror}") from error


def discard_stdout() -> None:
    """Redirects stdout to the null device, so that the interpreter's last flush cannot fail."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)


def open_missing_streams() -> None:
    """Opens the null device for stdin, stdout and stderr where the process was started without them (`>&-`).

    The next files that are opened would get their numbers, and what libraries print would be written into them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as it runs


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
