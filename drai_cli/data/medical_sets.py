"""Sets of DICOM files, and of volumes (NIfTI and what else medical formats hold)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from drai_cli.data.folders import Folders
from drai_cli.data.image_set import FILE, Entry, ImageSet, SetOptions
from drai_cli.data.items import SOP_CLASS, Item, list_files, read_dicom_items
from drai_cli.data.label import FOLDER, SUBFOLDER, choose_label, wanted_keywords
from drai_cli.data.listing import list_set
from drai_cli.data.matching.find import find_tables
from drai_cli.data.tree import Tree
from drai_cli.data.unlabelled import refuse_unlabelled
from drai_cli.data.volumes import VolumePixels, choose_slices, plane_aspect
from drai_cli.errors import InputError
from drai_cli.io.dicom.foreign import find_foreign
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.dicom.read import CT_CLASSES
from drai_cli.io.intensity import HU, Intensity
from drai_cli.io.window import HU_RANGE, Window, parse_window
from drai_cli.machine.memory import raise_if_short
from drai_cli.progress import Reporter


def find_dicom_set(tree: Tree, folders: Folders, options: SetOptions, reporter: Reporter) -> ImageSet:
    """The set that a tree of DICOM files makes, one image a frame.

    Label, conditions and group are columns of tables, DICOM keywords, or `folder`.

    Raises:
        InputError: No images, or rows that contradict each other.
        UsageError: An unknown column or keyword, or no label.
    """
    if not options.label and not options.metadata and not tree.tables:
        # Raises, before thousands of headers are read.
        choose_label(None, options, folders, reporter, has_headers=True)
    names = [name for name in tree.medical[DICOM.name] if name not in folders.masks]
    headers = list(read_dicom_items(tree, names, wanted_keywords(options)))
    images, skipped = _set_aside(headers, reporter)
    tables = find_tables(tree, images, folders, True, options, reporter)
    label = choose_label(tables, options, folders, reporter, has_headers=True)
    is_column = tables is not None and label in tables.described.columns
    if label in (FOLDER, SUBFOLDER) and not is_column and not folders.classes:
        refuse_unlabelled(tree, folders, [item.name for item in images], "DICOM files")
    listing = list_set(
        tree, images, folders, tables, label, options, reporter, noun="DICOM files", hides=True
    )
    entries: list[Entry] = []
    frames: dict[str, tuple[str, int]] = {}
    for file in listing.files:
        item = file.item
        for frame in range(item.frames):
            name = item.name if item.frames == 1 else f"{item.name}#{frame}"
            frames[name] = item.name, frame
            entries.append(Entry(name, file.values, file.group, file.part))
    chosen = parse_window(options.window)
    is_ct = bool(images) and all(item.values.get(SOP_CLASS) in CT_CLASSES for item in images)
    if chosen.choice == "auto" and is_ct:
        chosen = Window("range", low=HU_RANGE[0], high=HU_RANGE[1])
        reporter.info(
            f"CT: {HU_RANGE[0]:g} to {HU_RANGE[1]:g} HU are shown from black to white; --window changes this"
        )
    return ImageSet(
        DICOM.name, tree.root, label, listing.conditions, listing.group or FILE, tuple(entries),
        VolumePixels(tree.root, frames, chosen, aspects={item.name: item.aspect for item in images}),
        (*tree.skipped, *skipped, *listing.skipped),
        _intensity(chosen, HU if is_ct else ""), f"window {chosen}", listing.findings,
    )  # fmt: skip


def _set_aside(headers: Sequence[Item], reporter: Reporter) -> tuple[list[Item], list[tuple[str, str]]]:
    """The files that are images, and those that cannot be read, with the reason; the others are counted."""
    foreign, message = find_foreign({item.name: item.role for item in headers if item.role is not None})
    if message:
        reporter.warn(message)
    headers = [item for item in headers if item.name not in foreign]
    refused = Counter(item.refusal for item in headers if item.refusal and not item.is_broken)
    for refusal, count in refused.most_common(5):
        reporter.warn(f"{count} DICOM files are left out: {refusal}")
    images = [item for item in headers if not item.refusal]
    return images, [(item.name, item.refusal) for item in headers if item.is_broken]


def find_volume_set(
    tree: Tree, kind: str, folders: Folders, options: SetOptions, reporter: Reporter
) -> ImageSet:
    """The set of slices of volumes of a medical format; a split never cuts through a volume.

    Raises:
        InputError: No volumes, no labels, or rows that contradict each other.
        UsageError: An unknown column.
    """
    items = list_files([name for name in tree.medical[kind] if name not in folders.masks])
    chosen = parse_window(options.window)
    axis, slices = options.axis or "axial", options.slices or "all"
    tables = find_tables(tree, items, folders, True, options, reporter)
    if tables is None and not folders.classes:
        refuse_unlabelled(tree, folders, [item.name for item in items], "volumes")
    label = choose_label(tables, options, folders, reporter)
    listing = list_set(tree, items, folders, tables, label, options, reporter, noun="volumes", hides=True)
    entries: list[Entry] = []
    frames: dict[str, tuple[str, int]] = {}
    aspects: dict[str, float] = {}
    skipped: list[tuple[str, str]] = []
    for file in listing.files:
        name = file.item.name
        try:
            indices = choose_slices(tree.root, name, axis, slices)
            aspects[name] = plane_aspect(tree.root / name, axis)
        except InputError as error:
            raise_if_short(error, name)
            skipped.append((name, error.message))
            continue
        for index in indices:
            frames[f"{name}#{index}"] = name, index
            entries.append(Entry(f"{name}#{index}", file.values, file.group, file.part))
    return ImageSet(
        kind, tree.root, label, listing.conditions, listing.group or FILE, tuple(entries),
        VolumePixels(tree.root, frames, chosen, axis, aspects), (*tree.skipped, *skipped, *listing.skipped),
        _intensity(chosen, ""), f"window {chosen}, axis {axis}, slices {slices}", listing.findings,
    )  # fmt: skip


def _intensity(window: Window, unit: str) -> Intensity | None:
    """What levels mean, where all images have one window."""
    return Intensity(unit, window.low, window.high, "uint16") if window.choice == "range" else None
