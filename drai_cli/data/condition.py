"""The condition schema: which attributes a model is conditioned on and how a row of a table becomes a vector.

Knows nothing of images, files or torch. Of the table it was made from, a schema holds only category names, means and
standard deviations.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from drai_cli.errors import InputError, UsageError

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "none", "null", "unknown", "missing"})

# Common names of the classes of well-known sets; used only for values that a set has.
KNOWN_ALIASES: dict[str, str] = {
    "melanoma": "mel",
    "nevus": "nv",
    "melanocytic nevus": "nv",
    "mole": "nv",
    "basal cell carcinoma": "bcc",
    "actinic keratosis": "akiec",
    "bowen disease": "akiec",
    "benign keratosis": "bkl",
    "seborrheic keratosis": "bkl",
    "dermatofibroma": "df",
    "vascular lesion": "vasc",
}


# The nearest name is looked for among so many, in so many letters: comparing takes time with each.
_MOST_COMPARED, _MOST_LETTERS = 1000, 100


def _fold(value: str) -> str:
    return value.strip().casefold().replace("_", " ")


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def is_missing(value: str | None) -> bool:
    """Whether a table cell holds no value."""
    return value is None or value.strip().lower() in MISSING_WORDS


@dataclass(frozen=True)
class Attribute:
    """A column that a model is conditioned on.

    Attributes:
        name: Column name, in the spelling of the data.
        kind: `categorical` (one-hot) or `continuous` (standardised).
        values: Category names in vector order; empty for a continuous attribute.
        aliases: Alternative names of categories, in lower case.
        mean: Mean over the training part (continuous only).
        deviation: Standard deviation over the training part (continuous only), > 0.
    """

    name: str
    kind: Literal["categorical", "continuous"]
    values: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def width(self) -> int:
        """Entries in the condition vector, including the missing flag, which is always the last."""
        return (len(self.values) if self.kind == "categorical" else 1) + 1

    def resolve(self, value: str) -> str:
        """Finds the spelling of the data for a value or an alias.

        Raises:
            UsageError: There is no such category; the hint lists all and names the nearest.
        """
        if self.kind == "continuous":
            self._number(value)
            return value
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
        if value in self._positions:
            return value
        folded = _fold(value)
        return self._folded.get(folded) or self.aliases.get(folded)

    def encode(self, value: str | None) -> np.ndarray:
        """Encodes one value as float32 `[width]`; a missing value is zeros with the flag set."""
        vector = np.zeros(self.width, np.float32)
        position, entry = self.entry(value)
        vector[position] = entry
        return vector

    def entry(self, value: str | None) -> tuple[int, float]:
        """Index and value of the single nonzero entry of a value's vector; raises as `resolve`."""
        if is_missing(value):
            return self.width - 1, 1.0
        if self.kind == "categorical":
            return self.position(str(value)), 1.0
        return 0, (self._number(str(value)) - self.mean) / self.deviation

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


@dataclass(frozen=True)
class ConditionSchema:
    """The attributes of a condition vector, the label first.

    Shapes: a condition is float32 `[T]` with `T = dim`.
    """

    attributes: tuple[Attribute, ...]

    @property
    def label(self) -> Attribute:
        return self.attributes[0]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.label.values

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def dim(self) -> int:
        return sum(attribute.width for attribute in self.attributes)

    def slices(self) -> tuple[slice, ...]:
        """The slice of the vector for each attribute."""
        ends = np.cumsum([attribute.width for attribute in self.attributes]).tolist()
        return tuple(slice(end - a.width, end) for a, end in zip(self.attributes, ends, strict=True))

    def attribute(self, name: str) -> Attribute:
        """Finds an attribute by name.

        Raises:
            UsageError: The model has no such attribute.
        """
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        near = difflib.get_close_matches(name, self.names, n=1)
        nearest = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(name, "no such attribute in this model", f"{nearest}it has: {', '.join(self.names)}")

    def encode(self, rows: Sequence[Mapping[str, str]]) -> np.ndarray:
        """Encodes rows of attribute values (absent or empty = missing) as float32 `[N, T]`."""
        # With thousands of classes nearly all entries are zeros, which take no memory until they are written.
        out = np.zeros((len(rows), self.dim), np.float32)
        for attribute, place in zip(self.attributes, self.slices(), strict=True):
            for number, row in enumerate(rows):
                position, value = attribute.entry(row.get(attribute.name))
                out[number, place.start + position] = value
        return out

    def label_indices(self, rows: Sequence[Mapping[str, str]]) -> np.ndarray:
        """Index of each row's label in `labels`, int64 `[N]`."""
        return np.array([self.label.position(row[self.label.name]) for row in rows], np.int64)

    def to_json(self) -> list[dict[str, Any]]:
        """Converts to plain data for a header; `from_json` reads it back."""
        out: list[dict[str, Any]] = []
        for a in self.attributes:
            if a.kind == "categorical":
                out.append(
                    {"name": a.name, "kind": a.kind, "values": list(a.values), "aliases": dict(a.aliases)}
                )
            else:
                out.append({"name": a.name, "kind": a.kind, "mean": a.mean, "deviation": a.deviation})
        return out

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> ConditionSchema:
        """Reads the data of `to_json`; raises ValueError, KeyError or TypeError on anything else."""
        attributes = []
        for entry in data:
            if entry["kind"] == "categorical":
                values = tuple(str(value) for value in entry["values"])
                aliases = {str(k): str(v) for k, v in dict(entry.get("aliases", {})).items()}
                if not values or len(set(values)) != len(values) or not set(aliases.values()) <= set(values):
                    raise ValueError(f"attribute {entry['name']!r}: values or aliases do not agree")
                attributes.append(Attribute(str(entry["name"]), "categorical", values, aliases))
            elif entry["kind"] == "continuous":
                mean, deviation = float(entry["mean"]), float(entry["deviation"])
                if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
                    raise ValueError(f"attribute {entry['name']!r}: mean or deviation is not usable")
                attributes.append(Attribute(str(entry["name"]), "continuous", mean=mean, deviation=deviation))
            else:
                raise ValueError(f"attribute kind {entry['kind']!r}")
        if not attributes or attributes[0].kind != "categorical":
            raise ValueError("the first attribute, the label, has to be categorical")
        return cls(tuple(attributes))

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Mapping[str, str]],
        label: str,
        conditions: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> ConditionSchema:
        """Makes the schema of a training table.

        Args:
            rows: Attribute values by column, only of the training part. Every row has a label.
            label: The label's column.
            conditions: Further columns. One is continuous if every value present is a number and there are more than
                twelve different ones or any with a fraction; else categorical.
            aliases: Further names for labels, alias to value.

        Raises:
            InputError: A column has no value at all.
        """
        attributes = []
        for name in (label, *conditions):
            present = [row[name].strip() for row in rows if not is_missing(row.get(name))]
            if not present:
                raise InputError(
                    f"column {name!r}", "no row has a value", "leave it out, or name another column"
                )
            numbers = None if name == label else as_numbers(present)
            if numbers is not None:
                attributes.append(
                    Attribute(
                        name, "continuous", mean=float(numbers.mean()), deviation=float(numbers.std()) or 1.0
                    )
                )
            else:
                values = tuple(sorted(set(present)))
                known = KNOWN_ALIASES if name == label else {}
                named = {**known, **(aliases or {} if name == label else {})}
                taken = {alias.casefold(): value for alias, value in named.items() if value in values}
                attributes.append(Attribute(name, "categorical", values, taken))
        return cls(tuple(attributes))


def as_numbers(values: Sequence[str]) -> np.ndarray | None:
    """Converts values to float64 `[N]` if the column is continuous, else to None: see `ConditionSchema.from_rows`."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    if not np.isfinite(numbers).all():
        return None
    distinct = np.unique(numbers)
    return numbers if len(distinct) > 12 or (distinct != np.round(distinct)).any() else None
