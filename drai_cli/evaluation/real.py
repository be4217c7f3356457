"""The real images of an evaluation, and which of them were trained on.

A generator is never measured on its training images: where an evaluated image is one of them, nothing is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from drai_cli.conditions.attribute import is_missing
from drai_cli.conditions.findings import PRESENT, UNKNOWN
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.data.prepared import PreparedSet, find_set, prepare
from drai_cli.data.reading import list_first
from drai_cli.errors import InputError, UsageError
from drai_cli.evaluation.data_settings import (
    data_options,
    has_images,
    naming_the_run,
    training_options,
)
from drai_cli.evaluation.factor_table import read_factors
from drai_cli.evaluation.split_cautions import how_apart, split_cautions
from drai_cli.evaluation.subject import Subject
from drai_cli.io.intensity import Intensity
from drai_cli.metrics.finding_set import States
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.progress import Reporter
from drai_cli.run.instruments import training_key
from drai_cli.run.model_header import symmetry_of
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions

NO_TRAINING_DATA = (
    "the generator's training images are not known: name them with --train-data, or name a run's --split"
)


@dataclass(frozen=True)
class EvaluationSet:
    """Real images in three parts, as arrays with one row per image.

    Attributes:
        images: uint8 or uint16.
        labels: Positions in `schema.labels`.
        parts: `train`, `validation`, and the evaluated part.
        groups: Lesion, patient or image.
        split: How the evaluated part was separated from the others, in a few words.
        cautions: Why that may make every measure look better.
        conditions: Condition vectors.
        schema: The model's, or that of the data where there is no model.
        kind: Of the data set.
        symmetry: Flips and rotations that keep its images plausible, as known.
        is_training_known: Whether the training part is what the generator was trained on.
        factors: True style factors by name, where known (phantoms).
        training_key: Changes with what a judge is trained or selected on: images, parts, labels, symmetry; not with
            groups or further conditions.
        key: Changes with anything above.
        intensity: What levels mean, where one window made all images of DATA.
        trained_digests: Of the pixels of the images outside the evaluated part.
        columns: Values of further columns by name, where they were asked for.
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
    intensity: Intensity | None = None
    trained_digests: frozenset[str] = frozenset()
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def finding_states(self) -> States:
        """The findings of each image, from its condition: a value and a flag for each; see `Findings.states`."""
        pairs = self.conditions[:, : 2 * len(self.schema.labels)].reshape(len(self.conditions), -1, 2)
        return np.where(pairs[..., 1] == 1, UNKNOWN, (pairs[..., 0] == 1) * PRESENT).astype(np.int8)

    @property
    def shown(self) -> Bool[np.ndarray, "n labels"]:
        """Which labels each image shows: its own, or each of its findings."""
        own = self.labels[:, None] == np.arange(len(self.schema.labels))
        out: np.ndarray = own if self.schema.label.findings is None else self.finding_states == PRESENT
        return out


def evaluation_set(options: EvaluateOptions, subject: Subject, reporter: Reporter) -> EvaluationSet:
    """The real images, with the evaluated part.

    The split is `--split`, else the run's own. Without one, `--train-data` is the training part and all of DATA is
    evaluated; without that, DATA is split by group for the judge, and `is_training_known` is False.

    Raises:
        InputError: The data cannot be used, or evaluated images were trained on.
        UsageError: Options that contradict each other.
    """
    with reporter.stage("comparing the data set with the model's", None, ""):
        data = data_options(options, subject, reporter)
        split = options.split or (
            subject.run.split if subject.run is not None and has_images(subject.run, data) else None
        )
        seen = subject.run.read_seen() if subject.run is not None else None
        own_names = data.conditions
        data = _with_columns(data, options.subgroups)
    if split is not None and options.train_data is not None:
        raise UsageError("--train-data", "contradicts a split", "leave one of the two out")
    is_split_here = split is None and options.train_data is None and seen is None
    real = prepare(data, seed=options.seed, split_file=split, needs_parts=is_split_here, reporter=reporter)
    schema = (
        subject.model.header.schema
        if subject.model is not None
        else ConditionSchema(
            tuple(
                each for each in real.schema.attributes if each is real.schema.label or each.name in own_names
            )
        )
    )
    parts = real.parts.astype("<U10")
    is_known = split is not None
    sets = [real]
    if split is None and (options.train_data is not None or seen is not None):
        trained_on = training_options(options, subject, data)
        if trained_on is not None:
            split_file = subject.run.split if options.train_data is None and subject.run is not None else None
            with naming_the_run(options, subject):
                training = prepare(
                    trained_on, seed=options.seed, split_file=split_file, needs_parts=False, reporter=reporter
                )
            own = np.where(training.parts == "validation", "validation", "train")
            if split_file is not None:  # images that the run held out belong to neither side
                training, own = _only(training, training.parts != "test")
            parts = np.concatenate([np.full(len(parts), options.part), own])
            sets.append(training)
            is_known = True
    if options.part == "held-out":
        if split is None:
            raise UsageError("--part held-out", "there is no split", "name a run's split.csv with --split")
        parts[parts != "train"] = options.part
    digests, every_part = [digest for one in sets for digest in one.digests], parts
    how = how_apart(sets, options.split is not None)
    cautions = split_cautions(sets, parts, options.part, how)
    _refuse_leaks(sets, digests, parts, options.part, seen if split is None else None)
    # The label's column gets the model's name for it.
    rows = [
        {**entry.values, schema.label.name: entry.values[one.schema.label.name]}
        for one in sets
        for entry in one.entries
    ]
    if subject.model is not None:
        _check_labels(options, rows, schema)
    known = known_labels(rows, schema, reporter)
    images = sets[0].images if len(sets) == 1 else np.concatenate([one.images for one in sets])
    factors = read_factors(data.path / "metadata.csv", real) if len(sets) == 1 else None
    if len(known) < len(rows):
        images, parts, rows = images[known], parts[known], [rows[row] for row in known]
        factors = factors and {name: values[known] for name, values in factors.items()}
    groups = np.array([entry.group for one in sets for entry in one.entries])[known]
    labels = schema.label_indices(rows)
    _check_part(options, labels, parts)
    symmetry = symmetry_of(None if subject.model is None else subject.model.header, real)
    trained_on_key = training_key([one.cache_key for one in sets], parts, schema, symmetry)
    return EvaluationSet(
        images, labels, parts, groups, schema.encode(_encodable(rows, schema)), schema,
        str(real.summary["kind"]), symmetry, is_known, factors, how, cautions, trained_on_key,
        _hash([trained_on_key, str(schema.to_json()), *groups.tolist()]), real.intensity,
        frozenset(digest for digest, its in zip(digests, every_part, strict=True) if its != options.part),
        {name: np.array([str(row.get(name, "")) for row in rows]) for name in options.subgroups},
    )  # fmt: skip


def _with_columns(data: DataOptions, names: Sequence[str]) -> DataOptions:
    """The same set with these columns read as well.

    Raises:
        UsageError: It has no such column.
    """
    if not names:  # listing the set takes a second or more
        return data
    wanted = replace(data, conditions=tuple(dict.fromkeys((*data.conditions, *names))))
    try:
        find_set(wanted)
    except UsageError as error:
        if not error.subject.startswith("--condition"):
            raise
        raise UsageError(
            error.subject.replace("--condition", "--subgroup"), error.message, error.hint
        ) from error
    return wanted


def _hash(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()


def _only(data: PreparedSet, chosen: np.ndarray) -> tuple[PreparedSet, np.ndarray]:
    """Some rows of a set, and their parts."""
    rows = np.flatnonzero(chosen)
    part = replace(
        data,
        images=data.images[rows],
        entries=tuple(data.entries[row] for row in rows),
        parts=data.parts[rows],
        conditions=data.conditions[rows],
        labels=data.labels[rows],
        digests=tuple(data.digests[row] for row in rows),
    )
    return part, np.asarray(part.parts)


def _refuse_leaks(
    sets: Sequence[PreparedSet],
    digests: Sequence[str],
    parts: np.ndarray,
    part: str,
    seen: Collection[str] | None,
) -> None:
    """Raises InputError if the pixels of an evaluated image equal those of a training image."""
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
            f"{len(leaked)} of {count} were trained on (equal pixels): {list_first(leaked)}",
            "remove them from DATA, or name the split with the held-out images with --split",
        )


def _check_labels(
    options: EvaluateOptions, rows: Sequence[Mapping[str, str]], schema: ConditionSchema
) -> None:
    """Raises InputError if the model knows fewer than two of the data's labels: it was trained for other labels."""
    labels = sorted({row.get(schema.label.name, "") for row in rows})
    known = 0
    for label in labels:
        with suppress(UsageError):
            schema.label.resolve(label)
            known += 1
    if known < 2 <= len(labels):
        of_data, of_model = (_short(list(names)) for names in (labels, schema.labels))
        raise InputError(
            options.data,
            f"the model's labels and the data's differ: the data has {of_data}, the model {of_model}",
            "name a model that was trained for these labels with --weights",
        )


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def known_labels(
    rows: Sequence[dict[str, str]], schema: ConditionSchema, reporter: Reporter
) -> Int64[np.ndarray, " k"]:
    """Rows whose label the schema has; their label is replaced by the schema's name for it."""
    name, known, skipped = schema.label.name, [], 0
    resolved: dict[str, str | None] = {}
    for index, row in enumerate(rows):
        value = row.get(name, "")
        if value not in resolved:
            resolved[value] = schema.label.find(value)
        label = resolved[value]
        if label is None:
            skipped += 1
        else:
            row[name] = label
            known.append(index)
    if skipped:
        reporter.warn(f"{skipped} images have none of the labels {', '.join(schema.labels)} and are skipped")
    return np.array(known, np.int64)


def _encodable(rows: Sequence[dict[str, str]], schema: ConditionSchema) -> list[dict[str, str]]:
    """The rows; values that the schema cannot encode become missing."""
    out = []
    for row in rows:
        values = dict(row)
        for attribute in schema.attributes[1:]:
            value = values.get(attribute.name)
            if value is not None and not is_missing(value) and attribute.find(value) is None:
                values[attribute.name] = ""
        out.append(values)
    return out


def _check_part(options: EvaluateOptions, labels: np.ndarray, parts: np.ndarray) -> None:
    """Raises InputError if a part has fewer than two labels: too few to evaluate, or to train a judge."""
    needed = (options.part, "train") if options.part == "held-out" else (options.part, "train", "validation")
    for part in needed:
        count = len(np.unique(labels[parts == part]))
        if count < 2:
            raise InputError(
                options.data,
                f"expected two labels or more in the {part} part, got {count}",
                "check the split",
            )


def at_depth(images: Images, dtype: np.dtype[np.generic]) -> Images:
    """Converts between 8 and 16 bits."""
    if images.dtype == dtype:
        return np.asarray(images)
    if dtype == np.uint16:
        return images.astype(np.uint16) * np.uint16(257)
    shrunk: np.ndarray = np.round(images / 257).astype(np.uint8)
    return shrunk
