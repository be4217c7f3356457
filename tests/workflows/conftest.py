"""What the files of tests of `sample` share; a file with an `options` of its own goes before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drai_cli.workflows.options import SampleOptions
from drai_cli.workflows.sample import sample
from tests.workflows.sample_checks import contents


@pytest.fixture
def options(tmp_path, tiny_model):
    return SampleOptions(out=tmp_path / "out", weights=str(tiny_model), label="melanoma", count=21)


@pytest.fixture
def whole(tmp_path, options):
    """The uninterrupted output of `options`."""
    sample(replace(options, out=tmp_path / "whole"))
    return contents(tmp_path / "whole")
