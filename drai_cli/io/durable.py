"""Waits until files and names are on the disk, and tells what a power cut leaves of a file. Knows no contents."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where system and disk can tell."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Waits until every file in a folder and below, and its name, is on the disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            with suppress(OSError), open(Path(place, name), "rb+") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))


def sync_disk(folder: Path) -> None:
    """Waits until everything that was written to the disk of a folder is on it: one wait for many files."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            # Linux waits for one disk with syncfs, and for all of them with sync.
            syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
            if (syncfs is None or syncfs(descriptor) != 0) and hasattr(os, "sync"):
                os.sync()
        finally:
            os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Makes a folder, and those above it, where they are missing, and waits until their names are on the disk.

    Raises:
        OSError: It cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def make_private_folders(folder: Path) -> None:
    """Makes a folder that only this user can open, and those above it where they are missing.

    Raises:
        OSError: It cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def is_torn(found: bytes, whole: bytes) -> bool:
    """Whether a power cut may leave this of a file: its beginning, the rest missing or zeros."""
    written = found.rstrip(b"\0")
    return found != whole and len(found) <= len(whole) and whole.startswith(written)
