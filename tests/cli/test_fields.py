"""Options that come from a dataclass: name, type, default and help are its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from drai_cli.cli.boundary import DraiGroup
from drai_cli.cli.command import Settings as Given
from drai_cli.cli.command import command
from drai_cli.cli.fields import collect_given, make_options, read_helps
from drai_cli.cli.output import Output
from drai_cli.settings.typed import setting


@dataclass(frozen=True)
class Settings:
    """Settings of a test.

    Attributes:
        kimg: Budget in thousands of images; None:
            no limit.
        blocks: Blocks at each resolution.
        seed: Of everything.
        channels: Of the networks.
        is_relativistic: Compare pairwise.
        precision: Of the sums.
        method: Which one.
        hidden: Not shown.
        planes: How many.
        names: Several, as NAME=VALUE.
        shares: Several numbers.
    """

    kimg: float | None = setting(None, 0)
    blocks: int = setting(2, 1)
    seed: int = setting(0, 0)
    channels: int = setting(48, 1, 512, flag="-b --base-channels")
    is_relativistic: bool = False
    precision: Literal["auto", "fp32"] = "auto"
    method: str = "drai"
    hidden: str = ""
    planes: Literal["auto", 1, 3] = "auto"
    names: tuple[str, ...] = setting((), flag="--name")
    shares: tuple[float, ...] = setting((0.5,), 0, 1, flag="--share")


PARAMETERS = make_options(Settings, panel="Work", skip=["hidden"], choices={"method": ("drai", "dai")})
app = typer.Typer(cls=DraiGroup)


@app.callback()
def root() -> None: ...


@command("work", group="Work", parameters=PARAMETERS, examples=("work --seed 3",))
def work(output: Output, dry_run: bool, settings: Given) -> None:
    """Work hard
    and long.
    """
    print(json.dumps(collect_given(Settings, settings)))


work.register(app)


def run(*arguments: str):
    return CliRunner().invoke(app, ["work", *arguments], env={"COLUMNS": "150"})


def test_only_what_was_given():
    assert json.loads(run().stdout) == {}
    line = "--kimg 1.5 --seed 0 --base-channels 8 --no-relativistic --precision fp32 --method dai --planes 1"
    assert json.loads(run(*line.split()).stdout) == {
        "kimg": 1.5, "seed": 0, "channels": 8, "is_relativistic": False, "precision": "fp32", "method": "dai",
        "planes": 1,
    }  # fmt: skip


def test_several_values_and_short_flags():
    line = "-b 4 --name a=1 --name b=2"
    assert json.loads(run(*line.split()).stdout) == {"channels": 4, "names": ["a=1", "b=2"]}
    assert "NAME=VALUE" in run("--help").stdout


def test_help_and_defaults_are_the_dataclass_s():
    shown = " ".join(run("--help").stdout.split())
    assert "Budget in thousands of images; by default no limit." in shown
    assert "[default: 48]" in shown
    assert "Work hard and long." in shown
    assert "N [1<=x<=512]" in shown
    assert "X [0<=x<=1]" in shown
    assert "One of: auto, fp32." in shown
    assert "--hidden" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["--blocks", "0"],
        ["--kimg", "-1"],
        ["--precision", "fp8"],
        ["--method", "x"],
        ["--kimg", "a"],
        ["--base-channels", "513"],
        ["--share", "1.5"],
    ],
)
def test_values_out_of_range(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"drai: error: {arguments[0]}")


def test_a_config_file_sets_them_too(tmp_path):
    (tmp_path / "c.toml").write_text("base-channels = 8\nrelativistic = true\nseed = 3")
    result = run("--config", str(tmp_path / "c.toml"), "--seed", "4")
    assert json.loads(result.stdout) == {"seed": 4, "channels": 8, "is_relativistic": True}


def test_a_name_is_given_once():
    with pytest.raises(TypeError, match="seed"):
        command("twice", group="Work", parameters=[*PARAMETERS, *PARAMETERS], examples=())


def test_attribute_helps_end_with_the_section():
    class Plain:
        """One.

        Attributes:
            a: First.

        Shapes: b: not one.
        """

    assert read_helps(Plain) == {"a": "First."}
