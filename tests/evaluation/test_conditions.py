"""Are conditions obeyed? What the part says of samples that show what was asked for, and of those that do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.evaluation.conditions import CONDITIONS
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.run import instruments
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions, TrainRun
from drai_cli.workflows.evaluate import evaluate
from drai_cli.workflows.train import train
from tests.evaluation.planted import draw, evaluation_of, real_set
from tests.evaluation.shared import SMALL, TINY
from tests.metrics.test_attributes import CONFIG

SITE = Attribute("site", "categorical", ("A", "B"))
AGE = Attribute("age", "continuous", (), mean=50.0, deviation=10.0)


class Obeying:
    """A model that draws the site that it is asked for, or always the same one."""

    def __init__(self, real: EvaluationSet, *, obeys: bool) -> None:
        self.real, self.obeys = real, obeys

    def draw(self, rows: np.ndarray, seed: int) -> np.ndarray:
        labels, sites = self.real.labels[rows], self.real.columns["site"][rows]
        out = draw(labels, seed, site="A").images
        if self.obeys:
            out[sites == "B"] = draw(labels[sites == "B"], seed + 1, site="B").images
        return out

    def most(self, label: int) -> int | None:
        return None


@pytest.fixture(scope="module")
def real() -> EvaluationSet:
    """The planted set, conditioned on its site, which is seen, and on an age, which is not."""
    bare = real_set(train=400)
    schema = ConditionSchema((*bare.schema.attributes, SITE, AGE))
    generator = np.random.default_rng(0)
    rows = [
        {"label": bare.schema.labels[label], "site": str(site), "age": f"{generator.normal(50, 10):.1f}"}
        for label, site in zip(bare.labels, bare.columns["site"], strict=True)
    ]
    return replace(bare, schema=schema, conditions=schema.encode(rows))


def part_of(real: EvaluationSet, tmp_path: Path, monkeypatch: Any, *, obeys: bool):
    monkeypatch.setattr(instruments, "ReaderConfig", lambda symmetry: CONFIG)
    evaluation = evaluation_of(real, draw(real.labels[:6], 0), tmp_path)
    evaluation.subject = replace(evaluation.subject, model=object())
    evaluation.__dict__["source"] = Obeying(real, obeys=obeys)
    assert not CONDITIONS.refuse(evaluation)
    return CONDITIONS.describe(evaluation, CONDITIONS.measure(evaluation))


def test_what_is_obeyed_is_said_and_what_real_images_do_not_show_is_not_claimed(
    real, tmp_path, monkeypatch
) -> None:
    part = part_of(real, tmp_path, monkeypatch, obeys=True)
    (site,) = (measure for measure in part.measures if measure.key == "obeyed")
    assert site.value > 0.9
    assert site.standing != "poor"
    assert part.verdict.startswith("Read off samples as asked for: site with balanced accuracy ")
    assert "age with" not in part.verdict
    assert part.doubts[0].startswith("Age cannot be read off real images (R²")
    assert all(measure.doubt for measure in part.measures if measure.variant == "age")


def test_a_model_that_ignores_what_is_asked_for_is_told(real, tmp_path, monkeypatch) -> None:
    part = part_of(real, tmp_path, monkeypatch, obeys=False)
    (site,) = (measure for measure in part.measures if measure.key == "obeyed")
    assert site.value == pytest.approx(0.5, abs=0.05)
    assert site.standing == "poor"
    assert "Ignored: site" in part.verdict


def test_it_is_a_part_of_the_report_only_where_there_is_something_to_ask_for(
    lesions: Path, run: Path, tmp_path: Path
) -> None:
    options = TrainOptions(model=TINY, kimg=0.032, tick_kimg=1, batch_size=16, precision="fp32")
    data = DataOptions(lesions, size=16, conditions=("tone",))
    train(TrainRun(data, options, tmp_path / "run", device="cpu"))
    asked = EvaluateOptions(
        lesions, str(tmp_path / "run"), out=tmp_path / "out", **{**SMALL, "judge_images": 1280}
    )
    (part,) = evaluate(replace(asked, metrics=("conditions",))).report.parts
    assert {measure.key for measure in part.measures} == {
        "obeyed_number",
        "obeyed_correlation",
        "obeyed_error",
    }
    assert part.settings["reader_images_seen"] <= 1280
    plain = replace(asked, weights=str(run), out=tmp_path / "plain", metrics=("conditions",))
    (part,) = evaluate(plain).report.parts
    assert part.not_measured == ("the model takes no attribute besides the label",)
