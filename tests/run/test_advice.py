"""What is said of a training set before the first step."""

from __future__ import annotations

import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.progress import Reporter
from drai_cli.run.advice import suggest_init, warn_of_few_images
from drai_cli.settings.config import ModelConfig, TrainOptions


def warned(counts: dict[str, int], has_init: bool = False, symmetry: str = "none") -> list[str]:
    reporter, said = Reporter(), list[str]()
    reporter.warn = said.append  # type: ignore[method-assign]
    warn_of_few_images(counts, has_init, symmetry, reporter)
    return said


def test_few_images_are_a_warning_with_ways_out():
    (said,) = warned({"a": 20, "b": 3})
    assert said.startswith("23 training images are too few")
    assert "--init WEIGHTS" in said
    assert "--symmetry" in said
    (said,) = warned({"a": 20, "b": 3}, True, "flip")
    assert "--init" not in said
    assert "--symmetry" not in said


def test_a_label_with_few_images_is_named():
    (said,) = warned({"a": 300, "b": 3, "c": 20})
    assert said.startswith("labels with fewer than 20 training images: b 3;")
    assert warned({"a": 300, "b": 100}) == []


@pytest.mark.parametrize(
    ("labels", "channels", "size", "name"),
    [
        (("benign", "malignant"), 1, 64, "nodules-64"),
        (("melanoma", "naevus"), 3, 64, "lesions-64"),
        (("mel", "nv"), 3, 128, "lesions-128"),
        (("mel", "nv"), 1, 64, ""),
        (("mel", "nv"), 3, 32, ""),
        (("cat", "dog"), 3, 64, ""),
    ],
)
def test_the_bundled_model_that_fits_is_named(labels, channels, size, name):
    options = TrainOptions(model=ModelConfig(image_size=size, image_channels=channels))
    schema = ConditionSchema((Attribute("finding", "categorical", labels),))
    said = suggest_init(options, schema)
    assert said.startswith(f"--init {name}, a model of ") if name else said == ""
