"""Which image is in which part: by a saved split, the set's own, or a new one; known before anything is decoded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drai_cli.conditions.findings import Findings
from drai_cli.data.image_set import PARTS, Entry, ImageSet, count_classes
from drai_cli.data.reading import list_first
from drai_cli.data.split import read_split, split_by_group
from drai_cli.errors import InputError
from drai_cli.progress import SILENT, Reporter

BY_GROUP, BY_FILE, BY_IMAGE, AS_GIVEN = "by group", "file by file", "image by image", "as given"
"""What a split kept together; `as given`: the split of the set or of a table."""


_VERBS = {"validation": "validate", "test": "test"}


@dataclass(frozen=True)
class SplitPlan:
    """The split that `prepare` would make, known before anything is decoded.

    Attributes:
        parts: The part of each entry of the set.
        images: Images of each part.
        groups: Groups of each part.
        how: What it keeps together (`BY_GROUP`, …), or that it is the set's own (`AS_GIVEN`).
        groups_across: Groups that are in several parts: only a set's own split can have any.
        examples: A few of those groups, each as the name of one of its images.
        problem: Why `prepare` would refuse it; empty if it would not.
    """

    parts: tuple[str, ...]
    images: Mapping[str, int]
    groups: Mapping[str, int]
    how: str
    groups_across: int
    examples: tuple[str, ...]
    problem: str


def plan_split(image_set: ImageSet, seed: int = 0, reporter: Reporter = SILENT) -> SplitPlan:
    """The parts that a set's images would be in, and the groups that are torn apart; nothing is decoded.

    Images that turn out unreadable are then left out, which can change the parts of others.
    """
    entries = image_set.entries
    parts = tuple(choose_parts(entries, image_set.label, image_set.findings, seed, None, reporter))
    problem = ""
    label, findings = image_set.label, image_set.findings
    try:
        check_classes(image_set.root, entries, label, findings)
        check_parts(image_set.root, image_set, entries, parts)
        check_seen(entries, parts, label, findings)
    except InputError as error:
        problem = f"{error.message}; {error.hint}"
    parts_of: defaultdict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    for entry, part in zip(entries, parts, strict=True):
        parts_of[entry.group].add(part)
        names.setdefault(entry.group, entry.name)
    torn = [group for group, several in parts_of.items() if len(several) > 1] if image_set.is_grouped else []
    counts = Counter(parts)
    return SplitPlan(
        parts,
        {part: counts[part] for part in PARTS},
        {part: sum(part in several for several in parts_of.values()) for part in PARTS},
        AS_GIVEN if torn else how_split(image_set),
        len(torn),
        tuple(names[group] for group in torn[:5]),
        problem,
    )


def check_parts(path: Path, image_set: ImageSet, entries: Sequence[Entry], parts: Sequence[str]) -> None:
    """Stops at a set of one group, and at a split that leaves nothing to validate or test on.

    Raises:
        InputError: Saying which.
    """
    groups = {entry.group for entry in entries}
    by = image_set.group if image_set.group is not None else "image"
    if len(groups) == 1:
        raise InputError(
            path,
            f"expected several groups to split, got one: all {len(entries)} images are of one {by}",
            "name what separates patients with --group COLUMN or --group-pattern REGEX; --group-pattern '[^/]+$' makes "
            "each file a group of its own, which is right only if no two are of one patient",
        )
    empty = [part for part in PARTS[1:] if part not in parts]
    if empty:
        raise InputError(
            path,
            f"expected images in every part of the split, got none to {' and '.join(map(_VERBS.__getitem__, empty))} "
            f"({len(entries)} images in {len(groups)} groups by {by})",
            "each class needs three groups or more, one for each part; check --group, or use more images",
        )


def check_classes(path: Path, entries: Sequence[Entry], label: str, findings: Findings | None = None) -> None:
    """Stops at a set with fewer than two classes, or in which all images show the same findings."""
    counts = count_classes(entries, label)
    if findings is not None and len(counts) == 1:
        raise InputError(
            path,
            f"expected images with different findings, got {next(iter(counts))!r} in all",
            "check the label column",
        )
    if len(counts) < 2:
        got = ", ".join(f"one: {name} ({count} images)" for name, count in counts.items()) or "none"
        raise InputError(
            path,
            f"expected two classes or more, got {got}",
            "sort them into one folder a class; or name a table with --metadata FILE --label COLUMN",
        )


def check_seen(entries: Sequence[Entry], parts: Sequence[str], label: str, findings: Findings | None) -> None:
    """Stops if a class is measured that was never trained on (only a set's own split can do that)."""
    if findings is not None:
        return  # a finding without a training image is simply never asked for
    seen = {entry.values[label] for entry, part in zip(entries, parts, strict=True) if part == "train"}
    unseen = Counter(entry.values[label] for entry in entries if entry.values[label] not in seen)
    if seen and unseen:
        names = ", ".join(f"{name} ({count})" for name, count in unseen.items())
        trained = ", ".join(sorted(seen)[:5])
        raise InputError(
            "the split",
            f"classes without a training image: {names} (there are training images of {trained})",
            "leave these images out, give labels the same names in all parts, or draw a new split with --split new",
        )


def how_split(image_set: ImageSet) -> str:
    """What a split of this set keeps together, or that it is the set's own."""
    if {entry.part for entry in image_set.entries} == set(PARTS):
        return AS_GIVEN
    if image_set.is_grouped:
        return BY_GROUP
    return BY_IMAGE if image_set.group is None else BY_FILE


def choose_parts(
    entries: Sequence[Entry],
    label: str,
    findings: Findings | None,
    seed: int,
    split_file: Path | None,
    reporter: Reporter,
) -> Sequence[str]:
    """The part of each row, by the saved split, the set's own, or a new one.

    Raises:
        InputError: The saved split is of another set.
    """
    if split_file is not None:
        saved = read_split(split_file)
        new = [entry.name for entry in entries if entry.name not in saved]
        gone = sorted(saved.keys() - {entry.name for entry in entries})
        for names, what in ((new, "images are not in it"), (gone, "of its images are not in the set")):
            if names:
                raise InputError(
                    split_file,
                    f"{len(names)} {what}: {list_first(list(names))}",
                    "the split belongs to another set, or the set has changed",
                )
        return [saved[entry.name] for entry in entries]
    own = {entry.part for entry in entries}
    if None in own:
        return _draw_parts(entries, label, findings, seed)
    parts = [str(entry.part) for entry in entries]
    absent = [part for part in PARTS if part not in own]
    if absent and "train" in own:
        reporter.warn(
            f"the set's own split has no {' and no '.join(absent)} part: taken from its training part"
        )
        rows = [row for row, part in enumerate(parts) if part == "train"]
        # A tenth of all for each part that is absent, as where the whole split is drawn.
        shares = [1 if part in absent else 10 - len(PARTS) + 1 if part == "train" else 0 for part in PARTS]
        fractions = shares[0], shares[1], shares[2]
        drawn = _draw_parts([entries[row] for row in rows], label, findings, seed, fractions)
        for row, part in zip(rows, drawn, strict=True):
            parts[row] = part
    return parts


def _draw_parts(
    entries: Sequence[Entry],
    label: str,
    findings: Findings | None,
    seed: int,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
) -> Sequence[str]:
    """The part of each entry, drawn by group; one with several findings counts towards each of them."""
    if findings is None:
        labels = [entry.values[label] for entry in entries]
        return split_by_group(labels, [entry.group for entry in entries], seed=seed, fractions=fractions)
    shown = {
        text: findings.list_present(text) or (findings.none,) for text in {e.values[label] for e in entries}
    }
    counted = [(name, entry.group) for entry in entries for name in shown[entry.values[label]]]
    labels, groups = [name for name, _ in counted], [group for _, group in counted]
    parts = split_by_group(labels, groups, seed=seed, fractions=fractions)
    part_of = dict(zip(groups, parts, strict=True))
    return [part_of[entry.group] for entry in entries]


def measure_parts(entries: Sequence[Entry], parts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Number of images and of groups in each part of a split."""
    groups: dict[str, list[object]] = {part: [] for part in PARTS}
    for entry, part in zip(entries, parts, strict=True):
        groups[part].append(entry.group)
    return {part: {"images": len(keys), "groups": len(set(keys))} for part, keys in groups.items()}
