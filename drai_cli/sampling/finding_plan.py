"""Which sets of findings a `sample` job asks for, and how many images of each. Makes no image.

A set that is asked for in part is filled up with what the training images showed together with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drai_cli.conditions.findings import ABSENT, PRESENT, SEPARATOR, UNKNOWN, Findings
from drai_cli.errors import UsageError
from drai_cli.inference.noise import draw_label_counts
from drai_cli.progress import Reporter
from drai_cli.settings.image_options import SampleOptions

OTHERS = "*"
"""In `--label`, next to findings: any others as well, as often as in the training images."""


@dataclass(frozen=True)
class Asked:
    """What `--label` and `--label-not` ask for.

    Attributes:
        states: The findings that are named; the others are absent, or drawn.
        are_others_drawn: Whether the findings that are not named are drawn.
    """

    states: np.ndarray
    are_others_drawn: bool


def check_finding_options(options: SampleOptions, findings: Findings | None) -> None:
    """Checks that options of sets of findings go with the model, and those of single labels too.

    Raises:
        UsageError: They do not.
    """
    if findings is None:
        for flag, given in (("--label-not", options.label_not), ("--per-finding", options.per_finding)):
            if given:
                raise UsageError(flag, "is for models whose label is a set of findings", "leave it out")
        return
    if options.per_class is not None:
        raise UsageError(
            f"--per-class {options.per_class}", "this model's label is a set of findings", "--per-finding N"
        )
    if options.layout == "isic":
        raise UsageError(
            "--layout isic", "has one label per image, the model a set of findings", "--layout flat"
        )


def parse_asked(findings: Findings, label: str | None, without: Sequence[str]) -> Asked | None:
    """What the options ask for; None where they name no finding.

    Raises:
        UsageError: No such finding, or one that is asked for and excluded.
    """
    if label is None and not without:
        return None
    named = [part.strip() for part in (label or OTHERS).split(SEPARATOR)]
    are_others_drawn = OTHERS in named or bool(without)
    kept = SEPARATOR.join(part for part in named if part != OTHERS)
    states = findings.states(kept) if kept else np.zeros(len(findings.names), np.int8)
    if (states == UNKNOWN).any():
        raise UsageError(
            f"--label {label}", "a finding to generate is present or absent, not unknown", "leave out the ?"
        )
    excluded = np.zeros(len(states), bool)
    for name in without:
        one = findings.states(name) == PRESENT
        if not one.any():
            raise UsageError(
                f"--label-not {name}", "excludes nothing", f"one of: {', '.join(findings.names)}"
            )
        excluded |= one
    for position in np.flatnonzero(excluded & (states == PRESENT)):
        raise UsageError(
            f"--label-not {findings.names[position]}", "contradicts --label", "give one of the two"
        )
    if not are_others_drawn:
        return Asked(states, False)
    is_none = label is not None and bool(kept) and not (states == PRESENT).any()
    if is_none:
        raise UsageError(f"--label {label}", "leaves nothing to draw", f"give {findings.none!r} alone")
    open_states = np.where(states == PRESENT, PRESENT, UNKNOWN).astype(np.int8)
    return Asked(np.where(excluded, ABSENT, open_states).astype(np.int8), True)


def count_sets(
    findings: Findings, asked: Asked | None, count: int, seed: int, reporter: Reporter
) -> dict[str, int]:
    """Images of each set of findings, by its text; sets that are drawn have the training images' proportions.

    Raises:
        UsageError: No training image shows what is asked for, and others are to be drawn with it.
    """
    if asked is not None and not asked.are_others_drawn:
        text = findings.text(asked.states)
        warn_of_new_sets(findings, [text], reporter)
        return {text: count}
    weights = _weights(findings, asked)
    if not weights:
        assert asked is not None
        shown = findings.text(np.where(asked.states == PRESENT, PRESENT, ABSENT).astype(np.int8))
        raise UsageError(
            f"--label {shown}",
            "no training image shows these findings without those of --label-not",
            f"--label '{shown}' without {OTHERS} and --label-not means exactly these; {_nearest(findings, shown)}",
        )
    counts = draw_label_counts(seed, weights, count)
    made = {text: number for text, number in counts.items() if number}
    reporter.info(f"{len(made)} sets of findings drawn in the training proportions")
    return made


def count_per_finding(findings: Findings, each: int, seed: int, reporter: Reporter) -> dict[str, int]:
    """At least `each` images that show each finding, and `each` without any, by the text of the set.

    For each finding, sets that hold it are drawn in the training proportions, or it alone where no training image shows
    it. Images drawn for another finding count where they show it too.
    """
    made: dict[str, int] = {}
    known = _known(findings)
    shown_by = {text: set(findings.list_present(text)) for text in known}
    for position, name in enumerate(findings.names):
        have = sum(number for text, number in made.items() if name in shown_by[text])
        if have >= each:
            continue
        weights = {text: float(count) for text, count in known.items() if name in shown_by[text]}
        if not weights:
            reporter.warn(f"no training image shows {name!r}: its images are likely to be wrong")
            shown_by.setdefault(name, {name})
            weights = {name: 1.0}
        # Seed and position: two findings do not draw alike.
        for text, number in draw_label_counts(seed + position, weights, each - have).items():
            made[text] = made.get(text, 0) + number
    made[findings.none] = made.get(findings.none, 0) + each
    return {text: number for text, number in made.items() if number}


def warn_of_new_sets(findings: Findings, texts: Collection[str], reporter: Reporter) -> None:
    """Warns of sets that no training image shows, each with the nearest that one does."""
    if not findings.combinations:
        return
    known = set(_known(findings))
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        reporter.warn(
            f"{len(new)} of {len(set(texts))} sets of findings are in no training image, such as {new[0]!r} "
            f"({_nearest(findings, new[0])}): look at these images first"
        )


def _known(findings: Findings) -> dict[str, int]:
    """How many training images show each set of findings, unknown ones taken as absent."""
    counts: dict[str, int] = {}
    for text, count in findings.combinations.items():
        states = findings.states(text)
        whole = findings.text(np.where(states == PRESENT, PRESENT, ABSENT).astype(np.int8))
        counts[whole] = counts.get(whole, 0) + count
    return counts


def _weights(findings: Findings, asked: Asked | None) -> Mapping[str, float]:
    """How many training images show each set that fits; each finding alone once, where nothing is recorded."""
    known = _known(findings) or dict.fromkeys((*findings.names, findings.none), 1)
    if asked is None:
        return {text: float(count) for text, count in known.items()}
    fixed = asked.states != UNKNOWN
    return {
        text: float(count)
        for text, count in known.items()
        if (findings.states(text)[fixed] == asked.states[fixed]).all()
    }


def _nearest(findings: Findings, text: str) -> str:
    """The set in the training images that differs in the fewest findings, the most frequent of them."""
    states = findings.states(text)
    known = _known(findings)
    if not known:
        return "the training images' sets are not recorded"
    nearest = min(known, key=lambda one: (int((findings.states(one) != states).sum()), -known[one], one))
    return f"the nearest that is: {nearest!r}, {known[nearest]} images"
