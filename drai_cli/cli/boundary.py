"""The error boundary: turns every exception of a command into two lines on stderr and an exit code."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from drai_cli.cli.output import Output, StdoutClosedError
from drai_cli.errors import DraiError, ExitCode, UsageError, exit_code_of
from drai_cli.machine.launch import read_place
from drai_cli.machine.memory import SmallerBatchWarning, is_device_lost, is_out_of_memory

# Errors of the machine or the user's permissions, not of this program.
OUTSIDE_ERRNOS = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENAMETOOLONG, errno.ENOSPC,
        errno.EPERM, errno.EROFS, errno.ESTALE, errno.ETXTBSY,
    }
)  # fmt: skip


# The option that a word without an option probably belongs to, by command.
WORD_OPTIONS = {
    "train": "--data", "compare": "--data", "evaluate": "--data", "sample": "--label", "export": "--weights",
    "phantom": "--out",
}  # fmt: skip
_ARGUMENTS = "drai.arguments"
_EXTRA = re.compile(r"unexpected extra argument\S* \((\S+)")


class DraiGroup(TyperGroup):
    """The command group; its `main` raises no exception, at the prompt or under a test runner."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command line and ends the process with its exit code."""
        parse = super().main
        if not standalone_mode:
            return parse(args, prog_name, complete_var, False, windows_expand_args, **extra)
        session = Session()
        sys.exit(
            run(
                session,
                lambda: parse(args, "drai", complete_var, False, windows_expand_args, obj=session, **extra),
            )
        )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Shows the help on stderr if there are no arguments."""
        if not args and not ctx.resilient_parsing:
            with contextlib.redirect_stdout(sys.stderr):
                print(ctx.get_help(), end="")
            raise typer.Exit(ExitCode.USAGE)
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            option = getattr(error, "option_name", "")
            if type(error).__name__ != "NoSuchOption" or not _offer(ctx, self.commands.values(), option):
                raise
            command = next((word for word in given if word in self.commands), "COMMAND")
            right = f"drai {command} {option}, after the command"
            raise UsageError(option, "is given before the command", right) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command, or names the nearest one."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            shown = list(self.list_commands(ctx))
            raise UsageError(name, "no such command", suggest(name, shown) + "drai --help lists the commands")
        ctx.meta[_ARGUMENTS] = args[1:]
        return super().resolve_command(ctx, args)


class Session:
    """What a command passes to the error boundary.

    Attributes:
        output: The command's output; before it has one, the default.
        signal: The signal that ended the command; SIGINT before one arrives.
    """

    def __init__(self) -> None:
        self.output = Output()
        self.signal = signal.SIGINT


def run(session: Session, call: Any) -> int:
    """Runs a command line, reports what it raises, and returns the exit code.

    Args:
        session: Holds the command's output.
        call: Parses and runs the command line.
    """
    with _turn_signals_into_interrupts(session), _report_smaller_batches(session):
        return _run(session, call)


@contextlib.contextmanager
def _report_smaller_batches(session: Session) -> Iterator[None]:
    """Prints each warning about a smaller batch once; other warnings are unchanged."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", SmallerBatchWarning)
        show = warnings.showwarning

        def tell(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, SmallerBatchWarning):
                session.output.warn(str(message))
            else:
                show(message, category, *where, **more)

        warnings.showwarning = tell
        yield


@contextlib.contextmanager
def _turn_signals_into_interrupts(session: Session) -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end a command as Ctrl-C does, with cleanup; ignored signals (nohup) stay ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        session.signal = signal.Signals(number)
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if is_main and hasattr(signal, name)]
    taken = [number for number in known if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _run(session: Session, call: Any) -> int:
    try:
        code = call()
        if code == ExitCode.INTERRUPTED:  # the parser's code for Ctrl-C
            raise KeyboardInterrupt
        return code if isinstance(code, int) else ExitCode.DONE
    except DraiError as error:
        _report(session, error)
        return error.exit_code
    except typer.TyperException as error:
        _report(session, to_usage_error(error))
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        session.output.interrupted()
        return exit_code_of(session.signal.name)
    except StdoutClosedError:
        return ExitCode.DONE
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # nobody reads the parser's help
            return ExitCode.DONE
        raise
    except OSError as error:
        if error.errno == errno.ENOENT and not _has_working_folder():
            session.output.error(
                DraiError(
                    "working folder", "it was deleted while this shell was in it", "cd to another folder"
                )
            )
            return ExitCode.BAD_INPUT
        if error.errno not in OUTSIDE_ERRNOS:
            return _report_bug(session)
        reason = error.strerror or str(error)
        session.output.error(DraiError(error.filename or "system", f"{reason[:1].lower()}{reason[1:]}"))
        return ExitCode.BAD_INPUT
    except Exception as error:
        told = _explain_machine_error(error)
        if told is None:
            return _report_bug(session)
        session.output.error(told)
        return told.exit_code


def _has_working_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _report(session: Session, error: DraiError) -> None:
    """Reports an error, unless another process of the same command does: all find the same error in the options."""
    is_told = error.is_told
    if is_told is None:
        is_told = isinstance(error, UsageError) and not _is_first()
    if is_told:
        return
    session.output.error(error)
    for cause in _list_causes(error):
        session.output.detail(f"caused by {type(cause).__name__}: {cause}")


def _is_first() -> bool:
    try:
        return read_place().is_first
    except UsageError:  # unknown: all processes report
        return True


def to_usage_error(error: Any) -> UsageError:
    """Converts an error of the parser, with the nearest option as a hint."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "drai"
    more = f"{path} --help lists the options"
    kind = type(error).__name__
    if kind == "NoSuchOption" and (right := _correct_argument(error, context)):
        return UsageError(error.option_name, f"{path} takes it as an argument, without an option", right)
    if kind == "NoSuchOption":
        return UsageError(
            error.option_name,
            "no such option",
            suggest(error.option_name, error.possibilities or ()) + more,
        )
    if kind == "BadOptionUsage":
        problem = error.message.strip().rstrip(".").removeprefix(f"Option {error.option_name!r} ")
        return UsageError(error.option_name, problem, more)
    if (word := _find_bare_word(error, kind)) and context is not None and context.info_name in WORD_OPTIONS:
        right = f"{path} {WORD_OPTIONS[context.info_name]} {word}"
        return UsageError(word, f"{path} takes it with an option", right)
    parameter = getattr(error, "param", None)
    if parameter is not None:
        subject = parameter.opts[-1] if parameter.param_type_name == "option" else parameter.display_name_raw
        if kind == "MissingParameter":
            return UsageError(subject, "is required", more)
        if typed := _find_short_flag(context, parameter):
            subject = f"{typed}/{subject}"
        message = error.message.strip().rstrip(".")
        return UsageError(subject, f"{message[:1].lower()}{message[1:]}", more)
    message = error.format_message().strip().rstrip(".")
    return UsageError(path, f"{message[:1].lower()}{message[1:]}", more)


def _find_bare_word(error: Any, kind: str) -> str:
    """Finds a word without an option in a command that takes no arguments; returns an empty text without one."""
    context = getattr(error, "ctx", None)
    given = _get_arguments(context)
    if kind == "MissingParameter" and given and not given[0].startswith("-"):
        return str(given[0])
    match = _EXTRA.search(getattr(error, "message", ""))
    return match[1].rstrip(")") if match else ""


def _get_arguments(context: Any) -> list[str]:
    """The words after the command."""
    return list(context.meta.get(_ARGUMENTS, [])) if context is not None else []


def _find_short_flag(context: Any, parameter: Any) -> str:
    """The short name of an option (`-n`) if it was typed, else an empty text."""
    short = [name for name in parameter.opts[:-1] if not name.startswith("--")]
    return next((name for name in short for word in _get_arguments(context) if word.startswith(name)), "")


def _correct_argument(error: Any, context: Any) -> str:
    """The correct form if an option is an argument of the command: `drai info runs/lesions`; else an empty text."""
    option = error.option_name.lstrip("-")
    for parameter in context.command.params if context is not None else ():
        metavar = (getattr(parameter, "metavar", None) or "").strip("[]")
        if parameter.param_type_name == "argument" and metavar.lower() == option:
            given = " ".join(_get_arguments(context))
            value = re.search(rf"{error.option_name}[= ]([^\s-]\S*)", given)
            return f"{context.command_path} {value[1] if value else metavar}"
    return ""


def _offer(ctx: Any, commands: Iterable[Any], option: str) -> bool:
    return any(option in parameter.opts for command in commands for parameter in command.get_params(ctx))


def suggest(word: str, known: Sequence[str]) -> str:
    """`did you mean sample? `, as the beginning of a hint, or an empty text."""
    begun = [name for name in known if len(word) > 2 and name.startswith(word)]
    matches = begun or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {matches[0]}? " if matches else ""


def _list_causes(error: BaseException) -> list[BaseException]:
    causes = []
    cause = error.__cause__
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    return causes


def _explain_machine_error(error: BaseException) -> DraiError | None:
    """The error to report if memory ran out or the device is lost; None for any other error."""
    detail = str(error).splitlines()[0] if str(error) else "out of memory"
    if is_out_of_memory(error):
        return DraiError(
            "memory", detail, "end other programs that use it, lower --batch-size, or use --device cpu"
        )
    if is_device_lost(error):
        return DraiError("device", detail, "check the GPU (nvidia-smi), or use --device cpu")
    return None


def _report_bug(session: Session) -> int:
    traceback.print_exc()
    session.output.error(
        DraiError(
            "drai",
            "this is a bug, not a mistake of yours",
            "report it with the lines above and `drai --version`",
        )
    )
    return ExitCode.BUG
