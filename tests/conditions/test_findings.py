"""Sets of findings: as text, as states, as parts of a condition."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import UsageError

CHEST = Findings(("Edema", "Effusion", "Mass", "Pleural_Thickening"))


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("Mass", [0, 0, 1, 0]),
        ("Mass|Effusion", [0, 1, 1, 0]),
        ("effusion | MASS", [0, 1, 1, 0]),
        ("Edema?|pleural thickening", [-1, 0, 0, 1]),
        ("No Finding", [0, 0, 0, 0]),
        ("no finding", [0, 0, 0, 0]),
    ],
)
def test_text_means_states(text: str, states: list[int]) -> None:
    assert CHEST.states(text).tolist() == states


def test_text_of_states_reads_back() -> None:
    for number in range(3**4):
        states = np.array([number // 3**place % 3 - 1 for place in range(4)], np.int8)
        assert CHEST.states(CHEST.text(states)).tolist() == states.tolist()
    assert CHEST.text(np.array([0, 1, 1, 0], np.int8)) == "Effusion|Mass"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Efusion", ["no finding of this model is called 'Efusion'", "did you mean 'Effusion'"]),
        ("Mass|No Finding", ["'No Finding' contradicts the other findings", "give it alone"]),
        ("", ["no finding of this model is called ''", "'No Finding' means none"]),
        ("Mass||Edema", ["is called ''"]),
    ],
)
def test_what_is_no_finding_is_named(text: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        CHEST.states(text)
    said = f"{caught.value.message} {caught.value.hint}"
    assert all(word in said for word in words), said


def test_find_gives_the_one_text_or_none() -> None:
    assert CHEST.find("mass | EDEMA?") == "Edema?|Mass"
    assert CHEST.find("no finding") == "No Finding"
    assert [CHEST.find(text) for text in ("Efusion", "", "Mass|No Finding", "x" * 10**6)] == [None] * 4


def test_a_name_is_found_however_its_accents_are_stored() -> None:
    findings = Findings(("\u00c9panchement", "Masse"))
    assert findings.states("e\u0301panchement").tolist() == [1, 0]
    assert Attribute("dx", "categorical", ("caf\u00e9", "b")).find("cafe\u0301") == "caf\u00e9"


@pytest.mark.parametrize("names", [(), ("A", "a"), ("A|B",), ("A?",), ("no_finding",), ("",)])
def test_names_that_texts_could_not_tell_apart_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="finding"):
        Findings(names)


def test_the_rarest_finding_of_each_image() -> None:
    texts = ["Edema", "Edema|Mass", "Edema|Effusion?", "No Finding", "Mass", "Edema"]
    assert CHEST.rarest([CHEST.states(text) for text in texts]).tolist() == [0, 2, 0, 4, 2, 0]
    assert CHEST.rarest([]).tolist() == []
    # Counted in other images, of which all show edema and none a mass.
    both = [CHEST.states("Edema|Mass")]
    assert CHEST.rarest(both).tolist() == [0]
    assert CHEST.rarest(both, [CHEST.states("Edema")] * 9).tolist() == [2]


def make_schema() -> ConditionSchema:
    rows = [
        {"label": text, "age": age} for text in ("Mass|Effusion", "No Finding", "Edema") for age in ("a", "b")
    ]
    return ConditionSchema.from_rows(rows, "label", ["age"], findings=CHEST)


def test_a_condition_holds_a_value_and_a_flag_for_each_finding() -> None:
    schema = make_schema()
    rows = [{"label": "Effusion|Edema?", "age": "b"}, {"label": "No Finding"}, {"label": ""}]
    assert schema.encode(rows).tolist() == [
        [0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1],
    ]
    slots = schema.slots()
    assert [(slot.place.start, slot.place.stop, slot.kind) for slot in slots] == [
        (0, 2, "finding"), (2, 4, "finding"), (4, 6, "finding"), (6, 8, "finding"), (8, 11, "category"),
    ]  # fmt: skip
    assert all(slot.may_be_missing for slot in slots)


def test_a_schema_of_findings_survives_the_header() -> None:
    schema = make_schema()
    again = ConditionSchema.from_json(schema.to_json())
    assert again == schema
    assert again.label.findings is not None
    assert dict(again.label.findings.combinations) == {"Edema": 2, "Effusion|Mass": 2, "No Finding": 2}
    assert again.label.resolve("mass|EFFUSION") == "Effusion|Mass"


@pytest.mark.parametrize(
    "change",
    [
        {"values": []},
        {"values": ["A", "A"]},
        {"none": "Mass"},
        {"combinations": {"Mass": "many"}},
        {"values": 3},
    ],
)
def test_a_damaged_schema_of_findings_is_refused(change: dict[str, object]) -> None:
    data = make_schema().to_json()
    data[0] |= change
    with pytest.raises((ValueError, TypeError, KeyError)):
        ConditionSchema.from_json(data)
