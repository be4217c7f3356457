"""Conditions of an evaluation: do samples show the attributes that were asked for in addition to the label?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import LEAST_SKILL
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.metrics.attributes import FEWEST, measure_attributes, readable
from drai_cli.report.findings import Measure, Part
from drai_cli.report.wording import number

_REAL = "the same read off real images"
_CATEGORY = Described(
    "obeyed", "Shown as asked for (balanced accuracy)", "higher",
    "A network trained on real images reads the attribute off samples that were made for the conditions of the "
    "evaluated images: share that it reads as it was asked for; all values have equal weight.",
    _REAL,
)  # fmt: skip
_NUMBER = Described(
    "obeyed_number", "Shown as asked for (R²)", "higher",
    "R² between the number that was asked for and the one that a network trained on real images reads off samples: "
    "1 is exact; 0 is as good as the mean.",
    _REAL,
)  # fmt: skip
_ERROR = Described(
    "obeyed_error", "Difference from what was asked for", "lower",
    "Mean absolute difference between the number that was asked for and the one that is read, in the number's unit.",
    _REAL,
)  # fmt: skip
_FOLLOWS = Described(
    "obeyed_correlation", "Follows what was asked for (correlation)", "higher",
    "Correlation between the number that was asked for and the one that is read off samples.",
    _REAL,
)  # fmt: skip
_CAUTION = (
    "The reader makes errors too, and an attribute that real images hardly show cannot be shown by samples: compare "
    "every number with its baseline. An attribute that goes with the label is read off it."
)
_PER_IMAGE = 2
"""Samples for the conditions of each evaluated image."""


def _measure(evaluation: Evaluation) -> Raw:
    options, real = evaluation.options, evaluation.real
    reads, rows = readable(real.schema), evaluation.rows(options.part)
    asked = np.repeat(rows, _PER_IMAGE)
    made, _ = evaluation.draw(asked, options.seed + 3)
    reader = evaluation.instruments.reader(real.conditions)
    return {
        "attributes": measure_attributes(
            reader, reads, real.images[rows], real.groups[rows], real.conditions[rows], made,
            real.conditions[asked], options.seed,
        ),
        "asked": [read.name for read in reads],
        "reader": evaluation.instruments.facts.get("reader_images_seen"),
    }  # fmt: skip


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    attributes, measures, texts, doubts = numbers["attributes"], list[Measure](), list[str](), list[str]()
    ignored, weaker = list[str](), list[str]()
    for name, found in attributes.items():
        doubt = _doubt(name, found)
        if doubt:
            doubts.append(f"{doubt[:1].upper()}{doubt[1:]}: whether samples show it cannot be told.")
        else:
            score, real = (number(found[side]["score"]["value"]) for side in ("samples", "real"))
            what = "R²" if found["kind"] == "number" else "balanced accuracy"
            texts.append(f"{name} with {what} {score} ({real} off real images)")
            if found["samples"]["score"]["low"] <= found.get("guessing", 0.0):
                ignored.append(name)
            elif found["samples"]["score"]["high"] < found["real"]["score"]["low"]:
                weaker.append(name)
        measures += _of(name, found, doubt)
    missing = [
        f"{name}: fewer than {FEWEST} evaluated images have a value of it"
        for name in numbers["asked"]
        if name not in attributes
    ]
    verdict = f"Read off samples as asked for: {'; '.join(texts)}." if texts else ""
    if ignored:
        verdict += f" Ignored: {', '.join(ignored)} (samples show it no better than guessing)."
    if weaker:
        verdict += f" Shown less than real images show it: {', '.join(weaker)}."
    if attributes and not texts:
        verdict = "No verdict: real images show none of the attributes to the network that reads them."
    return Part(
        "conditions", CONDITIONS.title, tuple(measures), verdict, _CAUTION, tuple(missing), tuple(doubts)
    )


def _of(name: str, found: Raw, doubt: str) -> Iterator[Measure]:
    made, real = found["samples"], found["real"]
    more = {"variant": name, "doubt": doubt}
    if found["kind"] == "category":
        yield _CATEGORY.of(made["score"], real["score"], is_headline=True, **more)
        return
    yield _NUMBER.of(made["score"], real["score"], is_headline=True, **more)
    yield _FOLLOWS.of(made["correlation"], real["correlation"], **more)
    yield _ERROR.of(made["error"], real["error"], **more)


def _doubt(name: str, found: Raw) -> str:
    """Why nothing can be said: the attribute cannot be read off real images. Empty where it can."""
    real, guessing = found["real"]["score"], found.get("guessing", 0.0)
    if real["value"] >= guessing + LEAST_SKILL * (1 - guessing) and real["low"] > guessing:
        return ""
    what = f"R² {real['value']:.2f}" if found["kind"] == "number" else (
        f"balanced accuracy {real['value']:.2f}, guessing {guessing:.2f}"
    )  # fmt: skip
    return f"{name} cannot be read off real images ({what})"


def _refuse(evaluation: Evaluation) -> str:
    if evaluation.subject.model is None:
        return "it is not known which attributes the images of a folder were made for"
    return "" if readable(evaluation.real.schema) else "the model takes no attribute besides the label"


CONDITIONS = MeasuredPart(
    "Conditions: do samples show what was asked for?",
    _measure,
    _describe,
    (),
    refuse=_refuse,
    is_left_out=lambda evaluation: bool(_refuse(evaluation)),
)
