"""Help and completion of every command, walked over: groups, examples, wording, and the nearest on a typo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import typer

from drai_cli.cli import options
from drai_cli.cli.app import app
from drai_cli.cli.boundary import to_usage_error

ROOT = Path(__file__).parents[2]
GROUP = typer.main.get_command(app)
COMMANDS = {name: command for name, command in GROUP.commands.items() if not command.hidden}
# The groups that every command may have, and those of its own.
GROUPS = {options.INPUT, options.OUTPUT, options.MODEL, options.RUN}
OWN_GROUPS = {"train": {"Objective"}, "compare": {"Objective", "Comparison"}, "evaluate": {"Measures"}}
# Options that stand in several commands and say the same of each.
SAME = [
    "--weights", "--overwrite", "--json", "--config", "--dry-run", "--quiet", "--verbose", "--compression",
    "--metadata", "--image-column", "--kind", "--axis", "--slices",
]  # fmt: skip
# Misspelt, they are as near to another: --label-b, --seed.
TWINS = {"--label-a", "--seeds"}
SHORT = {"--out": "-o", "--weights": "-w", "--count": "-n", "--quiet": "-q", "--verbose": "-v"}


def options_of(name: str) -> list[typer.core.TyperOption]:
    return [
        p
        for p in COMMANDS[name].params
        if p.param_type_name == "option" and p.name not in ("help", "help_all")
    ]


def long_name(option: typer.core.TyperOption) -> str:
    return max(option.opts, key=len)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_stand_in_groups_and_say_what_they_are(name):
    allowed = GROUPS | OWN_GROUPS.get(name, set())
    for option in options_of(name):
        assert option.rich_help_panel in allowed, option.opts
        assert option.help, option.opts
        # No name of the code (these are columns), and nothing that the markup would swallow.
        assert set(re.findall(r"\b[a-z]+_[a-z]+\b", option.help)) <= {"content_label", "is_train"}, (
            option.help
        )
        assert "`" not in option.help, option.help
        assert re.match(r"[A-Z]|[a-z][\w-]*(: |, | \()", option.help), option.help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_number_shows_its_range(name):
    """The range that the checks of the workflows use is that of the help: both read it at the field."""
    numbers = [option for option in options_of(name) if option.metavar in ("N", "X")]
    assert [option.opts for option in numbers if option.min is None] == []


def test_commands_are_grouped_by_what_one_does(drai):
    groups = defaultdict(list)
    for name, command in COMMANDS.items():
        groups[command.rich_help_panel].append(name)
    assert dict(groups) == {
        "Data": ["inspect", "convert", "phantom"],
        "Train": ["train", "compare"],
        "Generate": ["sample", "swap-style", "interpolate", "explore", "encode"],
        "Check": ["evaluate", "verify", "info"],
        "Share": ["export", "pull", "push"],
    }
    shown = re.findall(r"─ (\w+) ─", drai("--help").stdout)
    assert shown == ["Options", *groups]


@pytest.mark.parametrize("name", COMMANDS)
def test_short_flags_are_the_same_everywhere_and_errors_name_the_long_one(name):
    for option in options_of(name):
        assert option.opts[-1] == long_name(option)
        if long_name(option) in SHORT:
            assert option.opts[0] == SHORT[long_name(option)]


def test_wording_is_the_same_everywhere():
    found = defaultdict(set)
    for name in COMMANDS:
        for option in options_of(name):
            found[long_name(option)].add((option.help, option.metavar, option.rich_help_panel))
    assert {name: len(found[name]) for name in SAME} == dict.fromkeys(SAME, 1)
    metavars = {name: {metavar for _, metavar, _ in texts} for name, texts in found.items()}
    assert metavars["--device"] == {"DEVICE"}
    assert metavars["--out"] == {"PATH"}
    assert all(
        len(panels) == 1 for panels in ({panel for _, _, panel in found[n]} for n in ("--seed", "--device"))
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_two_examples_of_its_own(name):
    lines = [line.strip() for line in COMMANDS[name].epilog.splitlines()]
    assert sum(line == f"drai {name}" or line.startswith(f"drai {name} ") for line in lines) >= 2


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_are_shown_plainly(drai, name):
    has_more = any(option.name == "help_all" for option in COMMANDS[name].params)
    shown = " ".join(drai(name, "--help-all" if has_more else "--help").stdout.split())
    assert "[default: (" not in shown
    assert "[dim]" not in shown
    assert "\\[" not in shown


def test_a_default_in_words_and_a_number(drai):
    shown = re.sub(r"[\s│]+", " ", drai("sample", "--help-all").stdout)
    assert "[default: $DRAI_WEIGHTS, or the bundled model]" in shown
    assert "[default: 256]" in shown
    assert "[default: fp32]" in shown


@pytest.mark.parametrize("name", ["train", "compare", "sample", "evaluate", "inspect"])
def test_of_many_options_the_common_ones_are_shown_after_the_examples(drai, name):
    short, long = (drai(name, flag).stdout for flag in ("--help", "--help-all"))
    rows = [set(re.findall(r"^│ [* ]*(--[\w-]+)", shown, re.MULTILINE)) for shown in (short, long)]
    named = [shown - {"--help", "--help-all"} for shown in rows]
    assert named[0] < named[1] == {long_name(option) for option in options_of(name)}
    assert len(short.splitlines()) < 140
    assert short.index("Examples:") < short.index("╭")
    further = len(named[1]) - len(named[0])
    assert f"{further} further options: drai {name} --help-all" in short
    assert drai(name, "--help").stdout == short  # nothing stays hidden


@pytest.mark.parametrize("name", COMMANDS)
def test_a_typo_in_a_command_names_it(drai, name):
    typo = name[:-2] + name[-1]
    result = drai(typo)
    assert result.exit_code == 2
    assert f"did you mean {name}? " in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_typo_in_an_option_names_it(name):
    command, wrong = COMMANDS[name], []
    for option in options_of(name):
        right = long_name(option)
        if len(right) < 6 or right in TWINS:  # of --to too little is left to recognise
            continue
        typo = right[:-2] + right[-1] + right[-2]
        try:
            command.make_context(name, [typo], resilient_parsing=False)
        except typer.TyperException as error:
            hint = to_usage_error(error).hint
            if typo not in {flag for other in options_of(name) for flag in other.opts}:
                wrong += [] if f"did you mean {right}? " in hint else [(typo, hint)]
    assert wrong == []


def complete(shell: str, line: str) -> set[str]:
    """What a shell is told to offer after a command line."""
    words = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    environment = {**os.environ, **words, "_DRAI_COMPLETE": f"complete_{shell}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "drai_cli"], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    if shell == "zsh":
        return set(re.findall(r'[(\n]"([^"\n]+)"', done.stdout))
    return {line.split("\t")[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("drai sw", {"swap-style"}),
        ("drai sample --trunc", {"--truncation"}),
        ("drai train --method dai-", {"dai-grl", "dai-self"}),
        ("drai sample --weights les", {"lesions-64", "lesions-128"}),
    ],
)
def test_completion(shell, line, offered):
    assert complete(shell, line) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(shell):
    environment = {**os.environ, "_DRAI_COMPLETE": f"source_{shell}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "drai_cli"], env=environment, capture_output=True, text=True)
    assert f"_DRAI_COMPLETE=complete_{shell}" in done.stdout
