"""The API reference builds from the docstrings without a warning, by the command in CONTRIBUTING."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import drai_cli

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
COMMAND = re.search(r"^\.venv/bin/pdoc (.*)$", CONTRIBUTING, re.MULTILINE)[1]


def test_every_part_is_in_the_command():
    named = set(re.search(r"\{(.*)\}", COMMAND)[1].split(","))
    parts = {path.name.removesuffix(".py") for path in (ROOT / "drai_cli").iterdir()}
    left_out = {"__init__", "__main__", "__pycache__", "py.typed", "reference", "cli", "progress"}
    assert parts - left_out == named


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pdoc") is None, reason="pdoc is not installed (drai-cli[docs])")
def test_it_builds_without_warnings(tmp_path):
    command = f"{sys.executable} -m pdoc {COMMAND}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "site/drai_cli/api.html").read_text(encoding="utf-8")
    public = [name for name in vars(drai_cli.Drai) if not name.startswith("_")]
    assert [name for name in public if f'id="Drai.{name}"' not in page] == []
    assert 'id="to_pillow"' in page
