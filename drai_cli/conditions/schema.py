"""The condition schema: which attributes a model is conditioned on and how a row of a table becomes a vector.

Knows nothing of images, files or torch. Of the table it was made from, a schema holds only category names, means and
standard deviations.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from drai_cli.conditions.attribute import Attribute, Slot, is_missing
from drai_cli.conditions.findings import Findings
from drai_cli.errors import InputError, UsageError

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
    def is_of_skin(self) -> bool:
        """Whether a label is one of the skin lesions of `KNOWN_ALIASES`: only then is the background called skin."""
        known = {*KNOWN_ALIASES, *KNOWN_ALIASES.values()}
        return any(label.lower() in known for label in self.labels)

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

    def slots(self) -> tuple[Slot, ...]:
        """The parts of the vector that are known or missing by themselves: of findings one each, else attributes.

        The label is always known, where it is a category; a finding may be missing.
        """
        kinds: dict[str, Literal["category", "number", "finding"]] = {
            "categorical": "category", "continuous": "number", "findings": "finding",
        }  # fmt: skip
        slots, start = list[Slot](), 0
        for attribute in self.attributes:
            for width in attribute.widths:
                may_be_missing = attribute is not self.label or attribute.kind == "findings"
                slots.append(Slot(slice(start, start + width), kinds[attribute.kind], may_be_missing))
                start += width
        return tuple(slots)

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
                for position, value in attribute.entries(row.get(attribute.name)):
                    out[number, place.start + position] = value
        return out

    def label_indices(self, rows: Sequence[Mapping[str, str]]) -> np.ndarray:
        """Index of each row's label in `labels`, int64 `[N]`.

        Where the label is a set of findings, it is the index of the rarest, or `len(labels)` for none.
        """
        if self.label.findings is not None:
            return self.label.findings.rarest(list(self.finding_states(rows)))
        return np.array([self.label.position(row[self.label.name]) for row in rows], np.int64)

    def finding_states(self, rows: Sequence[Mapping[str, str]]) -> np.ndarray:
        """States of the findings of a label that is a set of them, int8 `[N, findings]`: see `Findings.states`."""
        assert self.label.findings is not None
        known = {text: self.label.findings.states(text) for text in {row[self.label.name] for row in rows}}
        states = [known[row[self.label.name]] for row in rows]
        return np.stack(states) if states else np.zeros((0, len(self.labels)), np.int8)

    def to_json(self) -> list[dict[str, Any]]:
        """Converts to plain data for a header; `from_json` reads it back."""
        out: list[dict[str, Any]] = []
        for a in self.attributes:
            if a.kind == "categorical":
                out.append(
                    {"name": a.name, "kind": a.kind, "values": list(a.values), "aliases": dict(a.aliases)}
                )
            elif a.findings is not None:
                out.append(
                    {
                        "name": a.name,
                        "kind": a.kind,
                        "values": list(a.values),
                        "none": a.findings.none,
                        "combinations": dict(a.findings.combinations),
                    }
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
            elif entry["kind"] == "findings":
                names = tuple(str(value) for value in entry["values"])
                counts = {str(text): int(count) for text, count in dict(entry["combinations"]).items()}
                found = Findings(names, str(entry["none"]), counts)
                attributes.append(Attribute(str(entry["name"]), "findings", names, findings=found))
            else:
                raise ValueError(f"attribute kind {entry['kind']!r}")
        if not attributes or attributes[0].kind == "continuous":
            raise ValueError("the first attribute, the label, has to be categorical or findings")
        return cls(tuple(attributes))

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Mapping[str, str]],
        label: str,
        conditions: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
        findings: Findings | None = None,
        missing: Sequence[str] = (),
    ) -> ConditionSchema:
        """Makes the schema of a training table.

        Args:
            rows: Attribute values by column, only of the training part. Every row has a label.
            label: The label's column.
            conditions: Further columns. One is continuous if every value present is a number and there are more than
                twelve different ones or any with a fraction; else categorical.
            aliases: Further names for labels, alias to value.
            findings: Where the label is a set of findings: which there are. How often each set occurs is counted.
            missing: Words that mean a missing value instead of the usual ones; rows have empty values for these.

        Raises:
            InputError: A column has no value at all.
        """
        attributes = []
        for name in (label, *conditions):
            if name == label and findings is not None:
                counts = Counter(findings.text(findings.states(row[name])) for row in rows)
                counted = Findings(findings.names, findings.none, dict(sorted(counts.items())))
                attributes.append(Attribute(name, "findings", findings.names, findings=counted))
                continue
            present = [
                row[name].strip()
                for row in rows
                if not (is_missing(row.get(name)) and not (missing and row.get(name)))
            ]
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
