"""What lies in a set's folder and is not used as images: masks, copies, other files, and tables that are not read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from drai_cli.data.archive import SUFFIXES
from drai_cli.data.derived_files import find_doubled
from drai_cli.data.folders import Folders, read_folders
from drai_cli.data.matching.match import are_equal
from drai_cli.data.tree import Tree
from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.progress import Reporter
from drai_cli.tables.table import OTHER_TABLES, hint_for_table, is_table, read_header

_CHANGED = re.compile(r"augment|(?:^|[-_ /])aug(?=[-_ /]|$)", re.IGNORECASE)
_PIXELS = re.compile(r"pixels?|pixels?[-_ ]?\d+", re.IGNORECASE)
_FEW_PIXELS = 16


def folders_of(tree: Tree, names: list[str], reporter: Reporter) -> Folders:
    """What the folders are, once copies and masks are set aside; both are said."""
    doubled = {
        name
        for name, outer in find_doubled(names).items()
        if are_equal([tree.root / name, tree.root / outer])
    }
    if doubled:
        reporter.info(
            f"{len(doubled)} images lie twice, equal byte for byte, in folders inside folders, such as "
            f"{min(doubled)}: each is taken once"
        )
        names[:] = [name for name in names if name not in doubled]
    folders = read_folders(names)
    if folders.masks:
        reporter.info(
            f"{len(folders.masks)} files are masks or label maps, overlays or thumbnails by their names and are left "
            f"out, such as {min(folders.masks)}"
        )
    if folders.set_aside:
        reporter.warn(
            f"folder {folders.set_aside!r} beside the class folders is no class by its name: its images are left out; "
            "if it is a class, rename it; if it is a test part, sort its images and the others into class folders"
        )
    if folders.folds:
        reporter.warn(
            f"folders {folders.folds[0]} to {folders.folds[-1]} look like folds of a cross-validation and are not "
            "used: call one of them test, and the others train, to keep such a split"
        )
    changed = [name for name in names if _CHANGED.search(name)] if folders.classes else []
    if changed and len(changed) < len(names):
        reporter.warn(
            f"{len(changed)} images are called augmented, such as {changed[0]}: changed copies of one image in several "
            "parts of the split make results too optimistic; leave them out, or group copies with --group-pattern"
        )
    return folders


def say_not_used(tree: Tree, reporter: Reporter) -> None:
    """Says how many files are neither images nor of another kind that sets consist of."""
    others = {
        suffix: n
        for suffix, n in tree.others.items()
        if not is_table(f"x{suffix}") and suffix not in (".npz", ".gz", *OTHER_TABLES)
    }
    for suffix in OTHER_TABLES:
        if count := tree.others[suffix]:
            reporter.warn(
                f"{count} {suffix} files may be tables and are not read: {hint_for_table(f'FILE{suffix}')}"
            )
    if others and tree.images:
        listed = ", ".join(f"{suffix} {count}" for suffix, count in Counter(others).most_common(4))
        reporter.info(f"{sum(others.values())} other files are skipped ({listed})")
    hint = hint_for(tree, besides=OTHER_TABLES)
    if hint and tree.names:
        reporter.warn(f"files that hold images but are not read: {hint}")


def hint_for(tree: Tree, besides: Sequence[str] = ()) -> str:
    """What to do with the most frequent files of a well-known format that is not read; empty where there is none."""
    if archives := _hint_for_archives(tree):
        return archives
    for suffix, count in tree.others.most_common():
        if suffix not in besides and (hint := registry.hint_for(f"a{suffix}")):
            return f"{count} {suffix}: {hint}"
    return ""


def _hint_for_archives(tree: Tree) -> str:
    """What to type for zip and tar files that are not unpacked beside themselves; empty where there is none."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in tree.archives:
        length = next(len(one) for one in SUFFIXES if name.lower().endswith(one))
        if not (tree.root / name[:-length]).is_dir():
            found[name.rpartition("/")[0], name[-length:]].append(name)
    if not found:
        return ""
    (folder, suffix), names = max(found.items(), key=lambda one: len(one[1]))
    if len(names) == 1:
        return f"1 {suffix}: to read that one, give it as the path: {tree.root / names[0]}"
    pattern = str(tree.root / folder / f"*{suffix}")
    return (
        f'{len(names)} {suffix}: unpack each into a folder of its own: python -c "import glob, shutil; '
        f'[shutil.unpack_archive(f, f[:-{len(suffix)}]) for f in glob.glob({pattern!r})]"'
    )


def refuse_pixel_columns(tree: Tree) -> None:
    """Stops at tables whose cells are the images' grey values (`pixels` of FER2013, `pixel0000` … of others).

    Raises:
        InputError: Naming such a table.
    """
    for name in tree.tables[:10]:
        columns = read_header(tree.root / name)
        pixels = [column for column in columns if _PIXELS.fullmatch(column)]
        if len(pixels) >= _FEW_PIXELS or (len(pixels) == 1 and len(columns) < _FEW_PIXELS):
            raise InputError(
                tree.root / name,
                f"expected a table that names images, got one that holds their pixels (column {pixels[0]!r})",
                "write each row's pixels as a PNG file, and its name in their place into the table",
            )
