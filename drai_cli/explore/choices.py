"""What a visitor of the page chooses, checked: label, attributes, seed, truncation, sliders. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.conditions.attribute import is_missing
from drai_cli.conditions.findings import UNKNOWN_MARK
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import UsageError
from drai_cli.explore.directions import CODES, REACH, Code, Direction
from drai_cli.model_file.header import ModelHeader
from drai_cli.sampling.conditions import parse_attributes
from drai_cli.sampling.move import Move, spell
from drai_cli.sampling.plan import Item
from drai_cli.settings.image_options import SampleOptions
from drai_cli.settings.spelling import join_words, spell_options

MOST_IN_GRID = 48
MOST_KEPT = 100_000
MOST_TRUNCATION = 2.0
_MOST_SETS = 20
_MOST_SEED = 2**53 - 1  # JavaScript's largest whole number


@dataclass(frozen=True)
class Choice:
    """One state of the page's controls.

    Attributes:
        label: Label of the images; empty: every label in turn.
        attributes: Values of further attributes; those left out are missing.
        seed: Random seed.
        truncation: Scale of both codes' deviations.
        first: Index of the first image.
        count: Number of images.
        amounts: For each code the positions of its sliders, in standard deviations.
    """

    label: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    truncation: float = 1.0
    first: int = 0
    count: int = 12
    amounts: Mapping[Code, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Any, schema: ConditionSchema) -> Choice:
        """Reads what the page sends.

        Raises:
            UsageError: A value of another type, out of range, or unknown to the model.
        """
        if not isinstance(data, Mapping):
            raise UsageError("request", "expected an object")
        label = text_of(data, "label")
        given = data.get("attributes", {})
        if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
            raise UsageError("attributes", "expected names with texts")
        settings = [f"{name}={value}" for name, value in given.items() if not is_missing(value)]
        attributes = parse_attributes(settings, schema)
        attributes.pop(schema.label.name, None)
        moves = data.get("amounts", {})
        if not isinstance(moves, Mapping):
            raise UsageError("amounts", "expected lists of numbers")
        return cls(
            label=schema.label.resolve(label) if label else "",
            attributes=attributes,
            seed=int_of(data, "seed", 0, _MOST_SEED),
            truncation=number_of(data, "truncation", 1.0, 0, MOST_TRUNCATION),
            first=int_of(data, "first", 0, 10**9),
            count=int_of(data, "count", 12, MOST_IN_GRID, low=1),
            amounts={code: _amounts(moves.get(code, [])) for code in CODES},
        )

    def items(self, schema: ConditionSchema) -> list[Item]:
        """The images, as `sample` counts them: without a label, every label in turn."""
        if self.label:
            condition = {schema.label.name: self.label, **self.attributes}
            return [Item(self.label, condition, self.first + index) for index in range(self.count)]
        conditions = {
            label: {schema.label.name: label, **self.attributes}
            for label in labels_in_turn(schema)[: self.count]
        }
        names = list(conditions)
        return [
            Item(name, conditions[name], self.first + index // len(names))
            for index in range(self.count)
            for name in (names[index % len(names)],)
        ]

    def moves(self, directions: Sequence[Direction], header: ModelHeader) -> tuple[str, str]:
        """What the sliders add to content and style, as `--move-content` and `--move-style` take it."""
        shape = header.architecture
        added = {"content": np.zeros(shape.content_dim), "style": np.zeros(shape.style_dim)}
        for code in CODES:
            own = [direction for direction in directions if direction.code == code]
            for direction, amount in zip(own, self.amounts.get(code, ()), strict=False):
                added[code] += amount * direction.vector
        return spell(added["content"]), spell(added["style"])

    def move(self, directions: Sequence[Direction], header: ModelHeader) -> Move | None:
        """The same as a move; None if no slider is off its middle. Rounded, as the command has it."""
        return Move.parse(*self.moves(directions, header), header)

    def sample_options(
        self, directions: Sequence[Direction], header: ModelHeader, out: Path, count: int, **more: Any
    ) -> SampleOptions:
        """The options of the `sample` that makes such images: `count` of the label, or of each label."""
        move_content, move_style = self.moves(directions, header)
        of_each, has_findings = None if self.label else count, header.schema.label.findings is not None
        return SampleOptions(
            out=out,
            label=self.label or None,
            count=count if self.label else None,
            per_class=None if has_findings else of_each,
            per_finding=of_each if has_findings else None,
            attributes=tuple(f"{name}={value}" for name, value in self.attributes.items()),
            truncation=self.truncation,
            move_content=move_content,
            move_style=move_style,
            seed=self.seed,
            **more,
        )


def labels_in_turn(schema: ConditionSchema) -> tuple[str, ...]:
    """The labels that are shown in turn if none is chosen; of sets of findings each finding alone, and none of them."""
    findings = schema.label.findings
    return schema.labels if findings is None else (*findings.names, findings.none)


def labels_to_choose(schema: ConditionSchema) -> tuple[str, ...]:
    """The labels that a visitor can choose; of sets of findings also those that most training images show together."""
    findings = schema.label.findings
    in_turn = labels_in_turn(schema)
    if findings is None:
        return in_turn
    several = {text: n for text, n in findings.combinations.items() if len(findings.list_present(text)) > 1}
    frequent = sorted(several, key=lambda text: (-several[text], text))[:_MOST_SETS]
    return (
        *in_turn,
        *(findings.text(findings.states(text)) for text in frequent if UNKNOWN_MARK not in text),
    )


def spell_sample(options: SampleOptions) -> str:
    """The command line of these options."""
    return join_words(["drai", "sample", *spell_options(options)])


def text_of(data: Mapping[str, Any], name: str, most: int = 1000) -> str:
    """A text of a request, empty if it is absent; raises UsageError."""
    value = data.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise UsageError(name, f"expected a text of at most {most} characters")
    return value


def int_of(data: Mapping[str, Any], name: str, default: int, most: int, low: int = 0) -> int:
    """A whole number of a request; raises UsageError."""
    value = data.get(name, default)
    if type(value) is not int or not low <= value <= most:
        raise UsageError(name, f"expected a whole number from {low} to {most}, got {str(value)[:40]}")
    return value


def number_of(data: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number of a request; raises UsageError."""
    value = data.get(name, default)
    if type(value) not in (int, float) or not low <= value <= high:
        raise UsageError(name, f"expected a number from {low:g} to {high:g}, got {str(value)[:40]}")
    return float(value)


def vector_of(data: Mapping[str, Any], name: str, dim: int) -> np.ndarray:
    """A code of a request, float32 `[1, dim]`; raises UsageError."""
    value = data.get(name)
    if not isinstance(value, list) or len(value) != dim or not all(map(_is_number, value)):
        raise UsageError(name, f"expected {dim} numbers")
    return np.array([value], np.float32)


def _amounts(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) > 64 or not all(map(_is_number, values)):
        raise UsageError("amounts", "expected lists of numbers")
    if any(abs(value) > REACH for value in values):
        raise UsageError("amounts", f"expected numbers from -{REACH:g} to {REACH:g}")
    return tuple(float(value) for value in values)


def _is_number(value: Any) -> bool:
    return (
        type(value) in (int, float) and abs(value) < 1e6
    )  # of a NaN it is false, and no number is too long for it
