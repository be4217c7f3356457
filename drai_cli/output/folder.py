"""Checks and fills the folder or file that a command writes; never replaces a user's files unasked.

Files are written to a hidden folder inside the output folder, the stage, and moved at the end, all or none. A list of
them is written before, so that the next command can remove what a killed one has moved.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.durable import make_folders, sync_folder, sync_tree
from drai_cli.io.files import atomic_writer, explain_os_error, make_inside, read_json, remove_left_over
from drai_cli.io.locks import hold_folder

_HIDDEN = ".drai"
_STAGE = ".drai-stage-"
_MOVING = ".drai-moving.json"


def check_folder(out: Path, overwrite: bool) -> None:
    """Checks that a command may fill the folder `out`.

    Raises:
        InputError: It cannot be read.
        OverwriteError: It is a file, or holds more than a killed command left and is not to be overwritten.
    """
    try:
        if out.exists() and not out.is_dir():
            raise OverwriteError(out, "it is a file", "choose another --out")
        if out.exists() and not overwrite:
            others = {path.name for path in out.iterdir() if not path.name.startswith(_HIDDEN)}
            if others - set(_list_moved(out)):
                raise OverwriteError(
                    out,
                    "the folder is not empty",
                    "choose another --out (--overwrite replaces files of the same names and keeps the others)",
                )
    except OSError as error:
        raise InputError(out, f"cannot be read ({error.strerror})") from error


def check_file(out: Path, overwrite: bool, option: str = "--out") -> None:
    """Checks that a command may write the file `out`, the value of `option`. The folder is made after the work.

    Raises:
        InputError: Its folder neither exists nor can be made.
        OverwriteError: It exists and is not to be overwritten, or is a folder.
    """
    _check_parent(out)
    remove_left_over(out.parent, out.name)
    if out.is_dir():
        raise OverwriteError(out, "it is a folder", f"choose another {option}")
    if out.exists() and not overwrite:
        raise OverwriteError(out, "it exists already", f"choose another {option}, or --overwrite")


def _check_parent(out: Path) -> None:
    """Checks that the folder of `out` exists or can be made."""
    parent = out.absolute().parent
    existing = next((folder for folder in (parent, *parent.parents) if folder.exists()), parent)
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return
    reason = "permission denied" if existing.is_dir() else f"{existing} is no folder"
    verb = "written to" if existing == parent and existing.is_dir() else "made"
    raise InputError(out.parent, f"cannot be {verb} ({reason})", "name a file in another folder")


def make_parent(out: Path, inside: Path | None = None) -> None:
    """Makes the folder of the file `out`; arguments and errors as `make_folder`."""
    make_folder(out.parent, inside=inside)


def make_folder(folder: Path, hint: str = "check its permissions", inside: Path | None = None) -> None:
    """Makes a folder, and those above it, if it does not exist; `hint` is that of the error.

    Args:
        folder: Which.
        hint: Of the error.
        inside: The output folder that it is a part of, if it is: then neither it nor one between may be a link.

    Raises:
        InputError: It cannot be made, or is a link.
    """
    try:
        make_folders(folder) if inside is None else make_inside(inside, folder)
    except OSError as error:
        reason = explain_os_error(error, folder.parent)
        raise InputError(folder, f"cannot be made ({reason})", hint) from error


@contextmanager
def open_stage(out: Path, overwrite: bool, command: str) -> Iterator[Path]:
    """Yields a hidden folder inside `out`, and moves its files to `out` at the end, all or none.

    Args:
        out: Made if it does not exist, and then removed after a failure.
        overwrite: Whether to replace existing files.
        command: What other commands report as writing to it (`drai pull`).

    Raises:
        InputError: It cannot be written.
        OverwriteError: It holds other files, or another command is writing to it.
    """
    with hold_folder(out, command):
        stage: Path | None = None
        try:
            _remove_moved(out)
            check_folder(out, overwrite)
            stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=out))
            yield stage
            check_folder(out, overwrite)  # others may have written to it since the start
            _move(stage, out)
        except OSError as error:
            raise InputError(
                error.filename or out,
                f"cannot be written ({explain_os_error(error, out)})",
                "check the free space and the permissions",
            ) from error
        finally:
            if stage is not None:
                shutil.rmtree(stage, ignore_errors=True)


def _move(stage: Path, out: Path) -> None:
    paths = sorted(stage.iterdir())
    sync_tree(stage)
    with atomic_writer(out / _MOVING) as file:
        file.write(json.dumps([stage.name, [path.name for path in paths]]).encode())
    for path in paths:
        os.replace(path, out / path.name)
    sync_folder(out)
    (out / _MOVING).unlink()


def _list_moved(out: Path) -> list[str]:
    """Names of the files that a killed command had moved."""
    try:
        stage, names = read_json(out / _MOVING)
        # Strangers may have made the folder: no name may lead out of it.
        return [
            name for name in map(str, names) if Path(name).name == name and not (out / stage / name).exists()
        ]
    except (OSError, InputError, ValueError, TypeError):
        return []


def _remove_moved(out: Path) -> None:
    """Removes what a killed command left. This process holds the folder's lock."""
    for name in _list_moved(out):
        with suppress(FileNotFoundError):
            (out / name).unlink()
    for stage in out.glob(f"{_STAGE}*"):
        if not stage.is_symlink():
            shutil.rmtree(stage, ignore_errors=True)
    (out / _MOVING).unlink(missing_ok=True)
    remove_left_over(out)
