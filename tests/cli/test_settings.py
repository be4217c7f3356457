"""Flag > --config file > default, and what a wrong file gets."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from drai_cli.cli import options
from drai_cli.cli.boundary import DraiGroup

app = typer.Typer(cls=DraiGroup)


@app.callback()
def root() -> None: ...


@app.command("toil", hidden=True)
@app.command("work")
def work(
    context: typer.Context,
    data: Annotated[str, typer.Option("--data")],
    batch_size: Annotated[int, typer.Option("--batch-size", min=1)] = 8,
    settings: Annotated[list[str] | None, typer.Option("--set")] = None,
    mirror: Annotated[bool, typer.Option("--mirror/--no-mirror")] = True,
    hours: Annotated[float | None, typer.Option("--hours")] = None,
    method: Annotated[str, options.make_choice("--method", names=("drai", "dai"), help="Which.")] = "drai",
    config: options.Config = None,
) -> None:
    values = {"data": data, "batch_size": batch_size, "set": settings or [], "mirror": mirror, "hours": hours}
    print(json.dumps({**values, "method": method}))


@app.command("other")
def other() -> None: ...


@pytest.fixture
def run(tmp_path):
    def run(toml: str, *arguments: str):
        path = tmp_path / "c.toml"
        path.write_text(toml)
        return CliRunner().invoke(app, ["work", *arguments, "--config", str(path)])

    return run


def test_a_file_gives_what_no_flag_does(run):
    result = run(
        'data = "x"\nbatch-size = 4\nset = ["age=60"]\nno-mirror = true\nhours = 2', "--batch-size", "2"
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "data": "x", "batch_size": 2, "set": ["age=60"], "mirror": False, "hours": 2.0, "method": "drai",
    }  # fmt: skip


def test_a_table_speaks_to_its_command_alone(run):
    result = run(
        'data = "x"\n[work]\nbatch_size = 3\n[work.set]\nage = 60\nsex = "female"\n[other]\nnonsense = 1'
    )
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    assert values["batch_size"] == 3
    assert values["set"] == ["age=60", "sex=female"]


def test_a_command_s_other_name_is_its_own(tmp_path):
    (tmp_path / "c.toml").write_text('[work]\ndata = "x"\n[toil]\nhours = 3')
    result = CliRunner().invoke(app, ["toil", "--config", str(tmp_path / "c.toml")])
    assert (json.loads(result.stdout)["data"], json.loads(result.stdout)["hours"]) == ("x", 3.0)


def test_one_value_does_for_a_list(run):
    assert json.loads(run('data = "x"\nset = "age=60"').stdout)["set"] == ["age=60"]


@pytest.mark.parametrize(
    ("toml", "code", "subject", "message", "hint"),
    [
        (
            'data="x"\nbatchsize = 4',
            2,
            "c.toml",
            "batchsize: no such option of drai work",
            "did you mean batch-size?",
        ),
        ('data="x"\nconfig = "d.toml"', 2, "c.toml", "config: no such option", "drai work --help"),
        ('data="x"\nbatch-size = 0', 2, "--batch-size", "", "drai work --help"),
        ('data="x"\nbatch-size = "many"', 2, "--batch-size", "", "drai work --help"),
        ('data="x"\nmethod = "dria"', 2, "--method 'dria'", "no such choice", "did you mean drai?"),
        ("batch-size = 4", 2, "--data", "is required", "drai work --help"),
        ("data = x", 3, "c.toml", "expected TOML", "batch-size = 16"),
    ],
)
def test_a_wrong_file(run, toml, code, subject, message, hint):
    result = run(toml)
    assert result.exit_code == code
    error, hint_line = result.stderr.splitlines()
    assert error.startswith("drai: error: ")
    assert f"{subject}: {message}" in error
    assert hint in hint_line


def test_no_file(tmp_path):
    result = CliRunner().invoke(app, ["work", "--data", "x", "--config", str(tmp_path / "none.toml")])
    assert result.exit_code == 3
    assert "none.toml: no such file." in result.stderr


def test_a_choice_is_in_the_help():
    shown = CliRunner().invoke(app, ["work", "--help"], env={"COLUMNS": "120"}).stdout
    assert "One of: drai, dai." in shown
