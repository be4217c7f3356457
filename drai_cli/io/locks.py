"""One process at a time: locks that the kernel releases when their holder ends, however it ends.

They are advisory flocks on files that exist only while held, so the lock file of a killed process is simply taken over.
On NFS, Linux turns a flock into a lock on the server; where system or disk have no locks, nothing is locked.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.durable import make_folders
from drai_cli.io.files import explain_os_error, open_own, try_lock

_FOLDER_LOCK = ".drai.lock"


@contextmanager
def hold_lock(
    path: Path, command: str, subject: Path, waiting: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """Holds the lock file `path`, which exists only meanwhile; yields whether others are kept out.

    Args:
        path: In an existing folder.
        command: The holder's name in messages of others (`drai train`).
        subject: What it guards, for the error.
        waiting: Called with the holder's name before waiting for it; None: do not wait.

    Raises:
        OverwriteError: Another process holds it, and `waiting` is None.
        InputError: A link, or no regular file, has its name.
        OSError: The file cannot be made.
    """
    file, is_locked = _take(path, command, subject, waiting)
    try:
        yield is_locked
    finally:
        with suppress(OSError):  # still locked: whoever opened it before checks the name again
            path.unlink()
        file.close()


def remove_left_lock(path: Path) -> None:
    """Removes the lock file that a killed process left at `path`, if there is one, nobody holds it and it can be."""
    with suppress(OSError, OverwriteError, InputError):
        if path.exists():
            with hold_lock(path, "drai", path):
                pass


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file `path`; False where there are no locks, and for what is none."""
    try:
        if not path.exists():
            return False
        with open_own(path) as file:
            return try_lock(file) is False
    except (OSError, InputError):
        return False


@contextmanager
def hold_folder(folder: Path, command: str) -> Iterator[None]:
    """Holds a folder against other commands; it is made where it is missing, and removed again if it stays empty.

    Raises:
        OverwriteError: Another command holds it, or it is a file.
        InputError: It cannot be made or written.
    """
    with ExitStack() as stack:
        try:
            check_no_file(folder)
            missing = [one for one in (folder, *folder.parents) if not one.exists()]
            make_folders(folder)
            lock = hold_lock(folder / _FOLDER_LOCK, command, folder)
            stack.callback(_remove_empty, missing)  # after the lock, which lies in the first of them
            stack.enter_context(lock)
        except OSError as error:
            raise InputError(
                folder,
                f"cannot be written ({explain_os_error(error, folder)})",
                "check the permissions, or choose another --out",
            ) from error
        yield


def _remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders, innermost first, up to the first that is not empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def check_no_file(folder: Path) -> None:
    """Whether a folder is there or can be made: neither it nor one above it is a file.

    Raises:
        OverwriteError: One is.
    """
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists():
            raise OverwriteError(place, "expected a folder, got a file", "choose another --out")


def _take(
    path: Path, command: str, subject: Path, waiting: Callable[[str], None] | None
) -> tuple[IO[bytes], bool]:
    has_waited = False
    while True:
        file = open_own(path)
        try:
            is_locked = try_lock(file, wait=has_waited)
            if is_locked is False:
                who = _holder(file)
                if waiting is None:
                    raise OverwriteError(
                        subject, f"{who} is writing it", "wait for it, or choose another --out"
                    )
                waiting(who)
                has_waited = True
            elif _is_at(file, path):
                _sign(file, command)
                return file, bool(is_locked)
        except BaseException:
            file.close()
            raise
        file.close()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether the locked file still has its name: its last holder removed it on release."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(file: IO[bytes], command: str) -> None:
    """Writes who holds it. On a full disk that stays unsaid; the lock holds all the same."""
    with suppress(OSError):
        file.seek(0)
        file.truncate()
        file.write(
            json.dumps({"command": command, "process": os.getpid(), "host": socket.gethostname()}).encode()
        )


def _holder(file: IO[bytes]) -> str:
    try:
        file.seek(0)
        holder = json.loads(file.read(4096))
        return f"{holder['command']} (process {holder['process']} on {holder['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another drai"
