"""The real images that an evaluation stands on, and which of them were trained on.

A generator is never measured on what it was trained on: where an image stands on both sides, nothing is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64, Integer

from drai_cli.data.condition import ConditionSchema
from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.data.reading import list_first
from drai_cli.errors import InputError, UsageError
from drai_cli.evaluation.data_options import (
    data_options,
    has_images,
    saying_whose,
    training_options,
)
from drai_cli.evaluation.factor_table import read_factors
from drai_cli.evaluation.split import how_apart, split_cautions
from drai_cli.evaluation.subject import Subject
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.progress import Reporter
from drai_cli.run.model_header import known_set
from drai_cli.settings.model_options import EvaluateOptions

Images = Integer[np.ndarray, "n h w c"]

NO_TRAINING_DATA = (
    "what the generator was trained on is not known: name it with --train-data, or a run's --split"
)


@dataclass(frozen=True)
class EvaluationSet:
    """Real images in three parts, row by row, as the measures take them.

    Attributes:
        images: uint8 or uint16.
        labels: Positions in `schema.labels`.
        parts: `train`, the part that is looked at, and `validation`, unless that is looked at too.
        groups: Lesion, patient or image.
        split: How the part that is looked at was kept apart from the others, in a few words.
        cautions: What of that flatters every measure.
        conditions: Condition vectors.
        schema: The model's, or that of the data where there is no model.
        kind: Of the data set.
        symmetry: Under which mirrorings and turns its images stay real, as known.
        is_training_known: Whether the training part is what the generator was trained on.
        factors: True style factors by name, where known (phantoms).
        training_key: Changes with what a judge is trained on or chosen by: images, parts, labels, symmetry; not
            groups, not what else an image is conditioned on.
        key: Changes with anything above.
    """

    images: Images
    labels: Int64[np.ndarray, " n"]
    parts: np.ndarray
    groups: np.ndarray
    conditions: Float32[np.ndarray, "n condition"]
    schema: ConditionSchema
    kind: str
    symmetry: Symmetry
    is_training_known: bool
    factors: dict[str, np.ndarray] | None
    split: str
    cautions: tuple[str, ...]
    training_key: str
    key: str


def evaluation_set(options: EvaluateOptions, subject: Subject, reporter: Reporter) -> EvaluationSet:
    """The real images, with the part that is looked at.

    The split is `--split`, else the run's own. Without one, `--train-data` is the training part and all of DATA is
    looked at; without that, DATA is split by group for the judge, and `is_training_known` is False.

    Raises:
        InputError: The data cannot be used, or images that are looked at were trained on.
        UsageError: Options that contradict each other.
    """
    data = data_options(options, subject, reporter)
    split = options.split or (
        subject.run.split if subject.run is not None and has_images(subject.run, data) else None
    )
    if split is not None and options.train_data is not None:
        raise UsageError("--train-data", "contradicts a split", "leave one of the two out")
    seen = subject.run.read_seen() if subject.run is not None else None
    real = prepare(data, seed=options.seed, split_file=split, reporter=reporter)
    schema = subject.model.header.schema if subject.model is not None else real.schema
    parts = real.parts.astype("<U10")
    is_known = split is not None
    sets = [real]
    if split is None and (options.train_data is not None or seen is not None):
        trained_on = training_options(options, subject, data)
        if trained_on is not None:
            split_file = subject.run.split if options.train_data is None and subject.run is not None else None
            with saying_whose(options, subject):
                training = prepare(trained_on, seed=options.seed, split_file=split_file, reporter=reporter)
            own = np.where(training.parts == "validation", "validation", "train")
            if split_file is not None:  # what the run held out is no part of either side
                training, own = _only(training, training.parts != "test")
            parts = np.concatenate([np.full(len(parts), options.part), own])
            sets.append(training)
            is_known = True
    if options.part == "held-out":
        if split is None:
            raise UsageError(
                "--part held-out", "there is no split to take it of", "name a run's split.csv with --split"
            )
        parts[parts != "train"] = options.part
    digests = [digest for one in sets for digest in one.digests]
    how = how_apart(sets, options.split is not None)
    cautions = split_cautions(sets, parts, options.part, how)
    _refuse_leaks(sets, digests, parts, options.part, seen if split is None else None)
    # Whatever the data calls its label, the model knows it by its own name.
    rows = [
        {**entry.values, schema.label.name: entry.values[one.schema.label.name]}
        for one in sets
        for entry in one.entries
    ]
    if subject.model is not None:
        _check_labels(options, rows, schema)
    kept = known_labels(rows, schema, reporter)
    images = sets[0].images if len(sets) == 1 else np.concatenate([one.images for one in sets])
    factors = read_factors(data.path / "metadata.csv", real) if len(sets) == 1 else None
    if len(kept) < len(rows):
        images, parts, rows = images[kept], parts[kept], [rows[row] for row in kept]
        factors = factors and {name: values[kept] for name, values in factors.items()}
    groups = np.array([entry.group for one in sets for entry in one.entries])[kept]
    labels = schema.label_indices(rows)
    _check_part(options, labels, parts)
    label = ConditionSchema((schema.label,))
    symmetry = _symmetry(subject, real)
    training_key = _hash([*(one.cache_key for one in sets), *parts.tolist(), str(label.to_json()), symmetry])
    return EvaluationSet(
        images, labels, parts, groups, schema.encode(_encodable(rows, schema)), schema,
        str(real.summary["kind"]), symmetry, is_known, factors, how, cautions, training_key,
        _hash([training_key, str(schema.to_json()), *groups.tolist()]),
    )  # fmt: skip


def _hash(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()


def _only(data: PreparedSet, chosen: np.ndarray) -> tuple[PreparedSet, np.ndarray]:
    """Some rows of a set, and their parts."""
    rows = np.flatnonzero(chosen)
    kept = replace(
        data,
        images=data.images[rows],
        entries=tuple(data.entries[row] for row in rows),
        parts=data.parts[rows],
        conditions=data.conditions[rows],
        labels=data.labels[rows],
        digests=tuple(data.digests[row] for row in rows),
    )
    return kept, np.asarray(kept.parts)


def _refuse_leaks(
    sets: Sequence[PreparedSet],
    digests: Sequence[str],
    parts: np.ndarray,
    part: str,
    seen: Collection[str] | None,
) -> None:
    """Stops where an image that is looked at is, pixel by pixel, one that was trained on.

    Raises:
        InputError: Naming the first ones.
    """
    trained = {digest for digest, its in zip(digests, parts, strict=True) if its != part} | set(seen or ())
    names = [entry.name for one in sets for entry in one.entries]
    leaked = [
        name
        for name, digest, its in zip(names, digests, parts, strict=True)
        if its == part and digest in trained
    ]
    if leaked:
        count = int((parts == part).sum())
        raise InputError(
            "the images to evaluate on",
            f"{len(leaked)} of {count} were trained on, pixel by pixel: {list_first(leaked)}",
            "take them out of DATA, or name the split that says which images were held out with --split",
        )


def _check_labels(
    options: EvaluateOptions, rows: Sequence[Mapping[str, str]], schema: ConditionSchema
) -> None:
    """Stops where the model knows fewer than two of the data's labels: it is a model of something else."""
    labels = sorted({row.get(schema.label.name, "") for row in rows})
    known = 0
    for label in labels:
        with suppress(UsageError):
            schema.label.resolve(label)
            known += 1
    if known < 2 <= len(labels):
        there, its = (_short(list(names)) for names in (labels, schema.labels))
        raise InputError(
            options.data,
            f"the model's labels and the data's differ: the data has {there}, the model {its}",
            "name the model that was trained for these labels with --weights",
        )


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def known_labels(
    rows: Sequence[dict[str, str]], schema: ConditionSchema, reporter: Reporter
) -> Int64[np.ndarray, " k"]:
    """Rows whose label the schema has, which is then written as the schema has it."""
    name, kept, left_out = schema.label.name, [], 0
    resolved: dict[str, str | None] = {}
    for index, row in enumerate(rows):
        value = row.get(name, "")
        if value not in resolved:
            try:
                resolved[value] = schema.label.resolve(value)
            except UsageError:
                resolved[value] = None
        label = resolved[value]
        if label is None:
            left_out += 1
        else:
            row[name] = label
            kept.append(index)
    if left_out:
        reporter.warn(
            f"{left_out} images have another label than {', '.join(schema.labels)} and are left out"
        )
    return np.array(kept, np.int64)


def _encodable(rows: Sequence[dict[str, str]], schema: ConditionSchema) -> list[dict[str, str]]:
    """Rows whose values the schema can encode; others become missing."""
    out = []
    for row in rows:
        values = dict(row)
        for attribute in schema.attributes[1:]:
            try:
                attribute.encode(values.get(attribute.name))
            except UsageError:
                values[attribute.name] = ""
        out.append(values)
    return out


def _check_part(options: EvaluateOptions, labels: np.ndarray, parts: np.ndarray) -> None:
    """Whether there is enough to look at, and to train a judge on."""
    needed = (options.part, "train") if options.part == "held-out" else (options.part, "train", "validation")
    for part in needed:
        there = len(np.unique(labels[parts == part]))
        if there < 2:
            raise InputError(
                options.data,
                f"expected two labels or more in the {part} part, got {there}",
                "look at the split",
            )


def _symmetry(subject: Subject, data: PreparedSet) -> Symmetry:
    """What the model was trained with, else what is known of the kind of set."""
    options = {} if subject.model is None else subject.model.header.training.get("options", {})
    recorded = options.get("symmetry") if isinstance(options, Mapping) else None
    return recorded if recorded in ("none", "flip", "dihedral") else known_set(data).symmetry
