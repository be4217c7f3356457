"""`drai phantom` at the prompt."""

from __future__ import annotations

import csv
import json

from drai_cli.settings.data_options import PhantomOptions


def test_phantoms_and_their_factors(drai, phantoms, tmp_path):
    with open(phantoms / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 140
    assert {"x", "y", "radius", "tone"} <= set(rows[0])
    assert all((phantoms / row["file_name"]).is_file() for row in rows)
    again = drai("phantom", "--out", phantoms, "-n", 7)
    assert again.exit_code == 6
    shown = json.loads(
        drai("phantom", "--out", tmp_path / "p", "-n", 14, "--size", 16, "--json", "-q").stdout
    )
    assert (shown["images"], set(shown["labels"].values())) == (14, {2})
    planned = drai("phantom", "--out", tmp_path / "q", "--dry-run", "--json")
    assert json.loads(planned.stdout)["options"]["count"] == 2000
    assert not (tmp_path / "q").exists()


def test_phantom_defaults_are_the_workflow_s(drai, tmp_path):
    own = json.loads(drai("phantom", "--out", tmp_path / "p", "--dry-run", "--json").stdout)["options"]
    assert (own["count"], own["size"], own["seed"]) == (
        PhantomOptions.count, PhantomOptions.size, PhantomOptions.seed,
    )  # fmt: skip
