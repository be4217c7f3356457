"""Where an instrument is too weak for its numbers to say anything, and how the report then marks them.

A judge that guesses calls samples right as often as real images, so that every generator looks as good as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from drai_cli.report import Measure
from drai_cli.workflows.evaluation.context import Evaluation

LEAST_SKILL = 0.1
"""Of the way from guessing to never erring: what a classifier, and of R² a regressor, has to reach at least."""


def doubt_of_judge(evaluation: Evaluation, found: Mapping[str, Any]) -> str:
    """Why nothing is to be read off the judge that measured `found`; empty where it is good enough, or had no part."""
    judge = found.get("judge")
    return doubt_of_classifier("the judge", judge["balanced_accuracy"], chance(evaluation)) if judge else ""


def doubt_of_classifier(who: str, accuracy: Mapping[str, Any], guessing: float) -> str:
    """Why nothing is to be read off a classifier with this balanced accuracy on real images; empty for a good one."""
    value, low = accuracy["value"], accuracy.get("low", accuracy["value"])
    shown = f"({value:.2f} of {guessing:.2f})"
    if not low > guessing + 1e-9:
        return f"{who} is at chance {shown}"
    if (value - guessing) / max(1 - guessing, 1e-9) < LEAST_SKILL:
        return f"{who} is hardly better than chance {shown}"
    return ""


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


def says_nothing(doubt: str, what: str, way_out: str) -> str:
    """A sentence for the report."""
    return f"{doubt[:1].upper()}{doubt[1:]}: {what} here. {way_out}"


def marked(
    measures: Collection[Measure], doubt: str, concerns: Callable[[Measure], bool]
) -> tuple[Measure, ...]:
    """The measures, those that the doubt concerns with it; none where there is no doubt."""
    return tuple(
        replace(measure, doubt=doubt) if doubt and concerns(measure) else measure for measure in measures
    )
