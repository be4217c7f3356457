"""The model card: what it says of labels and measures, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model_file.checkpoint import read_header
from drai_cli.report.model_card import model_card

PRIVACY = {
    "measured_with": {"images": 61, "seed": 0},
    "numbers": {"Copies": 0.01, "Copies, unseen real images": 0.02},
}
FIDELITY = {
    "measured_with": {"images": 61, "seed": 4, "judge_images": 2000},
    "numbers": {"Fréchet distance": 31.5, "Fréchet distance, other real images": 8.25},
}
DOUBTED = {"measured_with": {"images": 61}, "numbers": {}, "cautions": ["The judge is at chance."]}


@pytest.fixture
def card(tiny_model):
    """The card of a header with these measures of the test part, or other fields."""
    header = read_header(tiny_model)
    return lambda measures=None, **fields: model_card(
        replace(header, measures={"test": measures} if measures else {}, **fields), "lesions"
    )


def test_each_part_stands_with_what_it_was_measured_with_and_missing_ones_are_named(card, tiny_model):
    text = card({"fidelity": FIDELITY, "privacy": PRIVACY})
    assert "*Fidelity* (images 61, seed 4, judge images 2000):" in text
    assert "*Privacy* (images 61, seed 0):" in text
    assert "| Fréchet distance, other real images | 8.25 |" in text
    assert "Not measured in this evaluation: disentanglement, conditions, usefulness." in text
    alone = read_header(tiny_model).schema.attributes[:1]
    text = card({"fidelity": FIDELITY, "privacy": PRIVACY}, schema=ConditionSchema(alone))
    assert "Not measured in this evaluation: disentanglement, usefulness." in text
    assert "Not measured" not in card({"Label agreement": 0.8})  # a card of before, without parts


def test_a_part_without_a_number_says_so(card):
    text = card({"disentanglement": DOUBTED})
    assert "*Disentanglement* (images 61): measured, but no number is informative." in text
    assert "**Caution.** The judge is at chance." in text
    assert "| measure |" not in text


def test_the_metrics_on_top_are_those_in_the_tables(card):
    def metrics(text):
        front = text.split("---")[1]
        return [line for line in front.splitlines() if line in ("- accuracy", "- frechet-distance")]

    assert metrics(card({"fidelity": FIDELITY})) == ["- frechet-distance"]
    assert metrics(card({"disentanglement": {"numbers": {"Label agreement": 0.5}}})) == ["- accuracy"]
    assert metrics(card({"privacy": PRIVACY, "disentanglement": DOUBTED})) == []
    assert "metrics:" not in card({"privacy": PRIVACY})


def test_the_table_of_labels_has_no_empty_column(card, tiny_model):
    header = read_header(tiny_model)
    label, *others = header.schema.attributes
    bare = replace(header.schema, attributes=(replace(label, aliases={}), *others))
    first, second = header.schema.labels[:2]
    assert "| label |" not in card(schema=bare, training={})
    counted = card(schema=bare, training={"label_counts": {first: 7, second: 2}})
    assert f"| label | images in training |\n|---|---|\n| {first} | 7 |" in counted
    named = replace(bare, attributes=(replace(label, aliases={"other name": second}), *others))
    assert "| label | also called |\n" in card(schema=named, training={})
