"""The tables in a set's folder that may describe it, and what is said where none does. Reads names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from drai_cli.data.tree import Tree
from drai_cli.errors import InputError
from drai_cli.progress import Reporter
from drai_cli.tables.table import is_table, list_columns

SUBMISSION = re.compile(r"submission|sample[-_ ]?solution", re.IGNORECASE)
"""A competition's example of an answer, by its name: it holds no true labels."""
_MOST_TABLES = 60
_MOST_JSON = 10


def list_candidates(tree: Tree, top: str, reporter: Reporter) -> tuple[list[Path], list[Path]]:
    """The tables directly in the set's folder, or else in the first wrapper folder that has any; and those deeper.

    Many tables in folders, and many JSON files in one, hold something of each image and are not looked at.
    """
    folders = [""]
    for folder in top.rstrip("/").split("/"):
        folders.append(f"{folders[-1]}{folder}/")
    json = Counter(_folder_of(name) for name in tree.tables if name.lower().endswith(".json"))
    tables = [
        name
        for name in tree.tables
        if not (name.lower().endswith(".json") and json[_folder_of(name)] > _MOST_JSON)
    ]
    near: set[str] = set()
    for folder in folders:
        near = {name for name in tables if name.startswith(folder) and "/" not in name[len(folder) :]}
        if near:
            break
    deeper = sorted((name for name in tables if name not in near), key=lambda name: (name.count("/"), name))
    if len(deeper) > _MOST_TABLES:
        reporter.info(
            f"{len(deeper)} tables in folders are not looked at, such as {deeper[0]}; --metadata names one"
        )
        deeper = []
    return [tree.root / name for name in sorted(near)], [tree.root / name for name in deeper]


def _folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def refuse_unknown_columns(tree: Tree, headers: Mapping[Path, frozenset[str]]) -> None:
    """Raises: images with a table whose columns are unknown, and perhaps class folders as well."""
    path = next(iter(headers))
    columns = list_columns(sorted(headers[path]))
    folders = {name.split("/", 1)[0] for name in tree.images if "/" in name}
    or_folders = "; or take the folders as classes with --kind class-folders" if len(folders) > 1 else ""
    raise InputError(
        tree.root,
        f"a table with unknown columns ({path.name}) lies next to {len(tree.images)} images",
        f"--metadata {path} --image-column COLUMN --label COLUMN (it has: {columns}){or_folders}",
    )


def refuse_loose(tree: Tree) -> None:
    """Stops at images in no class folder where a table lies next to their folder; only its name is read.

    Raises:
        InputError: Naming the table.
    """
    if not tree.images or any("/" in name for name in tree.images):
        return
    parent = tree.root / ".." if tree.root.name in ("", "..") else tree.root.parent
    tables: list[Path] = []
    with suppress(OSError):  # this user may not be allowed to list it
        tables = [
            path for path in sorted(parent.iterdir()) if is_table(path.name) and _is_inside(path, parent)
        ]
        tables.sort(key=lambda path: SUBMISSION.search(path.name) is not None)
    if tables:
        first, *others = tables[:5]
        raise InputError(
            tree.root,
            f"expected class folders with images, got {len(tree.images)} images in none",
            f"if a table next to that folder describes them, name it: --metadata {first} --label COLUMN"
            + (f" (there are also {', '.join(map(str, others))})" if others else ""),
        )


def _is_inside(path: Path, root: Path) -> bool:
    """Whether it is a file of the set: a link out of it is followed only where the user names it."""
    return not path.name.startswith(".") and path.is_file() and path.resolve().is_relative_to(root.resolve())
