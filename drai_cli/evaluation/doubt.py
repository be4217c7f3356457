"""Where an instrument is too weak for its numbers to say anything, and how the report then marks them.

A judge that guesses calls samples right as often as real images, so that every generator looks as good as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drai_cli.evaluation.context import Evaluation
from drai_cli.report.findings import Measure

LEAST_SKILL = 0.1
"""Of the way from guessing to never erring: what a classifier, and of R² a regressor, has to reach at least."""
_ENOUGH_ROUNDS = 30
"""Times that a classifier is shown each training image; beyond them it learns those by heart."""


@dataclass(frozen=True)
class Doubt:
    """Why what a classifier says is not to be believed, and what would help.

    Attributes:
        why: Without a stop: `the judge is at chance (...)`; stands beside each number.
        way_out: Sentences that fit the cause.
    """

    why: str
    way_out: str


def doubt_of_judge(evaluation: Evaluation, found: Mapping[str, Any]) -> Doubt | None:
    """Why nothing is to be read off the judge that measured `found`; None where it is good enough, or had no part."""
    if not (judge := found.get("judge")):
        return None
    shown = evaluation.instruments.judge_shown
    return _doubt(evaluation, "the judge", judge["balanced_accuracy"], shown, "--judge-images")


def doubt_in_training(measures: Mapping[str, float]) -> str:
    """Why nothing is to be read off the judge in a run's `metrics.quick` measures; empty for a good one."""
    if not {"judge", "chance"} <= set(measures):
        return ""
    own = measures["judge"]
    accuracy = {"value": own, "low": measures.get("judge_low", own)}
    return doubt_of_classifier("the judge", accuracy, measures["chance"])


def doubt_of_usefulness(evaluation: Evaluation, accuracy: Mapping[str, Any], shown: int) -> Doubt | None:
    """The same of the classifier that usefulness stands beside, which was shown so many images."""
    return _doubt(evaluation, "the classifier trained on real images", accuracy, shown, "--usefulness-images")


def _doubt(
    evaluation: Evaluation, who: str, accuracy: Mapping[str, Any], shown: int, option: str
) -> Doubt | None:
    guessing = chance(evaluation)
    if not (why := doubt_of_classifier(who, accuracy, guessing)):
        return None
    part = evaluation.options.part
    looked_at, learnt_from = (len(evaluation.rows(name)) for name in (part, "train"))
    return Doubt(why, way_out(accuracy, guessing, part, looked_at, learnt_from, shown, option))


def doubt_of_classifier(who: str, accuracy: Mapping[str, Any], guessing: float) -> str:
    """Why nothing is to be read off a classifier with this balanced accuracy on real images; empty for a good one."""
    value, low = accuracy["value"], accuracy.get("low", accuracy["value"])
    shown = f"(balanced accuracy {value:.2f} on real images, guessing {guessing:.2f})"
    if not low > guessing + 1e-9:
        is_above = value >= _least(guessing)
        return f"{who} is {'not surely better than' if is_above else 'at'} chance {shown}"
    return f"{who} is hardly better than chance {shown}" if value < _least(guessing) else ""


def way_out(
    accuracy: Mapping[str, Any],
    guessing: float,
    part: str,
    looked_at: int,
    learnt_from: int,
    shown: int,
    option: str,
) -> str:
    """What would help a classifier that is not believed; by what keeps it from telling, which may be both.

    Args:
        accuracy: Its balanced accuracy on real images.
        guessing: The same of guessing.
        part: Of the split that is looked at.
        looked_at: Its images.
        learnt_from: Training images.
        shown: Images it was shown in training, at most, each as often as it came.
        option: Says how many it is shown.
    """
    said = []
    if not accuracy.get("high", accuracy["value"]) < _least(guessing):
        said.append(
            f"The {looked_at} images of the {part} part are too few to tell: more data, or another --part, may."
        )
    if not accuracy["value"] >= _least(guessing):
        rounds = shown / max(1, learnt_from)
        said.append(
            f"Shown more than {shown} images in training ({option}), it may learn to."
            if rounds < _ENOUGH_ROUNDS
            else f"It was shown its {learnt_from} training images up to {rounds:.0f} times: more images to learn from "
            f"may help, more training ({option}) hardly."
        )
    return " ".join(said)


def _least(guessing: float) -> float:
    """Balanced accuracy that a classifier has to reach."""
    return guessing + LEAST_SKILL * (1 - guessing)


def doubts_of_factors(found: Mapping[str, Any]) -> dict[str, str]:
    """Factor to why nothing is to be read off the regressor about it."""
    scores = found.get("regressor", {}).get("r2", {})
    return {
        name: f"the regressor does not read {name} off real images (R² {score:.2f})"
        for name, score in scores.items()
        if not score >= LEAST_SKILL
    }


def chance(evaluation: Evaluation) -> float:
    """Balanced accuracy of guessing on the images that are looked at."""
    return 1 / len(np.unique(evaluation.real.labels[evaluation.rows(evaluation.options.part)]))


def says_nothing(why: str, what: str, way_out: str) -> str:
    """Two sentences or three for the report."""
    return f"{why[:1].upper()}{why[1:]}: {what} here. {way_out}"


def marked(
    measures: Collection[Measure], doubt: str, concerns: Callable[[Measure], bool]
) -> tuple[Measure, ...]:
    """The measures, those that the doubt concerns with it; none where there is no doubt."""
    return tuple(
        replace(measure, doubt=doubt) if doubt and concerns(measure) else measure for measure in measures
    )
