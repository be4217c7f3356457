"""Sets of DICOM files and of volumes: labels by a table, by class folders, or by DICOM headers.

What identifies a patient is only compared: groups are named by the first digits of a hash; labels are shown because the
user asked for them. Decodes no pixels, unless `--slices` needs them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydicom.datadict import tag_for_keyword

from drai_cli.data.condition import is_missing
from drai_cli.data.image_set import FILE, LABEL, Entry, ImageSet, SetOptions, part_named
from drai_cli.data.reading import start_workers_early
from drai_cli.data.table import Table, list_columns
from drai_cli.data.table_columns import choose_group_column, choose_split_column
from drai_cli.data.tree import Tree
from drai_cli.data.volumes import VolumePixels, choose_slices, plane_aspect
from drai_cli.errors import InputError, UsageError
from drai_cli.io.dicom.file import parse, text, whole
from drai_cli.io.dicom.foreign import Role, find_foreign, role_of
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.dicom.placement import aspect_of
from drai_cli.io.dicom.read import CT_CLASSES, check_is_image
from drai_cli.io.intensity import Intensity
from drai_cli.io.registry import strip_suffix
from drai_cli.io.window import HU, HU_RANGE, Window, parse_window
from drai_cli.progress import Reporter

KEYS = (FILE, "SOPInstanceUID", "SeriesInstanceUID", "PatientID")
"""What a table may name DICOM images by."""
FOLDER = "folder"
"""Names, among keywords and columns, the folder directly under the root in which a DICOM file lies."""
_PATIENT, _STUDY = "PatientID", "StudyInstanceUID"


@dataclass(frozen=True)
class _Header:
    """What a DICOM file's header says, or why it is no image."""

    name: str
    frames: int
    values: Mapping[str, str]
    refusal: str = ""
    is_broken: bool = False
    aspect: float = 1.0
    role: Role | None = None


def find_dicom_set(tree: Tree, table: Table | None, options: SetOptions, reporter: Reporter) -> ImageSet:
    """The set that a tree of DICOM files makes, one image a frame.

    Label, conditions and group are columns of the table, DICOM keywords, or `folder`. With a group pattern, files
    without a patient are not reported.

    Raises:
        InputError: No images, or rows that contradict each other.
        UsageError: An unknown column or keyword.
    """
    label = options.label or (LABEL if table is not None and LABEL in table.columns else None)
    if label is None:
        offered = "" if table is None else f" (it has: {list_columns(table.columns)})"
        raise UsageError(
            "--label",
            "expected what the label of these DICOM files is, got none",
            "their folder: --label folder; a DICOM keyword: --label BodyPartExamined; "
            f"or a column of a table: --metadata FILE --label COLUMN{offered}",
        )
    columns = () if table is None else table.columns
    conditions = options.conditions_besides(label)
    split = None if table is None else choose_split_column(table, options, (label, *conditions), reporter)
    group = options.group or _PATIENT
    for option, name in (
        ("--label", label),
        ("--group", group),
        *(("--condition", name) for name in conditions),
    ):
        if name not in columns and name != FOLDER:
            _check_keyword(table, name, option)
    start_workers_early(len(tree.medical[DICOM.name]))
    wanted = ({label, *conditions, group} - set(columns)) | {*KEYS[1:], "SOPClassUID", _STUDY}
    headers = list(_headers(tree, sorted(wanted)))
    foreign, message = find_foreign({one.name: one.role for one in headers if one.role is not None})
    if message:
        reporter.warn(message)
    headers = [header for header in headers if header.name not in foreign]
    images = [header for header in headers if not header.refusal]
    passed = Counter(header.refusal for header in headers if header.refusal and not header.is_broken)
    for refusal, count in passed.most_common(5):
        reporter.warn(f"{count} DICOM files are left out: {refusal}")
    skipped = tuple((header.name, header.refusal) for header in headers if header.is_broken)
    rows = (
        {}
        if table is None
        else _rows(
            table,
            options.image_column,
            images,
            (label, group, *conditions, *([split] if split else [])),
            reporter,
        )
    )
    if options.group is None and options.group_pattern is None and group not in columns:
        group = _choose_group(images, reporter)
    entries: list[Entry] = []
    frames: dict[str, tuple[str, int]] = {}
    counts: Counter[str] = Counter()
    for header in images:
        row = rows.get(header.name)
        if table is not None and row is None:
            counts["have no row in the table"] += 1
            continue
        values = {**header.values, **(row or {})}
        if is_missing(values[label]):
            counts[f"have no {label!r}"] += 1
            continue
        counts["ungrouped"] += not values[group]
        key = hash_group(group, values[group]) if values[group] else header.name
        kept = {name: _readable(name, values[name]) for name in (label, *conditions)}
        for frame in range(header.frames):
            name = header.name if header.frames == 1 else f"{header.name}#{frame}"
            frames[name] = header.name, frame
            entries.append(Entry(name, kept, key, part_named(values[split]) if split else None))
    ungrouped = counts.pop("ungrouped", 0)
    for what, count in counts.items():
        reporter.warn(f"{count} DICOM files {what} and are left out")
    if ungrouped and options.group_pattern is None:
        reporter.warn(f"{ungrouped} files have no {str(group)!r}: each is a group of its own")
    chosen = parse_window(options.window)
    is_ct = bool(images) and all(header.values.get("SOPClassUID") in CT_CLASSES for header in images)
    if chosen.choice == "auto" and is_ct:
        chosen = Window("range", low=HU_RANGE[0], high=HU_RANGE[1])
        reporter.info(
            f"CT: {HU_RANGE[0]:g} to {HU_RANGE[1]:g} HU become black to white; --window says otherwise"
        )
    has_groups = ungrouped < len({file for file, _ in frames.values()})
    return ImageSet(
        DICOM.name, tree.root, label, conditions, group if has_groups else FILE, tuple(entries),
        VolumePixels(tree.root, frames, chosen, aspects={header.name: header.aspect for header in images}),
        (*tree.skipped, *skipped), _intensity(chosen, HU if is_ct else ""), f"window {chosen}",
    )  # fmt: skip


def find_volume_set(
    tree: Tree, kind: str, table: Table | None, options: SetOptions, reporter: Reporter
) -> ImageSet:
    """The set of slices of volumes of a medical format; a split never cuts through a volume.

    Raises:
        InputError: No volumes, no labels, or rows that contradict each other.
        UsageError: An unknown column.
    """
    volumes = tree.medical[kind]
    chosen = parse_window(options.window)
    axis, slices, group = options.axis or "axial", options.slices or "all", options.group
    if table is None:
        asked = {"--label": None if options.label == LABEL else options.label, "--group": group}
        asked["--condition"] = next(iter(options.conditions), None)
        for option, value in asked.items():
            if value is not None:
                raise UsageError(f"{option} {value}", "there is no table", "name one with --metadata FILE")
        label, conditions, split = LABEL, options.conditions, None
        rows = {name: {LABEL: name.split("/", 1)[0]} for name in volumes if "/" in name}
        if not rows:
            raise InputError(
                tree.root,
                f"expected volumes in class folders or a table, got {len(volumes)} volumes in none",
                "sort them into one folder a class, or name a table with --metadata FILE --label COLUMN",
            )
    else:
        label = table.check_column(options.label or LABEL, "--label")
        for name in options.conditions:
            table.check_column(name, "--condition")
        conditions = options.conditions_besides(label)
        used = (label, *conditions)
        if options.group_pattern is None:
            group = choose_group_column(table, group, (*used, options.image_column or ""), reporter)
        split = choose_split_column(table, options, used, reporter)
        files = [_Header(name, 1, {}) for name in volumes]
        wanted = (*used, *(name for name in (group, split) if name))
        rows = _rows(table, options.image_column, files, wanted, reporter)
    entries: list[Entry] = []
    frames: dict[str, tuple[str, int]] = {}
    aspects: dict[str, float] = {}
    skipped: list[tuple[str, str]] = []
    left_out = 0
    for name in volumes:
        row = rows.get(name)
        if row is None or is_missing(row[label]):
            left_out += 1
            continue
        try:
            indices = choose_slices(tree.root, name, axis, slices)
            aspects[name] = plane_aspect(tree.root / name, axis)
        except InputError as error:
            skipped.append((name, error.message))
            continue
        key = hash_group(group, row[group]) if group and row[group] else name
        values = {column: row[column] for column in (label, *conditions)}
        part = part_named(row[split]) if split else None
        for index in indices:
            frames[f"{name}#{index}"] = name, index
            entries.append(Entry(f"{name}#{index}", values, key, part))
    if left_out:
        reporter.warn(f"{left_out} volumes have no label and are left out")
    return ImageSet(
        kind, tree.root, label, conditions, group or FILE, tuple(entries),
        VolumePixels(tree.root, frames, chosen, axis, aspects), (*tree.skipped, *skipped),
        _intensity(chosen, ""), f"window {chosen}, axis {axis}, slices {slices}",
    )  # fmt: skip


def _choose_group(images: Sequence[_Header], reporter: Reporter) -> str:
    """PatientID; StudyInstanceUID where all files have the same patient or none, as after anonymisation."""
    patients, studies = ({header.values[name] for header in images} for name in (_PATIENT, _STUDY))
    if len(patients) > 1 or len(studies - {""}) < 2:
        return _PATIENT
    reporter.warn(
        f"all files have the same {_PATIENT}, or none: images are grouped by {_STUDY} ({len(studies)} studies), so a "
        "patient with several studies may be in several parts of the split; --group names a better column or keyword"
    )
    return _STUDY


def hash_group(name: str, value: str) -> str:
    """A group's key, which does not reveal its value (a patient's ID)."""
    digest = hashlib.sha256(f"drai group\0{name}\0{value}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{name}:{digest[:16]}"


def _intensity(window: Window, unit: str) -> Intensity | None:
    """What levels mean, where all images have one window."""
    return Intensity(unit, window.low, window.high, "uint16") if window.choice == "range" else None


def _check_keyword(table: Table | None, name: str, option: str) -> None:
    """Checks that a name without a column is a DICOM keyword."""
    if tag_for_keyword(name) is None:
        if table is not None:
            table.check_column(name, option)
        raise UsageError(f"{option} {name}", "no such DICOM keyword", "for example BodyPartExamined")


def _headers(tree: Tree, keywords: Sequence[str]) -> Iterator[_Header]:
    """The headers of all files, in order and in one thread: threads that parse in Python are slower."""

    def look(name: str) -> _Header:
        path = tree.root / name
        try:
            dataset = parse(path, header_only=True)
        except InputError as error:
            return _Header(name, 0, {}, error.message, True)
        try:
            check_is_image("", dataset, header_only=True)
        except InputError as error:
            return _Header(name, 0, {}, error.message)
        frames = max(1, min(whole(dataset, "NumberOfFrames", 1) or 1, 100_000))
        values = {keyword: text(dataset, keyword) for keyword in keywords}
        values[FOLDER] = name.split("/", 1)[0] if "/" in name else ""
        return _Header(name, frames, values, aspect=aspect_of(dataset), role=role_of(dataset))

    return map(look, tree.medical[DICOM.name])


def _readable(name: str, value: str) -> str:
    """A value as a number where DICOM writes it otherwise: an age string `045Y` is 45 (PS3.5 6.2)."""
    age = re.fullmatch(r"(\d{3})([DWMY])", value)
    if age is None or "Age" not in name:
        return value
    return f"{int(age[1]) / {'D': 365.25, 'W': 52.18, 'M': 12, 'Y': 1}[age[2]]:.4g}"


def _rows(
    table: Table,
    image_column: str | None,
    images: Sequence[_Header],
    columns: Sequence[str],
    reporter: Reporter,
) -> dict[str, dict[str, str]]:
    """The row of each image that has one, by its file's name.

    Raises:
        InputError: Two rows of an image that differ in what is asked for.
        UsageError: No column names images, or several do and none is chosen.
    """
    if image_column is not None:
        table.check_column(image_column, "--image-column")
    finders = _finders(images)
    candidates = [image_column] if image_column is not None else list(table.columns)
    fits: dict[tuple[str, str], int] = {}
    for column in candidates:
        written = {row[column] for row in table.rows if row[column]}
        for key, finder in finders.items():
            count = len(written & finder.keys())
            if count:
                fits[column, key] = count
    best = [pair for pair, count in fits.items() if count == max(fits.values())]
    if len({column for column, _ in fits}) != 1 or len(best) != 1:
        got = f"{len(fits)} fit ({list_columns([f'{c} as {k}' for c, k in fits])})" if fits else "none does"
        raise UsageError(
            "--image-column" if image_column is None else f"--image-column {image_column}",
            f"expected one column of {table.path.name} with files or {', '.join(KEYS[1:])}, but {got}",
            f"name it with --image-column: {list_columns(table.columns)}",
        )
    ((column, key),) = best
    reporter.info(f"images are named by column {column!r} as {key}")
    row_of: dict[str, dict[str, str]] = {}
    unmatched = 0
    for row in table.rows:
        names = finders[key].get(row[column], [])
        unmatched += not names
        kept = {name: row[name] for name in columns if name in row}
        for name in names:
            if row_of.setdefault(name, kept) != kept:
                raise InputError(table.path, f"images have two rows that differ, such as {name}", "keep one")
    if unmatched:
        reporter.warn(f"{unmatched} of {len(table.rows)} rows name no image")
    return row_of


def _finders(images: Sequence[_Header]) -> dict[str, dict[str, list[str]]]:
    """For each key, its values and the files that have them."""
    finders: dict[str, defaultdict[str, list[str]]] = {key: defaultdict(list) for key in KEYS}
    for header in images:
        path = PurePosixPath(header.name)
        stem = strip_suffix(path.name)
        for written in {header.name, path.name, stem, str(path.with_name(stem))}:
            finders[FILE][written].append(header.name)
        for key in KEYS[1:]:
            if value := header.values.get(key):
                finders[key][value].append(header.name)
    ambiguous = [name for name, files in finders[FILE].items() if len(set(files)) > 1]
    for name in ambiguous:
        del finders[FILE][name]
    return {key: dict(finder) for key, finder in finders.items()}
