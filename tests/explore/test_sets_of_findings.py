"""A model whose label is a set of findings is explored: sets to choose from, and the command that makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drai_cli.settings.image_options import SampleOptions
from drai_cli.workflows.sample import preview_sample
from tests.explore.page_server import serve_page

pytest.importorskip("uvicorn")


def test_sets_are_offered_and_the_command_of_all_is_one_that_works(chest_model: Path, tmp_path: Path) -> None:
    with serve_page(chest_model, wait=False) as page:
        offered = [one["value"] for one in page.explorer.describe()["labels"]]
        assert offered == ["Edema", "Effusion", "Mass", "No Finding", "Edema|Effusion"]
        shown = page.ask("grid", {"count": 4})[1]["images"]
        assert [one["label"] for one in shown] == ["Edema", "Effusion", "Mass", "No Finding"]
        assert page.ask("grid", {"label": "mass|edema", "count": 1})[1]["images"][0]["label"] == "Edema|Mass"
        assert "--per-finding 7" in page.ask("command", {"keep": 7})[1]["command"]
        preview_sample(SampleOptions(tmp_path / "out", str(chest_model), per_finding=7, device="cpu"))
