"""A run's settings against those of a command that resumes it."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from drai_cli.errors import UsageError
from drai_cli.run import directory
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.typed import older_values
from drai_cli.workflows.train import collect_settings

FIELD = "pools_content"


@pytest.mark.parametrize("older", [True, False])
def test_a_setting_that_a_run_lacks_had_the_value_of_older_versions(tmp_path, monkeypatch, older):
    """Not its default of today."""
    values = {**older_values(ModelConfig), FIELD: older}
    monkeypatch.setattr(directory, "older_values", lambda cls: values if cls is ModelConfig else {})
    settings = {"training": TrainOptions().to_json()}
    del settings["training"]["model"][FIELD]
    run = directory.RunDirectory(tmp_path)
    run.config.write_text(json.dumps(settings))
    settings["training"]["model"][FIELD] = older
    run.check(settings)
    settings["training"]["model"][FIELD] = not older
    with pytest.raises(UsageError, match=f"training.model.{FIELD}: {older} in the run, {not older} now"):
        run.check(settings)


def test_every_value_of_older_versions_is_one_of_its_field():
    assert FIELD in older_values(ModelConfig)
    assert older_values(ModelConfig).keys() <= {field.name for field in fields(ModelConfig)}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tables_are_saved_as_older_versions_did_where_there_is_one(tmp_path, count):
    tables = tuple(tmp_path / f"{number}.csv" for number in range(count))
    data = DataOptions(tmp_path, metadata=tables, missing=("NA",) * count, header=False if count else None)
    settings = collect_settings(TrainRun(data, TrainOptions(), tmp_path / "run"))
    saved = settings["data"]
    assert saved["metadata"] == (
        "" if not count else str(tables[0]) if count == 1 else list(map(str, tables))
    )
    assert ("missing" in saved, "header" in saved, "rows" in saved) == (count > 0, count > 0, False)
    run = directory.RunDirectory(tmp_path)
    run.config.write_text(json.dumps(settings))
    run.check(settings)
    read = run.read_data_options()
    assert (read.metadata, read.missing, read.header) == (tables, data.missing, data.header)
