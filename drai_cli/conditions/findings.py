"""Sets of findings as text and as states: each finding of an image is present, absent or unknown.

As text, the names of the findings that are present are joined by `|`; an unknown one has a `?` after its name; all
others are absent: `Effusion|Mass`, `Edema?|Mass`. An image without any has a word of its own, such as `No Finding`.
Knows nothing of tables, images or vectors.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Int8

from drai_cli.errors import UsageError

ABSENT, PRESENT, UNKNOWN = 0, 1, -1
SEPARATOR, UNKNOWN_MARK = "|", "?"
NONE = "No Finding"
MAX_FINDINGS = 200
_MOST_LETTERS = 100  # of a name that others are compared with

States = Int8[np.ndarray, " findings"]


@dataclass(frozen=True)
class Findings:
    """The findings that a set of images can have.

    Attributes:
        names: In the order of vectors; none holds `|` or ends with `?`.
        none: What an image is called that has none of them.
        combinations: How many training images show each set of findings, by its text; empty where that is not known.
    """

    names: tuple[str, ...]
    none: str = NONE
    combinations: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (*self.names, self.none)
        if not self.names or len({_fold(name) for name in names}) != len(names) or not all(names):
            raise ValueError("expected different names of findings, and another one for none of them")
        if any(SEPARATOR in name or name.endswith(UNKNOWN_MARK) for name in names):
            raise ValueError(f"a finding's name holds {SEPARATOR!r} or ends with {UNKNOWN_MARK!r}")

    def states(self, text: str) -> States:
        """The states that a text means: 1 present, 0 absent, -1 unknown. Upper and lower case and `_` do not matter.

        Raises:
            UsageError: It names something that is no finding; the hint names the nearest.
        """
        out = np.zeros(len(self.names), np.int8)
        for name, state in self._named(text):
            position = self._positions.get(_fold(name))
            if position is None:
                raise self._unknown(name, text)
            out[position] = state
        return out

    def find(self, text: str) -> str | None:
        """The one text of what a text means; None where it names something that is no finding."""
        out = np.zeros(len(self.names), np.int8)
        for name, state in self._named(text):
            position = self._positions.get(_fold(name))
            if position is None:
                return None
            out[position] = state
        return self.text(out)

    def list_present(self, text: str) -> tuple[str, ...]:
        """The names of the findings that are present; raises as `states`."""
        states = self.states(text).tolist()
        return tuple(name for name, state in zip(self.names, states, strict=True) if state == PRESENT)

    def text(self, states: States) -> str:
        """The one text of these states: `states` reads it back."""
        named = [
            name if state == PRESENT else name + UNKNOWN_MARK
            for name, state in zip(self.names, states.tolist(), strict=True)
            if state != ABSENT
        ]
        return SEPARATOR.join(named) or self.none

    def rarest(self, states: Sequence[States], among: Sequence[States] | None = None) -> np.ndarray:
        """The rarest finding that each image shows, int64 `[N]`; `len(names)` for an image that shows none.

        Args:
            states: Of the images.
            among: States of the images that the findings are counted in; None: the same images.
        """
        table, counted = (self._present(states), self._present(states if among is None else among))
        counts = np.where(table, counted.sum(0), len(counted) + 1)
        return np.where(table.any(1), counts.argmin(1), len(self.names)).astype(np.int64)

    def _present(self, states: Sequence[States]) -> np.ndarray:
        return np.stack([*states]) == PRESENT if len(states) else np.zeros((0, len(self.names)), bool)

    def _named(self, text: str) -> list[tuple[str, int]]:
        """The names in a text, each with its state; none for the word for none of them."""
        parts = [part.strip() for part in text.split(SEPARATOR)]
        if [_fold(part) for part in parts] == [_fold(self.none)]:
            return []
        names = [(part.removesuffix(UNKNOWN_MARK), part) for part in parts]
        return [(name, PRESENT if name == part else UNKNOWN) for name, part in names]

    def _unknown(self, name: str, text: str) -> UsageError:
        """The error for a name that is no finding."""
        if _fold(name) == _fold(self.none):
            return UsageError(repr(text), f"{self.none!r} contradicts the other findings", "give it alone")
        folded = _fold(name)[:_MOST_LETTERS]
        near = difflib.get_close_matches(folded, list(self._positions), n=2, cutoff=0.5)
        nearest = " or ".join(repr(self.names[self._positions[one]]) for one in near)
        return UsageError(
            repr(text),
            f"no finding of this model is called {name!r}",
            (f"did you mean {nearest}? " if near else "")
            + f"findings are: {', '.join(self.names)}; {self.none!r} means none of them",
        )

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {_fold(name): position for position, name in enumerate(self.names)}


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold().replace("_", " ")
