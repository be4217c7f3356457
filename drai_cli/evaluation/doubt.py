"""When a classifier or regressor is too weak for the numbers it gives, and how the report marks those numbers.

A judge that guesses assigns the requested label to samples as often as to real images, so any generator looks perfect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drai_cli.evaluation.context import Evaluation
from drai_cli.report.findings import Measure

LEAST_SKILL = 0.1
"""Least skill: the way from guessing to no errors for a classifier, R² for a regressor."""
_ENOUGH_ROUNDS = 30
"""Passes over the training images beyond which a classifier only memorises them."""


@dataclass(frozen=True)
class Doubt:
    """Why a classifier's numbers are not informative, and what would help.

    Attributes:
        why: Shown next to each number: `the judge is at chance (...)`, without a full stop.
        way_out: Advice in sentences.
    """

    why: str
    way_out: str


def doubt_of_judge(evaluation: Evaluation, numbers: Mapping[str, Any]) -> Doubt | None:
    """The doubt about the judge behind these numbers; None where it is good enough, or was not used."""
    if not (judge := numbers.get("judge")):
        return None
    shown = evaluation.instruments.judge_shown
    return _doubt(evaluation, "the judge", judge["balanced_accuracy"], shown, "--judge-images")


def doubt_in_training(measures: Mapping[str, float]) -> str:
    """The doubt about the judge in a run's `metrics.quick` measures; empty for a good one."""
    if not {"judge", "chance"} <= set(measures):
        return ""
    own = measures["judge"]
    accuracy = {"value": own, "low": measures.get("judge_low", own)}
    return doubt_of_classifier("the judge", accuracy, measures["chance"])


def doubt_of_usefulness(evaluation: Evaluation, accuracy: Mapping[str, Any], shown: int) -> Doubt | None:
    """The doubt about the classifier of usefulness trained on real images, which saw `shown` images."""
    return _doubt(evaluation, "the classifier trained on real images", accuracy, shown, "--usefulness-images")


def _doubt(
    evaluation: Evaluation, who: str, accuracy: Mapping[str, Any], shown: int, option: str
) -> Doubt | None:
    guessing = chance(evaluation)
    if not (why := doubt_of_classifier(who, accuracy, guessing)):
        return None
    part = evaluation.options.part
    tested, trained = (len(evaluation.rows(name)) for name in (part, "train"))
    return Doubt(why, way_out(accuracy, guessing, part, tested, trained, shown, option))


def doubt_of_classifier(who: str, accuracy: Mapping[str, Any], guessing: float) -> str:
    """The doubt about a classifier with this balanced accuracy on real images; empty for a good one."""
    value, low = accuracy["value"], accuracy.get("low", accuracy["value"])
    shown = f"(balanced accuracy {value:.2f} on real images, guessing {guessing:.2f})"
    if not low > guessing + 1e-9:
        is_above = value >= _least(guessing)
        return f"{who} is {'not significantly better than' if is_above else 'at'} chance {shown}"
    return f"{who} is barely better than chance {shown}" if value < _least(guessing) else ""


def way_out(
    accuracy: Mapping[str, Any],
    guessing: float,
    part: str,
    tested: int,
    trained: int,
    shown: int,
    option: str,
) -> str:
    """Advice for a classifier that is too weak, by the cause; there may be two.

    Args:
        accuracy: Its balanced accuracy on real images.
        guessing: Balanced accuracy of guessing.
        part: The evaluated part of the split.
        tested: Images of that part.
        trained: Training images.
        shown: Images seen in training at most, repeats counted.
        option: Sets `shown`.
    """
    advice = []
    if not accuracy.get("high", accuracy["value"]) < _least(guessing):
        advice.append(
            f"The {tested} images of the {part} part are too few for a conclusion: use more data or another --part."
        )
    if not accuracy["value"] >= _least(guessing):
        rounds = shown / max(1, trained)
        advice.append(
            f"It saw {shown} images in training: longer training ({option}) may help."
            if rounds < _ENOUGH_ROUNDS
            else f"It saw its {trained} training images up to {rounds:.0f} times: more training images may help; "
            f"longer training ({option}) probably not."
        )
    return " ".join(advice)


def _least(guessing: float) -> float:
    """Least balanced accuracy of a classifier whose numbers are informative."""
    return guessing + LEAST_SKILL * (1 - guessing)


def doubts_of_factors(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Factor to the doubt about the regressor's predictions of it."""
    scores = numbers.get("regressor", {}).get("r2", {})
    return {
        name: f"the regressor cannot predict {name} from real images (R² {score:.2f})"
        for name, score in scores.items()
        if not score >= LEAST_SKILL
    }


def chance(evaluation: Evaluation) -> float:
    """Balanced accuracy of guessing on the evaluated images."""
    return 1 / len(np.unique(evaluation.real.labels[evaluation.rows(evaluation.options.part)]))


def explain(why: str, consequence: str, advice: str) -> str:
    """Cause, consequence and advice as sentences for the report."""
    return f"{why[:1].upper()}{why[1:]}: {consequence}. {advice}"


def mark(
    measures: Collection[Measure], doubt: str, is_concerned: Callable[[Measure], bool]
) -> tuple[Measure, ...]:
    """The measures, with the doubt added to those concerned; unchanged where the doubt is empty."""
    return tuple(
        replace(measure, doubt=doubt) if doubt and is_concerned(measure) else measure for measure in measures
    )
