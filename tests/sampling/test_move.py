"""`--move-content` and `--move-style`: what is added, what is refused, and that nothing else changes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from drai_cli.errors import UsageError
from drai_cli.inference.torch_model import Inference
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.move import Move, spell
from drai_cli.sampling.plan import Item
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify

CONTENT, STYLE = "0.5,0,0,-1", "0,0,0,0,0,2"


@pytest.fixture(scope="module")
def inference(tiny_model):
    return Inference.open(str(tiny_model), "cpu")


@pytest.mark.parametrize("truncation", [1.0, 0.5, 0.0])
def test_codes_are_moved_after_truncation(inference, truncation):
    items = [Item("mel", {"dx": "mel"}, 0), Item("nv", {"dx": "nv", "age": "60"}, 1)]
    plain = draw_images(inference, items, 3, truncation)
    moved = draw_images(inference, items, 3, truncation, move=Move.parse(CONTENT, STYLE, inference.header))
    np.testing.assert_allclose(moved[1], plain[1] + np.array([0.5, 0, 0, -1]), atol=1e-5)
    np.testing.assert_allclose(moved[2], plain[2] + np.array([0, 0, 0, 0, 0, 2]), atol=1e-6)
    np.testing.assert_array_equal(moved[0], inference.generate(moved[1], moved[2]))


def test_a_moved_job_is_recorded_resumed_and_verified(tiny_model, tmp_path):
    job = SampleOptions(
        tmp_path / "out", str(tiny_model), label="mel", count=3, move_content=CONTENT, move_style=STYLE
    )
    sample(job)
    recorded = json.loads((job.out / "manifest.json").read_text())["options"]
    assert (recorded["move_content"], recorded["move_style"]) == (CONTENT, STYLE)
    assert sample(job).made == 0
    found = verify(VerifyOptions(job.out, 3, str(tiny_model)))
    assert (found.regenerated, found.findings) == (3, ())
    plain = replace(job, out=tmp_path / "plain", move_content="", move_style="")
    sample(plain)
    assert "move_style" not in json.loads((plain.out / "manifest.json").read_text())["options"]
    name = "mel/mel_000000.png"
    assert (plain.out / name).read_bytes() != (job.out / name).read_bytes()


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4,5", "a,b,c,d", "1,2,3,nan", "inf,0,0,0", "1,,2,3"])
def test_other_than_as_many_finite_numbers_is_refused(tiny_model, tmp_path, text):
    job = SampleOptions(tmp_path / "out", str(tiny_model), label="mel", count=1, move_content=text)
    with pytest.raises(UsageError, match="expected 4 finite numbers"):
        sample(job)
    assert not job.out.exists()


def test_spelling_is_short_and_is_read_back(inference):
    vector = np.array([0.12345, -0.0001, 0, 2], np.float32)
    assert spell(vector) == "0.123,0,0,2"
    assert spell(np.zeros(4)) == spell(np.full(4, -0.0001)) == ""
    np.testing.assert_allclose(
        Move.parse(spell(vector), "", inference.header).content, [0.123, 0, 0, 2], atol=1e-6
    )
