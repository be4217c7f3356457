"""One attribute of a condition: a label, or another column that a model is conditioned on, as part of a vector.

Knows nothing of images, files or torch.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from drai_cli.conditions.findings import UNKNOWN, Findings
from drai_cli.errors import UsageError

MISSING_WORDS = frozenset(
    {"", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "none", "null", "unknown", "missing", "?", "--"}
)


# The nearest name is looked for among so many, in so many letters: comparing takes time with each.
_MOST_COMPARED, _MOST_LETTERS = 1000, 100


def _fold(value: str) -> str:
    return unicodedata.normalize("NFC", value.strip()).casefold().replace("_", " ")


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def is_missing(value: str | None) -> bool:
    """Whether a table cell holds no value."""
    return value is None or value.strip().lower() in MISSING_WORDS


@dataclass(frozen=True)
class Slot:
    """A part of the condition vector that is known or missing as a whole: values, and last the missing flag.

    Attributes:
        place: Its columns.
        kind: What its values are: one-hot categories, one standardised number, or 1 for a finding that is present.
        may_be_missing: Whether training makes it missing at random.
    """

    place: slice
    kind: Literal["category", "number", "finding"]
    may_be_missing: bool


@dataclass(frozen=True)
class Attribute:
    """A column that a model is conditioned on.

    Attributes:
        name: Column name, in the spelling of the data.
        kind: `categorical` (one-hot), `continuous` (standardised) or `findings` (a set of names).
        values: Category or finding names in vector order; empty for a continuous attribute.
        aliases: Alternative names of categories, in lower case.
        mean: Mean over the training part (continuous only).
        deviation: Standard deviation over the training part (continuous only), > 0.
        findings: What sets of names there are (findings only).
    """

    name: str
    kind: Literal["categorical", "continuous", "findings"]
    values: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    mean: float = 0.0
    deviation: float = 1.0
    findings: Findings | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Entries in the condition vector of each of its slots, the missing flag of each, its last, included."""
        if self.findings is not None:
            return (2,) * len(self.values)
        return ((len(self.values) if self.kind == "categorical" else 1) + 1,)

    @property
    def width(self) -> int:
        """Entries in the condition vector."""
        return sum(self.widths)

    def resolve(self, value: str) -> str:
        """Finds the spelling of the data for a value or an alias; a set of findings in the one order.

        Raises:
            UsageError: There is no such category; the hint lists all and names the nearest.
        """
        if self.kind == "continuous":
            self._number(value)
            return value
        if self.findings is not None:
            return self.findings.text(self.findings.states(value))
        category = self.find(value)
        if category is not None:
            return category
        names = [*self._folded, *self.aliases][:_MOST_COMPARED]
        near = difflib.get_close_matches(_fold(value)[:_MOST_LETTERS], names, n=1, cutoff=0.5)
        nearest = f"did you mean {near[0]!r}? " if near else ""
        shown = ", ".join(self.values[:40]) + (", …" if len(self.values) > 40 else "")
        raise UsageError(
            f"{self.name} {value!r}",
            "no such value in this model",
            f"{nearest}{self.name} is one of: {shown}",
        )

    def find(self, value: str) -> str | None:
        """As `resolve`, but None for what is no value of the attribute: for tables, where that is no error."""
        if self.kind == "continuous":
            return value if _is_number(value) else None
        if self.findings is not None:
            return self.findings.find(value)
        if value in self._positions:
            return value
        folded = _fold(value)
        return self._folded.get(folded) or self.aliases.get(folded)

    def encode(self, value: str | None) -> np.ndarray:
        """Encodes one value as float32 `[width]`; a missing value is zeros with the flag set. Raises as `resolve`."""
        vector = np.zeros(self.width, np.float32)
        for position, entry in self.entries(value):
            vector[position] = entry
        return vector

    def entries(self, value: str | None) -> list[tuple[int, float]]:
        """Index and value of the nonzero entries of a value's vector; raises as `resolve`."""
        if self.findings is not None:
            states = [UNKNOWN] * len(self.values) if is_missing(value) else self.findings.states(str(value))
            nonzero = [(2 * row + (state == UNKNOWN), 1.0) for row, state in enumerate(states) if state]
            return nonzero
        if is_missing(value) and value not in self.values:  # a set may keep "unknown" as a class
            return [(self.width - 1, 1.0)]
        if self.kind == "categorical":
            return [(self.position(str(value)), 1.0)]
        return [(0, (self._number(str(value)) - self.mean) / self.deviation)]

    def position(self, value: str) -> int:
        """Index of a category in the vector; raises as `resolve`."""
        return self._positions[self.resolve(value)]

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Index of each category; a dictionary, since there may be thousands."""
        return {value: position for position, value in enumerate(self.values)}

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {_fold(value): value for value in self.values}

    def _number(self, value: str) -> float:
        if not _is_number(value):
            raise UsageError(
                f"{self.name} {value!r}", "expected a finite number", f"for example {self.mean:g}"
            )
        return float(value)
