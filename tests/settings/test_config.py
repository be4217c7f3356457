"""Model settings in files of every version, and the ranges that are declared at the fields."""

from __future__ import annotations

import dataclasses

import pytest

from drai_cli.errors import UsageError
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.data_options import DataOptions, PhantomOptions
from drai_cli.settings.image_options import EncodeOptions, InterpolateOptions, SampleOptions, SwapOptions
from drai_cli.settings.model_options import CompareOptions, EvaluateOptions
from drai_cli.settings.typed import check_ranges, read_settings, setting

FIRST = {
    "image_size": 64, "image_channels": 3, "content_dim": 16, "style_dim": 32, "channels": 48, "max_channels": 192,
    "blocks": 1,
}  # fmt: skip
"""The architecture in the header of a model file of the first version."""
# What later versions added, one after the other, and how files from before then are read.
ADDED = {"pools_content": False, "grain": False}


@pytest.mark.parametrize("count", range(len(ADDED) + 1))
def test_headers_of_every_version_are_read(count):
    """The form with the first `count` of the fields that were added."""
    saved = {**FIRST, **dict.fromkeys(list(ADDED)[:count], True)}
    config = ModelConfig.from_json(saved)
    assert config == ModelConfig(**{**FIRST, **ADDED, **saved})
    assert config.to_json().keys() == FIRST.keys() | ADDED.keys()


def test_masks_are_written_only_where_there_are_any():
    saved = {**FIRST, **ADDED}
    assert ModelConfig.from_json(saved).mask_channels == 0
    with_masks = ModelConfig.from_json({**saved, "mask_channels": 2})
    assert with_masks.to_json() == {**saved, "mask_channels": 2}
    with pytest.raises(ValueError):
        ModelConfig.from_json({**saved, "mask_channels": 9})


def test_every_field_that_was_added_says_how_older_files_are_read():
    older = {f.name: f.metadata["older"] for f in dataclasses.fields(ModelConfig) if "older" in f.metadata}
    assert older == {**ADDED, "mask_channels": 0}
    assert FIRST.keys() | older.keys() == {field.name for field in dataclasses.fields(ModelConfig)}


def test_a_new_field_needs_its_declaration_alone():
    @dataclasses.dataclass(frozen=True)
    class Later(ModelConfig):
        has_attention: bool = setting(True, older=False)

    assert read_settings(Later, FIRST) == Later(**FIRST, **ADDED, has_attention=False)
    assert Later(**FIRST).has_attention
    with pytest.raises(ValueError, match="has_attention"):
        read_settings(Later, {**FIRST, "has_attention": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": 0}, {"blocks": 4097}, {"blocks": True}, {"blocks": 1.0}, {"blocks": None}, {"image_size": 40},
        {"image_channels": 2}, {"colour": 1}, {"pools_content": None},
    ],
)  # fmt: skip
def test_other_architectures_are_refused(wrong):
    with pytest.raises(ValueError):
        ModelConfig.from_json({**FIRST, **wrong})
    with pytest.raises(ValueError, match="expected"):
        ModelConfig.from_json({name: value for name, value in FIRST.items() if name != "blocks"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TrainOptions(kimg=0), "--kimg 0: expected a number at least 0.001"),
        (TrainOptions(decay_share=float("nan")), "--decay-share nan: expected a number from 0 to 1"),
        (TrainOptions(objective=Objective(grl_weight=-1)), "--grl-weight -1: expected a number at least 0"),
        (TrainOptions(model=ModelConfig(channels=0)), "--base-channels 0: expected a number from 1 to 4096"),
        (SampleOptions("out", count=0), "--count 0: expected a number from 1 to"),
        (
            EvaluateOptions("data", usefulness_ratios=(1.0, 101)),
            "--usefulness-ratio 101: expected a number from",
        ),
    ],
)
def test_a_number_out_of_its_range_is_named(settings, said):
    with pytest.raises(UsageError) as caught:
        check_ranges(settings)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "cls",
    [
        ModelConfig, Objective, TrainOptions, DataOptions, PhantomOptions, SampleOptions, SwapOptions,
        InterpolateOptions, EncodeOptions, EvaluateOptions, CompareOptions,
    ],
)  # fmt: skip
def test_every_number_declares_its_range(cls):
    numbers = [
        field
        for field in dataclasses.fields(cls)
        if field.type in ("int", "float", "int | None", "float | None")
    ]
    assert [field.name for field in numbers if "range" not in field.metadata] == []
