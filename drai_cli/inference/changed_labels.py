"""Contents with another label: an image's content is moved from the region of its label to that of another.

p(c|t) makes a label a region of content space. The label of a content is the one whose region it lies in; moved to
another region, it keeps its place within: as many deviations from the mean, in the same directions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.findings import ABSENT, PRESENT, UNKNOWN, Findings
from drai_cli.errors import UsageError
from drai_cli.inference.torch_model import Inference

Contents = Float32[np.ndarray, "images content_dim"]
_MOST_IN_ALL_SETS = 10


@dataclass(frozen=True)
class LabelChange:
    """What becomes of a label.

    Attributes:
        label: The label's attribute.
        to: The label that it becomes, or the findings that are added to it; empty: none.
        without: The findings that are removed; empty: none.
    """

    label: Attribute
    to: str = ""
    without: str = ""

    @classmethod
    def parse(cls, label: Attribute, to: str | None, without: str | None) -> LabelChange | None:
        """Reads `--to-label` and `--without`; None if neither is given.

        Raises:
            UsageError: No such label or finding, one that is both added and removed, or `--without` for single labels.
        """
        if to is None and without is None:
            return None
        if label.findings is None:
            if without is not None:
                hint = f"--to-label with another label: {', '.join(label.values[:8])}"
                raise UsageError(
                    f"--without {without}", "is for models whose label is a set of findings", hint
                )
            return cls(label, label.resolve(str(to)))
        added = _states(label.findings, "--to-label", to)
        removed = _states(label.findings, "--without", without)
        if without is not None and not (removed == PRESENT).any():
            names = ", ".join(label.findings.names)
            raise UsageError(f"--without {without}", "names no finding to remove", f"one of: {names}")
        for position in np.flatnonzero((added == PRESENT) & (removed == PRESENT)):
            name = label.findings.names[position]
            raise UsageError(f"--without {name}", "contradicts --to-label", "give one of the two")
        if to is not None and without is not None and not (added == PRESENT).any():
            raise UsageError(f"--to-label {to}", "removes every finding", "leave out --without")
        return cls(label, *("" if text is None else label.resolve(text) for text in (to, without)))

    @property
    def text(self) -> str:
        """The change in words."""
        if self.label.findings is None:
            return f"to {self.to}"
        words = [f"with {self.to}"] if self.to else []
        return " ".join([*words, *([f"without {self.without}"] if self.without else [])])

    def of(self, label: str) -> str:
        """What a label becomes, as the model spells it."""
        findings = self.label.findings
        if findings is None:
            return self.to
        states = findings.states(label)
        if self.to:
            added = findings.states(self.to) == PRESENT
            # None of them means none: all others go too.
            states = np.where(added, PRESENT, states if added.any() else ABSENT).astype(np.int8)
        if self.without:
            states = np.where(findings.states(self.without) == PRESENT, ABSENT, states).astype(np.int8)
        return findings.text(states)


def _states(findings: Findings, flag: str, text: str | None) -> np.ndarray:
    if text is None:
        return np.zeros(len(findings.names), np.int8)
    states = findings.states(text)
    if (states == UNKNOWN).any():
        raise UsageError(f"{flag} {text}", "expected findings, got an unknown one", "leave out the ?")
    return states


def change_contents(
    inference: Inference, contents: Contents, change: LabelChange
) -> tuple[Contents, list[str], list[str]]:
    """Moves contents to the regions of their changed labels.

    Returns:
        The contents, the label in whose region each was, and the label in whose region it is now. One whose label stays
        as it is is unchanged.
    """
    before = read_labels(inference, contents)
    after = [change.of(label) for label in before]
    (mean, deviation), (new_mean, new_deviation) = (
        _regions(inference, change.label, labels) for labels in (before, after)
    )
    standard = (contents - mean) / np.maximum(deviation, 1e-6)
    moved = (new_mean + standard * new_deviation).astype(np.float32)
    stays = np.array([one == other for one, other in zip(before, after, strict=True)])
    return np.where(stays[:, None], contents, moved), before, after


def read_labels(inference: Inference, contents: Contents) -> list[str]:
    """The label in whose region each content lies: that of the largest p(c|t), all labels being equally likely.

    Of up to ten findings all sets are compared. Of more, those of the training images are; then single findings are
    added or removed as long as p(c|t) becomes larger.
    """
    label = inference.header.schema.label
    findings = label.findings
    if findings is None:
        return _nearest(inference, label, contents, label.values)
    if len(findings.names) <= _MOST_IN_ALL_SETS:
        every = itertools.product((ABSENT, PRESENT), repeat=len(findings.names))
        sets = [findings.text(np.array(states, np.int8)) for states in every]
        return _nearest(inference, label, contents, sets)
    known = dict.fromkeys(
        findings.text(np.where(findings.states(text) == PRESENT, PRESENT, ABSENT).astype(np.int8))
        for text in (*findings.combinations, *findings.names, findings.none)
    )
    labels = _nearest(inference, label, contents, tuple(known))
    for row, content in enumerate(contents):
        best = labels[row]
        while True:
            states = findings.states(best)
            turned = [best]
            for position in range(len(states)):
                other = states.copy()
                other[position] = PRESENT - other[position]
                turned.append(findings.text(other))
            (nearest,) = _nearest(inference, label, content[None], turned)
            if nearest == best:
                break
            best = nearest
        labels[row] = best
    return labels


def _nearest(
    inference: Inference, label: Attribute, contents: Contents, candidates: Sequence[str]
) -> list[str]:
    """Of the candidates, the label with the largest density at each content; the first of equal ones."""
    mean, deviation = (one.astype(np.float64) for one in _regions(inference, label, candidates))
    deviation = np.maximum(deviation, 1e-6)
    found = []
    for content in contents:
        density = -0.5 * (((content - mean) / deviation) ** 2).sum(1) - np.log(deviation).sum(1)
        found.append(candidates[int(density.argmax())])
    return found


def _regions(inference: Inference, label: Attribute, labels: Sequence[str]) -> tuple[Contents, Contents]:
    """Mean and deviation of p(c|t) of labels, all other attributes missing."""
    conditions = inference.header.schema.encode([{label.name: one} for one in labels])
    shape = (len(labels), inference.header.architecture.content_dim)
    mean = inference.draw_content(conditions, np.zeros(shape, np.float32))
    return mean, inference.draw_content(conditions, np.ones(shape, np.float32)) - mean
