"""A set of phantoms that tests of the prompt share."""

from __future__ import annotations

import pytest


@pytest.fixture
def phantoms(drai, tmp_path):
    """140 phantoms of 16 px."""
    result = drai("phantom", "--out", tmp_path / "lesions", "-n", 140, "--size", 16, "-q")
    assert result.exit_code == 0, result.stderr
    return tmp_path / "lesions"
