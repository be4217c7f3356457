"""Writes results to stdout and everything else to stderr. Knows no command and no workflow."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from drai_cli.cli.text import encodable, printable_json, show_duration, show_rate, to_plain
from drai_cli.errors import DraiError, printable
from drai_cli.progress import Reporter, Task

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL_S = 10.0
_MAX_MESSAGE = 3000  # characters: names in a file can have any length
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
        if self.quiet or self.is_mute:
            return super().task(name, total, unit)
        if _is_terminal(sys.stderr):
            return self._bar(name, total, unit)
        return self._lines(name, total, unit)

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
            self._progress = _make_progress()
            self._progress.start()
        progress = self._progress
        self._open_tasks += 1
        identity = progress.add_task(name, total=total, unit=unit, note="")
        try:
            yield _BarTask(progress, identity)
        finally:
            progress.remove_task(identity)
            self._open_tasks -= 1
            if self._open_tasks == 0:
                progress.stop()
                self._progress = None

    @contextmanager
    def _lines(self, name: str, total: int | None, unit: str) -> Iterator[Task]:
        task = _LineTask(self, name, total, unit)
        yield task
        task.finish()


class _BarTask(Task):
    """A task shown as a bar on a terminal."""

    def __init__(self, progress: Progress, identity: TaskID) -> None:
        self._progress = progress
        self._identity = identity

    def advance(self, n: int = 1) -> None:
        self._progress.advance(self._identity, n)

    def note(self, text: str) -> None:
        self._progress.update(self._identity, note=printable(text))


class _LineTask(Task):
    """A task shown as a plain line at intervals, and one at its end."""

    def __init__(self, output: Output, name: str, total: int | None, unit: str) -> None:
        self._output = output
        self._name = name
        self._total = total
        self._unit = unit
        self._done = 0
        self._note = ""
        self._start = self._last = time.monotonic()
        # The first call may count work of an earlier command (a resumed run): the rate excludes it.
        self._rate_start = self._start
        self._head_start: int | None = None

    def advance(self, n: int = 1) -> None:
        self._done += n
        now = time.monotonic()
        if self._head_start is None:
            self._head_start, self._rate_start = self._done, now
        if now - self._last >= PLAIN_INTERVAL_S:
            self._last = now
            self._output.info(self._line(now - self._start, finished=False))

    def note(self, text: str) -> None:
        self._note = text

    def finish(self) -> None:
        self._output.info(self._line(time.monotonic() - self._start, finished=True))

    def _line(self, elapsed_s: float, *, finished: bool) -> str:
        count = f"{self._done}" if self._total is None else f"{self._done} of {self._total}"
        parts = [f"{self._name}: {count} {self._unit}"]
        rated_s = self._start + elapsed_s - self._rate_start
        speed = (self._done - (self._head_start or 0)) / rated_s if rated_s > 0 else 0.0
        if speed > 0:
            parts.append(show_rate(speed, self._unit))
        if finished:
            parts.append(f"took {show_duration(elapsed_s)}")
        elif self._total is not None and speed > 0:
            parts.append(f"{show_duration((self._total - self._done) / speed)} left")
        if self._note:
            parts.append(self._note)
        return ", ".join(parts)


def _make_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as ShownTask
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: ShownTask) -> Text:
            total = "" if task.total is None else f"/{task.total:.0f}"
            text = f"{task.completed:.0f}{total} {task.fields['unit']}"
            speed = task.finished_speed or task.speed
            return Text(f"{text}, {show_rate(speed, task.fields['unit'])}" if speed else text)

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Count(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=Console(stderr=True),
        transient=True,
    )


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
