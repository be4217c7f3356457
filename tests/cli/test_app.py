"""The program as a whole: help, version, completion, examples that parse, pipes that break."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from drai_cli import __version__
from drai_cli.cli.app import app

ROOT = Path(__file__).parents[2]
GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drai_cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True,
    )  # fmt: skip


def command_lines() -> list[str]:
    """Every `drai ...` line of the README and of the commands' help."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.rpartition("&& .venv/bin/")[2] for block in blocks for line in block.splitlines()]
    lines += [
        line.strip() for command in GROUP.commands.values() for line in (command.epilog or "").splitlines()
    ]
    return sorted({line.split("  #")[0].strip() for line in lines if line.startswith("drai ")})


def test_commands():
    assert COMMANDS == [
        "compare", "convert", "encode", "evaluate", "explore", "export", "info", "inspect", "interpolate", "phantom",
        "pull", "push", "sample", "style-transfer", "swap-style", "train", "verify",
    ]  # fmt: skip


def test_version(drai):
    result = drai("--version")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"drai {__version__}\n", "")


def test_help_lists_the_commands(drai):
    shown = drai("--help").stdout
    assert drai("-h").stdout == shown
    assert all(name in shown for name in COMMANDS if name != "style-transfer")
    assert "Exit codes: 0 done" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_in_groups_with_two_examples(drai, name):
    result = drai(name, "-h")
    assert result.exit_code == 0
    assert result.stdout.count(f" drai {name} ") + result.stdout.count(" drai info\n") >= 2
    for option in ("--json", "--quiet", "--verbose"):
        assert option in result.stdout
    assert "─ Output ─" in result.stdout
    assert "─ Run ─" in result.stdout


@pytest.mark.parametrize("line", command_lines())
def test_examples_parse(line):
    _, name, *arguments = shlex.split(line)
    if "--help" in arguments or name.isupper() or name.startswith("-"):
        return
    with GROUP.make_context("drai", [name, *arguments]) as root:
        GROUP.commands[name].make_context(name, arguments, parent=root).close()


def test_examples_were_found():
    lines = command_lines()
    assert len(lines) > 15
    assert any(line.startswith("drai swap-style a.png b.png") for line in lines)


def test_a_typo_names_the_nearest():
    result = CliRunner().invoke(app, ["smaple"])
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "drai: error: smaple: no such command.",
        "drai: hint: did you mean sample? drai --help lists the commands",
    ]


def test_module_and_program_are_one():
    result = program("nonsense")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("drai: error: nonsense: no such command.")


def test_completion():
    result = program(_DRAI_COMPLETE="complete_bash", COMP_WORDS="drai sw", COMP_CWORD="1")
    assert result.stdout.split() == ["swap-style"]
    result = program(_DRAI_COMPLETE="complete_bash", COMP_WORDS="drai train --method dai-", COMP_CWORD="3")
    assert set(result.stdout.split()) == {"dai-grl", "dai-self"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_closed_pipe_is_quiet():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "drai_cli", "--version"]
    try:
        done = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_escapes_where_none_are_wanted(environment):
    assert "\x1b" not in program("--help", **environment).stdout


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--quiet sample --label mel", "drai sample --quiet, after the command"),
        ("train lesions/", "drai train --data lesions/"),
        ("sample melanoma", "drai sample --label melanoma"),
        ("sample --out x melanoma", "drai sample --label melanoma"),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_the_right_one(drai, line, hint):
    result = drai(*line.split())
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"drai: hint: {hint}"


@pytest.mark.parametrize(
    ("command", "option"),
    [("train", "--self-margin"), ("train", "--augment-target"), ("evaluate", "--tools")],
)
def test_options_that_were_removed_are_unknown(drai, command, option):
    result = drai(command, "--data", "lesions", option, "0.5")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"drai: error: {option}: no such option.")
