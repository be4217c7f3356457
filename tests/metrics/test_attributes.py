"""Attributes read off images: real ones are read, and samples that do not show what was asked for are told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.metrics.attributes import (
    AttributeReader,
    ReaderConfig,
    load_reader,
    measure_attributes,
    readable,
    skills,
    train_reader,
)
from drai_cli.metrics.fitting import FitConfig

SCHEMA = ConditionSchema((
    Attribute("label", "categorical", ("a", "b")),
    Attribute("size_mm", "continuous", (), mean=10.0, deviation=2.0),
    Attribute("tone", "categorical", ("dark", "light")),
))  # fmt: skip
READS = readable(SCHEMA)
CONFIG = ReaderConfig(widths=(8, 16), fit=FitConfig(images=6_400, batch_size=64, check_every=1_600))


def squares(sizes: np.ndarray, tones: np.ndarray, seed: int) -> np.ndarray:
    """Squares whose side follows the size, on a dark or light ground."""
    generator = np.random.default_rng(seed)
    images = np.where(tones == "light", 170, 60)[:, None, None, None] + generator.normal(
        0, 5, (len(sizes), 16, 16, 1)
    )
    for image, size in zip(images, sizes, strict=True):
        half = (size - 4) / 2
        rows, columns = np.mgrid[:16, :16]
        image[np.maximum(abs(rows - 7.5), abs(columns - 7.5)) < half] += 60
    return images.clip(0, 255).astype(np.uint8)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, condition vectors, and the sizes."""
    generator = np.random.default_rng(seed)
    sizes, tones = generator.normal(10, 2, count).clip(6, 16), generator.choice(["dark", "light"], count)
    rows = [
        {"label": "a", "size_mm": f"{size:.3f}" if row % 7 else "", "tone": tone}
        for row, (size, tone) in enumerate(zip(sizes, tones, strict=True))
    ]
    return squares(sizes, tones, seed), SCHEMA.encode(rows), sizes


@pytest.fixture(scope="module")
def real() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return drawn(500, 0)


@pytest.fixture(scope="module")
def reader(real) -> AttributeReader:
    images, conditions, _ = real
    parts = np.repeat(["train", "validation", "test"], [300, 100, 100])
    return train_reader(images, conditions, parts, READS, CONFIG, seed=0)


def measured(reader: AttributeReader, real, made: np.ndarray, asked: np.ndarray) -> dict:
    images, conditions, _ = (each[400:] for each in real)
    return measure_attributes(reader, READS, images, np.arange(100), conditions, made, asked, 0)


def test_every_attribute_but_the_label_is_read() -> None:
    assert [(read.name, read.start, read.width, read.is_number) for read in READS] == [
        ("size_mm", 3, 1, True), ("tone", 5, 2, False),
    ]  # fmt: skip


def test_samples_that_show_what_was_asked_are_read_as_real_ones(reader, real) -> None:
    made, asked, _ = drawn(100, 3)
    found = measured(reader, real, made, asked)
    assert found["size_mm"]["samples"]["score"]["value"] > 0.7
    assert found["size_mm"]["samples"]["correlation"]["value"] > 0.85
    assert found["size_mm"]["samples"]["error"]["value"] < 1.0  # in mm
    assert found["tone"]["samples"]["score"]["value"] > 0.95
    assert found["tone"]["guessing"] == 0.5
    assert found["size_mm"]["real"]["score"]["value"] > 0.7
    json.dumps(found, allow_nan=False)


def test_samples_of_another_size_or_tone_are_told(reader, real) -> None:
    made, asked, _ = drawn(100, 3)
    found = measured(reader, real, made[np.random.default_rng(0).permutation(100)], asked)
    assert found["size_mm"]["samples"]["score"]["high"] < 0.3
    assert abs(found["size_mm"]["samples"]["correlation"]["value"]) < 0.3
    assert found["tone"]["samples"]["score"]["value"] < 0.65


def test_missing_values_do_not_count_and_too_few_give_no_number(reader, real) -> None:
    made, asked, _ = drawn(100, 3)
    asked = asked.copy()
    asked[15:, 3:5] = (0, 1)
    found = measured(reader, real, made, asked)
    assert "size_mm" not in found
    assert found["tone"]["samples"]["score"]["n"] == 100


def test_a_reader_is_stored_and_read_again(reader, real) -> None:
    again = load_reader(reader.config_json(), reader.state())
    assert again.fits(real[0], READS)
    assert not again.fits(real[0], READS[:1])
    assert np.allclose(again.outputs(real[0][:8]), reader.outputs(real[0][:8]))
    assert set(skills(reader.outputs(real[0]), real[1], READS)) == {"size_mm", "tone"}
    assert reader.record is not None
    assert 0 < reader.record.score <= 1
