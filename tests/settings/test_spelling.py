"""Options as words: what is spelled is read back as the same options."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer

from drai_cli.cli.app import app
from drai_cli.cli.fields import collect_given
from drai_cli.settings.image_options import SampleOptions
from drai_cli.settings.spelling import join_words, spell_options


@pytest.mark.parametrize(
    "chosen",
    [
        SampleOptions(Path("out"), label="mel", count=3),
        SampleOptions(
            Path("a b/it's"), per_class=2, attributes=("age=60", "sex=female"), truncation=0.75, seed=9
        ),
        SampleOptions(Path("o"), count=1, move_style="-0.5,0,1", move_content="1,2", overwrite=True),
        SampleOptions(
            Path("o"), count=1, reject_copies=True, train_data=Path("x"), runtime="onnx", weights="m.onnx"
        ),
    ],
)
def test_words_are_read_back(chosen):
    line = join_words(spell_options(chosen))
    command = typer.main.get_command(app).commands["sample"]
    with command.make_context("sample", shlex.split(line)) as context:
        assert SampleOptions(**collect_given(SampleOptions, context.params)) == chosen


def test_what_nobody_has_to_give_is_left_out():
    assert spell_options(SampleOptions(Path("o"), count=1)) == ["--out", "o", "--count", "1"]
    usual = SampleOptions(Path("o"), count=1, seed=3)
    assert spell_options(SampleOptions(Path("o"), count=1), usual) == ["--seed", "0"]
    assert spell_options(SampleOptions(Path("o"), count=1), usual, skip=("seed",)) == []
