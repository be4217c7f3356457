"""Labels of contents changed: what becomes of a label, and where the content goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.errors import UsageError
from drai_cli.inference import changed_labels
from drai_cli.inference.changed_labels import LabelChange, change_contents, read_labels
from drai_cli.inference.torch_model import Inference
from tests.support.chest import CHEST

FINDINGS = Attribute("findings", "findings", CHEST.names, findings=CHEST)
DX = Attribute("dx", "categorical", ("mel", "nv"), {"melanoma": "mel"})


def parse(to: str | None, without: str | None, label: Attribute = FINDINGS) -> LabelChange:
    change = LabelChange.parse(label, to, without)
    assert change is not None
    return change


@pytest.mark.parametrize(
    ("to", "without", "before", "after"),
    [
        ("mass", None, "Edema", "Edema|Mass"),
        ("Mass|Edema", None, "Effusion", "Edema|Effusion|Mass"),
        ("Edema", None, "Edema", "Edema"),
        ("no finding", None, "Edema|Mass", "No Finding"),
        (None, "Edema", "Edema|Mass", "Mass"),
        (None, "Edema", "Mass", "Mass"),
        (None, "Edema|Mass", "Edema", "No Finding"),
        ("Mass", "Edema", "Edema", "Mass"),
    ],
)
def test_findings_are_added_and_removed(to: str | None, without: str | None, before: str, after: str) -> None:
    assert parse(to, without).of(before) == after


def test_a_single_label_is_replaced() -> None:
    assert parse("Melanoma", None, DX).of("nv") == "mel"
    assert LabelChange.parse(DX, None, None) is None


@pytest.mark.parametrize(
    ("label", "to", "without", "words"),
    [
        (FINDINGS, "Mass", "Mass", "contradicts --to-label"),
        (FINDINGS, "Efusion", None, "no finding of this model"),
        (FINDINGS, "Mass?", None, "got an unknown one"),
        (FINDINGS, None, "No Finding", "names no finding"),
        (FINDINGS, "No Finding", "Mass", "removes every finding"),
        (DX, None, "mel", "set of findings"),
        (DX, "wart", None, "no such value"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    label: Attribute, to: str | None, without: str | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        LabelChange.parse(label, to, without)


def regions(inference: Inference, labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    schema = inference.header.schema
    conditions = schema.encode([{schema.label.name: label} for label in labels])
    shape = (len(labels), inference.header.architecture.content_dim)
    mean = inference.draw_content(conditions, np.zeros(shape, np.float32))
    return mean, inference.draw_content(conditions, np.ones(shape, np.float32)) - mean


@pytest.fixture
def inference(chest_model: Path) -> Inference:
    import torch

    opened = Inference.open(str(chest_model), "cpu")
    with torch.no_grad():  # regions far apart, as training makes them
        opened.model.content_prior.layers[-1].weight[:4] *= 20
    return opened


def test_a_content_is_read_as_the_label_of_its_region_also_one_never_seen_together(
    inference: Inference,
) -> None:
    labels = ["Edema", "Edema|Effusion", "Effusion|Mass", "No Finding", "Edema|Effusion|Mass"]
    mean, deviation = regions(inference, labels)
    assert read_labels(inference, mean + 0.3 * deviation) == labels


def test_of_many_findings_single_ones_are_added_until_the_region_fits(
    inference: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_labels, "_MOST_IN_ALL_SETS", 0)

    def places(_inference: Inference, _label: Attribute, labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """A direction for each finding, as training makes them."""
        mean = np.stack([4.0 * CHEST.states(label) for label in labels])
        return mean, np.ones_like(mean)

    monkeypatch.setattr(changed_labels, "_regions", places)
    labels = ["Edema", "Edema|Mass", "No Finding", "Edema|Effusion|Mass"]
    assert "Edema|Mass" not in CHEST.combinations
    contents = places(inference, FINDINGS, labels)[0].astype(np.float32)
    assert read_labels(inference, contents + np.float32(0.5)) == labels


def test_a_content_keeps_its_place_within_its_region(inference: Inference) -> None:
    labels = ["Edema", "Mass", "No Finding"]
    mean, deviation = regions(inference, labels)
    place = np.array([[0.3, -0.2, 0.1, 0.4]] * 3, np.float32)
    contents, before, after = change_contents(inference, mean + place * deviation, parse("Mass", None))
    assert before == labels
    assert after == ["Edema|Mass", "Mass", "Mass"]
    new_mean, new_deviation = regions(inference, after)
    np.testing.assert_allclose(contents, new_mean + place * new_deviation, atol=1e-5)


def test_a_content_that_has_the_label_stays_to_the_bit(inference: Inference) -> None:
    mean, deviation = regions(inference, ["Mass"])
    content = mean + np.float32(0.37) * deviation
    np.testing.assert_array_equal(change_contents(inference, content, parse("Mass", None))[0], content)
