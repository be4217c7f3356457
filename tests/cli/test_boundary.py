"""Exit codes and the two lines a mistake gets."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from drai_cli.cli import options
from drai_cli.cli.boundary import DraiGroup
from drai_cli.cli.output import StdoutClosedError
from drai_cli.errors import (
    DraiError,
    ExitCode,
    InputError,
    NetworkError,
    OverwriteError,
    UsageError,
    WeightsError,
)


def run(error: BaseException | None, *arguments: str):
    """Runs `work` of a small program that raises `error`."""
    app = typer.Typer(cls=DraiGroup)

    @app.command()
    def work(
        context: typer.Context,
        out: Annotated[Path, typer.Option("--out")] = Path("there"),
        count: Annotated[int, typer.Option("-n", "--count", min=1)] = 1,
        verbose: options.Verbose = False,
    ) -> None:
        output = options.open_output(context, quiet=False, verbose=verbose, as_json=False)
        if error is not None:
            raise error
        output.result({}, f"{out} {count}")

    @app.command("other")
    def other(need: Annotated[str, typer.Option("--need")]) -> None:
        pass

    return CliRunner().invoke(app, arguments or ["work"])


def test_success():
    result = run(None)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "there 1\n", "")


@pytest.mark.parametrize(
    ("kind", "code"),
    [(UsageError, 2), (InputError, 3), (WeightsError, 4), (NetworkError, 5), (OverwriteError, 6)],
)
def test_a_mistake_is_two_lines_and_its_code(kind, code):
    result = run(kind("scan.dcm", "expected one frame, got 40", "pick one with --frame N"))
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == (
        "drai: error: scan.dcm: expected one frame, got 40.\ndrai: hint: pick one with --frame N\n"
    )


def test_without_a_hint_there_is_one_line():
    assert run(InputError("a.png", "is broken")).stderr == "drai: error: a.png: is broken.\n"


def test_control_characters_reach_no_terminal():
    shown = run(InputError("a\x1b[31m\nb.png", "is broken")).stderr
    assert shown == "drai: error: a\\x1b[31m\\nb.png: is broken.\n"


def test_verbose_names_the_cause():
    error = InputError("a.png", "is broken")
    error.__cause__ = ValueError("bad chunk")
    assert "bad chunk" not in run(error).stderr
    assert "caused by ValueError: bad chunk" in run(error, "work", "-v").stderr


def test_a_bug_keeps_its_traceback():
    result = run(ZeroDivisionError("oh"))
    assert result.exit_code == ExitCode.BUG
    assert "Traceback (most recent call last)" in result.stderr
    assert "ZeroDivisionError: oh" in result.stderr
    assert result.stderr.splitlines()[-2].startswith("drai: error: drai: this is a bug")


def test_a_full_disk_is_no_bug():
    result = run(OSError(errno.ENOSPC, "No space left on device", "out/a.png"))
    assert result.exit_code == ExitCode.BAD_INPUT
    assert result.stderr == "drai: error: out/a.png: no space left on device.\n"


def test_a_file_missing_by_our_own_fault_is_a_bug():
    assert run(FileNotFoundError(errno.ENOENT, "No such file", "x")).exit_code == ExitCode.BUG


@pytest.mark.parametrize("kind", [MemoryError, type("OutOfMemoryError", (RuntimeError,), {})])
def test_out_of_memory_has_a_way_out(kind):
    result = run(kind("CUDA out of memory. Tried to allocate 2 GiB.\nmore"))
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "drai: error: memory: CUDA out of memory" in result.stderr
    assert "--batch-size" in result.stderr


def test_interrupted():
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "drai: warning: interrupted\n"


def test_exit_code_of_a_command_is_kept():
    assert run(typer.Exit(6)).exit_code == 6


def test_closed_stdout_is_quiet():
    result = run(StdoutClosedError())
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["wrok"], "wrok: no such command.", "did you mean work? "),
        (["work", "--cuont", "2"], "--cuont: no such option.", "did you mean --count? "),
        (["work", "--count", "0"], "--count: ", "drai work --help"),
        (["work", "--count=0"], "--count: ", "drai work --help"),
        (["work", "-n0"], "-n/--count: ", "drai work --help"),
        (["work", "-n", "0"], "-n/--count: ", "drai work --help"),
        (["work", "--count", "many"], "--count: ", "drai work --help"),
        (["work", "--out"], "--out: requires an argument.", "--help"),
        (["other"], "--need: is required.", "drai other --help"),
        (["work", "more"], "drai work: got unexpected extra argument", "drai work --help"),
    ],
)
def test_usage(arguments, message, hint):
    result = run(None, *arguments)
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 2, result.stderr
    assert lines[0].startswith(f"drai: error: {message}")
    assert lines[1].startswith("drai: hint: ")
    assert hint in lines[1]


def test_no_command_is_a_usage_error_that_shows_the_help():
    result = CliRunner().invoke(app_with_help(), [])
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    assert "Usage" in result.stderr


def app_with_help() -> typer.Typer:
    app = typer.Typer(cls=DraiGroup)

    @app.command()
    def one() -> None: ...

    @app.command()
    def two() -> None: ...

    return app


def test_every_error_has_a_documented_code():
    kinds = {DraiError, *DraiError.__subclasses__()}
    assert {kind.exit_code for kind in kinds} <= set(ExitCode)
