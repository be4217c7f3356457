"""A set ready for training and evaluation: cached, split, its conditions encoded. The one door to the data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int64, UInt, UInt8

from drai_cli.conditions.attribute import is_missing
from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.data.cache import ImageCache, build_cache
from drai_cli.data.image_set import PARTS, Entry, ImageSet, Part, SetOptions, count_classes
from drai_cli.data.mask_files import MaskFiles, find_mask_files
from drai_cli.data.mask_pixels import load_masks
from drai_cli.data.name_groups import warn_of_likely_groups
from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.sources import find_image_set
from drai_cli.data.split import count_groups_across
from drai_cli.data.split_plan import (
    AS_GIVEN,
    BY_GROUP,
    check_classes,
    check_parts,
    check_seen,
    choose_parts,
    how_split,
)
from drai_cli.errors import InputError
from drai_cli.io.intensity import Intensity
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import DataOptions


@dataclass(frozen=True)
class PreparedSet:
    """Images, their parts and their conditions, row by row.

    Attributes:
        images: uint8 or uint16, memory-mapped.
        entries: The image of each row: name, values, group.
        parts: `train`, `validation` or `test` for each row.
        schema: Fitted on the training part alone.
        conditions: Condition vectors; a value that the training part does not have is missing.
        labels: Positions in `schema.labels`; of sets of findings those of the rarest, see `schema.label_indices`.
        summary: Plain data: kind, counts, how it is split (`BY_GROUP`, …), groups and duplicates across the split,
            skipped files.
        digests: The sha256 of each row's pixels as decoded: equal for exact duplicates only.
        cache_key: What the images were made from.
        intensity: What levels mean, where one window made all images; None where they are the files' own.
        masks: uint8 `[N, size, size, masks]`, memory-mapped: 0 outside and 255 inside; None where there are none.
        mask_names: Of the masks.
    """

    images: UInt[np.ndarray, "images size size channels"]
    entries: tuple[Entry, ...]
    parts: np.ndarray
    schema: ConditionSchema
    conditions: Float32[np.ndarray, "images condition"]
    labels: Int64[np.ndarray, " images"]
    summary: dict[str, Any]
    digests: tuple[str, ...]
    cache_key: str
    intensity: Intensity | None = None
    masks: UInt8[np.ndarray, "images size size masks"] | None = None
    mask_names: tuple[str, ...] = ()

    @property
    def finding_states(self) -> Int8[np.ndarray, "images findings"]:
        """The findings of each row, where the label is a set of them: see `Findings.states`."""
        return self.schema.finding_states([entry.values for entry in self.entries])

    def rows(self, part: Part) -> Int64[np.ndarray, " rows"]:
        """The rows of one part."""
        return np.flatnonzero(self.parts == part)


def prepare(
    options: DataOptions,
    *,
    seed: int,
    split_file: Path | None = None,
    needs_parts: bool = True,
    reporter: Reporter = SILENT,
) -> PreparedSet:
    """Finds, caches and splits a set and encodes its conditions.

    The split is the one in `split_file` if given, else the set's own if it has one, else drawn by group from
    the seed.

    Args:
        options: The set and how to read it.
        seed: Decides the split where it is drawn.
        split_file: The split, as `write_split` wrote it.
        needs_parts: Whether a split with nothing to validate or test on is an error.
        reporter: Shown what is found and left out.

    Raises:
        InputError: No images, one class only, too many unreadable files, a split that does not fit, or one that leaves
            a part empty.
        UsageError: Options that do not go with the set.
    """
    image_set, mask_files = find_set_with_masks(options, reporter)
    warn_of_number_labels(image_set, reporter)
    warn_of_likely_groups(image_set, reporter)
    label, findings = image_set.label, image_set.findings
    check_classes(options.path, image_set.entries, label, findings)
    cache = build_cache(
        image_set,
        size=options.size,
        channels=options.channels,
        fit=options.fit,
        cache_dir=options.cache_dir,
        reporter=reporter,
    )
    entries, masks = cache.entries, None
    if mask_files is not None:
        masks = load_masks(
            mask_files, entries,
            size=options.size, fit=options.fit, cache_dir=options.cache_dir, reporter=reporter,
        )  # fmt: skip
    check_classes(options.path, entries, label, findings)
    with reporter.stage("splitting the images", None, ""):
        parts = np.array(choose_parts(entries, label, findings, seed, split_file, reporter))
        if needs_parts and split_file is None:
            check_parts(options.path, image_set, entries, parts.tolist())
        train = [entry for entry, part in zip(entries, parts, strict=True) if part == "train"]
        if not train:
            raise InputError(options.path, "no image is in the training part", "check the split")
        schema = ConditionSchema.from_rows(
            [e.values for e in train], label, image_set.conditions, options.aliases, findings, options.missing
        )
        check_seen(entries, parts.tolist(), label, findings)
        rows = _without_unseen(entries, schema, reporter)
        duplicates = find_duplicates(cache.digests)
        across = (
            count_groups_across([entry.group for entry in entries], parts.tolist())
            if image_set.is_grouped
            else 0
        )
    summary = {
        "kind": image_set.kind,
        "label": label,
        "conditions": list(image_set.conditions),
        "group": image_set.group,
        "images": len(entries),
        "groups": len({entry.group for entry in entries}),
        "is_grouped": image_set.is_grouped,
        "split": AS_GIVEN if across else how_split(image_set),
        "groups_across": across,
        "size": options.size,
        "channels": cache.channels,
        "parts": {part: _count(entries, parts, part, label, findings) for part in PARTS},
        "duplicates": _duplicates_summary(cache, duplicates, parts),
        "skipped": [list(item) for item in cache.skipped],
    }
    _report(summary, reporter)
    return PreparedSet(
        cache.images,
        entries,
        parts,
        schema,
        schema.encode(rows),
        schema.label_indices(rows),
        summary,
        tuple(cache.digests),
        cache.key,
        image_set.intensity,
        masks,
        () if mask_files is None else mask_files.names,
    )


def find_set(options: DataOptions, reporter: Reporter = SILENT) -> ImageSet:
    """The set of these options; nothing is decoded.

    Raises:
        InputError, UsageError: As `find_image_set`.
    """
    return find_image_set(options.path, SetOptions.of(options), reporter=reporter)


def find_set_with_masks(
    options: DataOptions, reporter: Reporter = SILENT
) -> tuple[ImageSet, MaskFiles | None]:
    """The set of these options, and the files of its masks, if any are asked for; nothing is decoded.

    Raises:
        InputError, UsageError: As `find_image_set` and `find_mask_files`.
    """
    return find_mask_files(find_set(options, reporter), options, reporter)


def find_duplicates(digests: Sequence[str]) -> list[list[int]]:
    """Rows with exactly the same pixels, each set of them once, in the order of their first row."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        rows[digest].append(row)
    return [same for same in rows.values() if len(same) > 1]


def _without_unseen(
    entries: Sequence[Entry], schema: ConditionSchema, reporter: Reporter
) -> list[dict[str, str]]:
    """The values of each row; one that the training part does not have becomes missing."""
    rows = [dict(entry.values) for entry in entries]
    for attribute in schema.attributes[1:]:
        unseen = 0
        known: dict[str, bool] = {}
        for row in rows:
            value = row.get(attribute.name, "")
            if value not in known:
                known[value] = is_missing(value) or attribute.find(value) is not None
            if not known[value]:
                row[attribute.name] = ""
                unseen += 1
        if unseen:
            reporter.warn(
                f"{unseen} images have a {attribute.name!r} that no training image has: counted as missing"
            )
    return rows


def _count(
    entries: Sequence[Entry], parts: np.ndarray, part: str, label: str, findings: Findings | None
) -> dict[str, Any]:
    chosen = [entry for entry, its in zip(entries, parts, strict=True) if its == part]
    return {
        "images": len(chosen),
        "groups": len({entry.group for entry in chosen}),
        "classes": count_classes(chosen, label, findings),
    }


def _duplicates_summary(cache: ImageCache, duplicates: list[list[int]], parts: np.ndarray) -> dict[str, Any]:
    across = [same for same in duplicates if len({parts[row] for row in same}) > 1]
    return {
        "sets": len(duplicates),
        "images": sum(map(len, duplicates)),
        "across_split": [[cache.entries[row].name for row in same] for same in across],
    }


def _report(summary: Mapping[str, Any], reporter: Reporter) -> None:
    sizes = ", ".join(f"{part} {summary['parts'][part]['images']}" for part in PARTS)
    how, group = summary["split"], summary["group"]
    reporter.info(f"split {f'by {group}' if how == BY_GROUP else how}: {sizes}")
    if summary["groups_across"]:
        reporter.warn(
            f"{summary['groups_across']} of {summary['groups']} groups by {group} are in several parts of the split, "
            "which was not made by them; this makes measures too optimistic; --split new keeps groups together"
        )
    across = summary["duplicates"]["across_split"]
    if across:
        shown_sets = "; ".join(" = ".join(map(str, same[:3])) for same in across[:5])
        reporter.warn(
            f"{len(across)} images are in several parts of the split as exact duplicates, which makes "
            f"measures too optimistic: {shown_sets}{'; …' if len(across) > 5 else ''}"
        )
