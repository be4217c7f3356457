"""Where a command writes to: a folder filled whole or not at all, or a file, and never over somebody's files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.files import shown


def check_folder(out: Path, overwrite: bool) -> None:
    """Whether images may be written to `out`: new, empty, or to be overwritten.

    Raises:
        InputError: It cannot be looked at.
        OverwriteError: Something is there.
    """
    try:
        if out.exists() and not out.is_dir():
            raise OverwriteError(shown(out), "it is a file", "choose another --out")
        if out.exists() and not overwrite and any(True for _ in out.iterdir()):
            raise OverwriteError(
                shown(out), "the folder is not empty", "choose another --out, or --overwrite"
            )
    except OSError as error:
        raise InputError(shown(out), f"cannot be looked at ({error.strerror})") from error


def check_file(out: Path, overwrite: bool, option: str = "--out") -> None:
    """Whether a file may be written as `out`, which the user names by `option`: a new one, or one to be overwritten.

    Raises:
        OverwriteError: Something is there.
    """
    if out.is_dir():
        raise OverwriteError(shown(out), "it is a folder", f"choose another {option}")
    if out.exists() and not overwrite:
        raise OverwriteError(shown(out), "it is there already", f"choose another {option}, or --overwrite")


@contextmanager
def staged(out: Path, overwrite: bool) -> Iterator[Path]:
    """A hidden folder inside `out` whose files move into it at the end, all or none.

    Raises:
        InputError: It cannot be written.
        OverwriteError: Since the start, somebody else put something there.
    """
    is_new = not out.exists()
    stage: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".drai-", dir=out))
        yield stage
        _check_foreign(out, stage, overwrite)
        for path in sorted(stage.iterdir()):
            os.replace(path, out / path.name)
        stage.rmdir()
    except BaseException as error:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                out.rmdir()  # only if nothing is in it
        if isinstance(error, OSError):
            raise InputError(
                shown(error.filename or out),
                f"cannot be written ({(error.strerror or str(error)).lower()})",
                "look at the free space and the permissions",
            ) from error
        raise


def _check_foreign(out: Path, stage: Path, overwrite: bool) -> None:
    """Whether, since the start, somebody else put something there."""
    others = [path for path in out.iterdir() if not path.name.startswith(".drai-")]
    if others and not overwrite:
        raise OverwriteError(shown(out), "the folder is not empty any more", "choose another --out")
