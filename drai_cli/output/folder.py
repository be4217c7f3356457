"""Where a command writes to: a folder filled whole or not at all, or a file, and never over somebody's files.

A folder is filled by a stage inside it, hidden, whose files move into it at the end. Which ones is written down before,
so that what a killed command has moved is known and removed by the next.
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
from drai_cli.io.files import atomic_writer, explain_os_error, remove_left_over
from drai_cli.io.locks import hold_folder

_HIDDEN = ".drai"
_STAGE = ".drai-stage-"
_MOVING = ".drai-moving.json"


def check_folder(out: Path, overwrite: bool) -> None:
    """Whether images may be written to `out`: new, empty but for what a killed command left, or to be overwritten.

    Raises:
        InputError: It cannot be looked at.
        OverwriteError: Something is there.
    """
    try:
        if out.exists() and not out.is_dir():
            raise OverwriteError(out, "it is a file", "choose another --out")
        if out.exists() and not overwrite:
            left = set(_moved(out))
            others = [path.name for path in out.iterdir() if not path.name.startswith(_HIDDEN)]
            if set(others) - left:
                raise OverwriteError(
                    out,
                    "the folder is not empty",
                    "choose another --out (--overwrite replaces files of the same names, and leaves the others)",
                )
    except OSError as error:
        raise InputError(out, f"cannot be looked at ({error.strerror})") from error


def check_file(out: Path, overwrite: bool, option: str = "--out") -> None:
    """Whether a file may be written as `out`, which the user names by `option`: a new one, or one to be overwritten.

    Raises:
        InputError: The folder it would lie in is not there and cannot be made: said before the work, made after it.
        OverwriteError: Something is there.
    """
    _check_parent(out)
    remove_left_over(out.parent, out.name)
    if out.is_dir():
        raise OverwriteError(out, "it is a folder", f"choose another {option}")
    if out.exists() and not overwrite:
        raise OverwriteError(out, "it is there already", f"choose another {option}, or --overwrite")


def _check_parent(out: Path) -> None:
    """Whether the folders that lead to `out` are there or can be made."""
    there = out.absolute().parent
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return
    reason = "permission denied" if there.is_dir() else f"{there} is no folder"
    verb = "written to" if there == out.absolute().parent and there.is_dir() else "made"
    raise InputError(out.parent, f"cannot be {verb} ({reason})", "name a file in another folder")


def make_parent(out: Path) -> None:
    """Makes the folders that lead to `out`.

    Raises:
        InputError: They cannot be made.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(out.parent, f"cannot be made ({error.strerror})") from error


@contextmanager
def staged(out: Path, overwrite: bool, command: str) -> Iterator[Path]:
    """A hidden folder inside `out` whose files move into it at the end, all or none.

    Args:
        out: Made where it is missing, and gone again after a failure.
        overwrite: Files that are there may be replaced.
        command: What others are told that is writing to it (`drai pull`).

    Raises:
        InputError: It cannot be written.
        OverwriteError: Something is there, or another command is writing to it.
    """
    with hold_folder(out, command):
        stage: Path | None = None
        try:
            _remove_moved(out)
            check_folder(out, overwrite)
            stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=out))
            yield stage
            check_folder(out, overwrite)  # since the start, somebody else may have put something there
            _move(stage, out)
        except OSError as error:
            raise InputError(
                error.filename or out,
                f"cannot be written ({explain_os_error(error, out)})",
                "look at the free space and the permissions",
            ) from error
        finally:
            if stage is not None:
                shutil.rmtree(stage, ignore_errors=True)


def _move(stage: Path, out: Path) -> None:
    paths = sorted(stage.iterdir())
    with atomic_writer(out / _MOVING) as file:
        file.write(json.dumps([stage.name, [path.name for path in paths]]).encode())
    for path in paths:
        os.replace(path, out / path.name)
    (out / _MOVING).unlink()


def _moved(out: Path) -> list[str]:
    """Names of what a killed command has moved before it was done."""
    try:
        stage, names = json.loads((out / _MOVING).read_bytes())
        # Whoever prepared the folder, no name leads out of it.
        return [
            name for name in map(str, names) if Path(name).name == name and not (out / stage / name).exists()
        ]
    except (OSError, ValueError, TypeError):
        return []


def _remove_moved(out: Path) -> None:
    """Removes what a killed command left. The folder is this process's alone."""
    for name in _moved(out):
        with suppress(FileNotFoundError):
            (out / name).unlink()
    for stage in out.glob(f"{_STAGE}*"):
        shutil.rmtree(stage, ignore_errors=True)
    (out / _MOVING).unlink(missing_ok=True)
    remove_left_over(out)
