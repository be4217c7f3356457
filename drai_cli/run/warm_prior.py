"""What a content prior takes of another model's where the conditions of the two differ. Knows no other network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model.content_prior import ContentPrior

Columns = Float[Tensor, "hidden entries"]


@dataclass(frozen=True)
class Matched:
    """What both conditions have.

    Attributes:
        labels: Labels of the new model that the other knows, in the new model's words.
        new_labels: Its other labels.
        attributes: Further attributes that both have.
        new_attributes: Those that only the new model has.
        is_same: Whether the conditions are the same in everything.
    """

    labels: tuple[str, ...]
    new_labels: tuple[str, ...]
    attributes: tuple[str, ...]
    new_attributes: tuple[str, ...]
    is_same: bool


def match_conditions(own: ConditionSchema, source: ConditionSchema) -> Matched:
    """Compares two conditions. The label's column may have any name; further columns match by name."""
    labels = tuple(name for name in own.labels if _place(own.label, name, source.label) is not None)
    found = tuple(a.name for a in own.attributes[1:] if _counterpart(a, own, source) is not None)
    return Matched(
        labels,
        tuple(name for name in own.labels if name not in labels),
        found,
        tuple(a.name for a in own.attributes[1:] if a.name not in found),
        _read(own) == _read(source),
    )


@torch.no_grad()
def take_prior(
    prior: ContentPrior, own: ConditionSchema, taken: ContentPrior, source: ConditionSchema
) -> None:
    """Gives `prior` the weights of `taken`, so that what both conditions can say means the same to both.

    Entries of the condition move to their new places; numbers that are standardised in another way are rescaled; what
    only `source` has counts as missing. A new label begins as the mean of the known ones plus its own random weights; a
    new attribute begins without influence.
    """
    prior.layers[1:].load_state_dict(taken.layers[1:].state_dict())
    first, theirs = cast(nn.Linear, prior.layers[0]), cast(nn.Linear, taken.layers[0])
    old, bias, fresh = theirs.weight, theirs.bias.clone(), first.weight.clone()
    weight = torch.zeros_like(first.weight)
    used: set[str] = set()
    for attribute, place in zip(own.attributes, own.slices(), strict=True):
        other = source.label if attribute is own.label else _counterpart(attribute, own, source)
        if other is None:
            continue
        used.add(other.name)
        columns, shift = _move(attribute, other, old[:, _slice_of(source, other)], fresh[:, place])
        weight[:, place] = columns
        bias += shift
    for other, place in zip(source.attributes, source.slices(), strict=True):
        if other.name not in used:
            bias += old[:, _missing_flags(other, place.start)].sum(1)
    first.weight.copy_(weight)
    first.bias.copy_(bias)


def _move(own: Attribute, source: Attribute, old: Columns, fresh: Columns) -> tuple[Columns, Tensor]:
    """The columns of one attribute, and what is added to the bias."""
    columns, bias = torch.zeros_like(fresh), torch.zeros_like(old[:, 0])
    if own.kind == "continuous":
        # (x - m) / d in the source's m and d, from the same in one's own; a missing value must not be shifted.
        bias = old[:, 0] * (own.mean - source.mean) / source.deviation
        columns[:, 0] = old[:, 0] * own.deviation / source.deviation
        columns[:, 1] = old[:, 1] - bias
        return columns, bias
    places = [_place(own, value, source) for value in own.values]
    if own.kind == "findings":
        for row, place in enumerate(places):
            if place is not None:
                columns[:, 2 * row : 2 * row + 2] = old[:, 2 * place : 2 * place + 2]
        gone = [2 * row + 1 for row in range(len(source.values)) if row not in places]
        return columns, old[:, gone].sum(1)
    known = [place for place in places if place is not None]
    mean = old[:, known].mean(1) if known else torch.zeros_like(bias)
    for row, place in enumerate(places):
        columns[:, row] = mean + fresh[:, row] if place is None else old[:, place]
    columns[:, -1] = old[:, -1]
    return columns, bias


def _place(own: Attribute, value: str, source: Attribute) -> int | None:
    """Where the source has a value, by its name, an alias of either, or the same name in other letters."""
    if own.kind != source.kind:
        return None
    names = [value, *(alias for alias, of in own.aliases.items() if of == value)]
    if source.findings is not None:
        folded = [known.casefold() for known in source.values]
        return next((folded.index(name.casefold()) for name in names if name.casefold() in folded), None)
    found = next((known for name in names if (known := source.find(name)) is not None), None)
    return None if found is None else source.position(found)


def _counterpart(attribute: Attribute, own: ConditionSchema, source: ConditionSchema) -> Attribute | None:
    """The source's attribute of the same name and kind; categories need a value in common."""
    for other in source.attributes[1:]:
        if other.name.casefold() == attribute.name.casefold() and other.kind == attribute.kind:
            is_number = attribute.kind == "continuous"
            is_shared = any(_place(attribute, value, other) is not None for value in attribute.values)
            return other if is_number or is_shared else None
    return None


def _slice_of(schema: ConditionSchema, attribute: Attribute) -> slice:
    return schema.slices()[schema.attributes.index(attribute)]


def _missing_flags(attribute: Attribute, start: int) -> list[int]:
    """The columns that say that the attribute is missing."""
    return [start + end - 1 for end in _ends(attribute.widths)]


def _ends(widths: Sequence[int]) -> list[int]:
    return [sum(widths[: number + 1]) for number in range(len(widths))]


def _read(schema: ConditionSchema) -> list[tuple[object, ...]]:
    """What decides the meaning of a vector. Aliases do not count."""
    return [(x.name, x.kind, x.values, x.mean, x.deviation) for x in schema.attributes]
