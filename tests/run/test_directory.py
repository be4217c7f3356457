"""A run's settings against those of a command that resumes it."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from drai_cli.errors import UsageError
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.typed import older_values

FIELD, OLDER = next(
    (name, value) for name, value in older_values(ModelConfig).items() if isinstance(value, bool)
)


def test_a_setting_that_a_run_lacks_had_the_value_of_older_versions(tmp_path):
    """Not its default of today."""
    settings = {"training": TrainOptions().to_json()}
    del settings["training"]["model"][FIELD]
    run = RunDirectory(tmp_path)
    run.config.write_text(json.dumps(settings))
    for value in (True, False):
        settings["training"]["model"][FIELD] = value
        if value == OLDER:
            run.check(settings)
        else:
            with pytest.raises(UsageError, match=f"training.model.{FIELD}: {OLDER} in the run, {value} now"):
                run.check(settings)


def test_every_value_of_older_versions_is_one_of_its_field():
    assert older_values(ModelConfig).keys() <= {field.name for field in fields(ModelConfig)}
