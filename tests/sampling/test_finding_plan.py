"""Which sets of findings are asked for, and how many images of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from drai_cli.conditions.findings import Findings
from drai_cli.errors import UsageError
from drai_cli.sampling.finding_plan import count_per_finding, count_sets, parse_asked
from tests.support.reporters import Recorder

CHEST = Findings(
    ("Edema", "Effusion", "Mass", "Hernia"),
    combinations={
        "Edema": 30,
        "Edema|Effusion": 20,
        "Effusion|Mass": 10,
        "No Finding": 60,
        "Effusion|Mass?": 5,
    },
)


def counts(
    label: str | None, without: Sequence[str] = (), n: int = 100, reporter: Recorder | None = None
) -> dict[str, int]:
    return count_sets(CHEST, parse_asked(CHEST, label, without), n, 0, reporter or Recorder())


def test_a_set_that_is_named_whole_is_made_as_it_is() -> None:
    reporter = Recorder()
    assert counts("mass|effusion", reporter=reporter) == {"Effusion|Mass": 100}
    assert counts("no finding", reporter=reporter) == {"No Finding": 100}
    assert not reporter.warnings


def test_without_a_label_sets_have_the_training_proportions() -> None:
    made = counts(None, n=1250)
    assert sum(made.values()) == 1250
    assert made["No Finding"] == pytest.approx(600, abs=60)
    assert made["Effusion"] == pytest.approx(50, abs=25)  # unknown ones are taken as absent
    assert set(made) == {"Edema", "Edema|Effusion", "Effusion|Mass", "No Finding", "Effusion"}


def test_others_are_drawn_with_what_is_named() -> None:
    assert set(counts("Effusion|*")) == {"Edema|Effusion", "Effusion|Mass", "Effusion"}
    assert set(counts("Effusion", ["Edema"])) == {"Effusion|Mass", "Effusion"}
    assert set(counts(None, ["Edema", "Effusion"])) == {"No Finding"}


def test_a_set_that_no_training_image_shows_is_warned_of_with_the_nearest() -> None:
    reporter = Recorder()
    assert counts("Edema|Effusion|Hernia", reporter=reporter) == {"Edema|Effusion|Hernia": 100}
    (warning,) = reporter.warnings
    assert "'Edema|Effusion', 20 images" in warning


def test_nothing_to_draw_from_is_an_error_with_a_way_out() -> None:
    with pytest.raises(UsageError) as caught:
        counts("Hernia|*")
    assert "no training image" in caught.value.message
    assert "--label 'Hernia' without *" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("label", "without", "words"),
    [
        ("Edema", ["Edema"], "contradicts --label"),
        ("Edema?", [], "not unknown"),
        (None, ["No Finding"], "excludes nothing"),
        ("No Finding|*", [], "leaves nothing to draw"),
        ("Edma", [], "did you mean 'Edema'"),
    ],
)
def test_what_contradicts_itself_is_refused(label: str | None, without: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        counts(label, without)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_each_finding_is_shown_as_often_as_asked() -> None:
    reporter = Recorder()
    made = count_per_finding(CHEST, 40, 0, reporter)
    for position, name in enumerate(CHEST.names):
        shown = sum(n for text, n in made.items() if CHEST.states(text)[position] == 1)
        assert shown >= 40, name
    assert made["No Finding"] == 40
    assert made["Hernia"] == 40
    assert any("no training image shows 'Hernia'" in warning for warning in reporter.warnings)
    assert np.array_equal(list(made.items()), list(count_per_finding(CHEST, 40, 0, Recorder()).items()))
