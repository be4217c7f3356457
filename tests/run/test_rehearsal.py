"""The set that stands for one that is not decoded yet."""

from __future__ import annotations

import numpy as np
from PIL import Image

from drai_cli.data.prepared import find_set, prepare
from drai_cli.data.split_plan import choose_parts
from drai_cli.progress import SILENT
from drai_cli.run.rehearsal import sketch_set
from drai_cli.settings.data_options import DataOptions


def test_it_has_the_shapes_of_the_set(tmp_path):
    noise = np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / "set" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    options = DataOptions(tmp_path / "set", size=16, cache_dir=tmp_path / "cache")
    found = find_set(options)
    parts = choose_parts(found.entries, found.label, found.findings, 0, None, SILENT)
    sketch, real = sketch_set(options, found, parts), prepare(options, seed=0)
    assert sketch.images.shape == real.images.shape
    assert sketch.images.base.nbytes < sketch.images[0].nbytes * 2  # one image for all
    assert sketch.parts.tolist() == real.parts.tolist()
    assert np.array_equal(sketch.conditions, real.conditions)
    assert sketch.labels.tolist() == real.labels.tolist()
    assert sketch.schema == real.schema
