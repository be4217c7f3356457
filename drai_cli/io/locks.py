"""One process at a time: locks that the kernel lets go of when their holder ends, however it ends.

They are advisory flocks on files that are there only while held, so a lock that a killed process left is simply taken.
On NFS Linux turns a flock into a lock of the server's; where system or disk know no locks, all is as without.
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
from drai_cli.io.files import try_lock, why

_FOLDER_LOCK = ".drai.lock"


@contextmanager
def held(
    path: Path, command: str, subject: Path, waiting: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """Holds the lock file `path`, which comes and goes with the lock; yields whether others are kept out.

    Args:
        path: In a folder that is there.
        command: What others are told that holds it (`drai train`).
        subject: What it guards, for the error.
        waiting: Told who holds it, before that is waited for; None: it is not waited for.

    Raises:
        OverwriteError: Another process holds it, and is not waited for.
        OSError: The file cannot be made.
    """
    file, is_locked = _take(path, command, subject, waiting)
    try:
        yield is_locked
    finally:
        with suppress(OSError):  # still locked: who opened it before looks at the name again
            path.unlink()
        file.close()


@contextmanager
def alone_in(folder: Path, command: str) -> Iterator[None]:
    """Holds a folder, made where it is missing, against other commands that hold it; gone again if it stays empty.

    Raises:
        OverwriteError: Another command holds it, or it is a file.
        InputError: It cannot be made or written.
    """
    with ExitStack() as stack:
        try:
            check_no_file(folder)
            missing = [one for one in (folder, *folder.parents) if not one.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            lock = held(folder / _FOLDER_LOCK, command, folder)
            stack.callback(_remove_empty, missing)  # after the lock, which lies in the first of them
            stack.enter_context(lock)
        except OSError as error:
            raise InputError(
                folder,
                f"cannot be written ({why(error, folder)})",
                "look at the permissions, or choose another --out",
            ) from error
        yield


def _remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders from the innermost on; the first that is not empty ends it."""
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
    is_told = False
    while True:
        file = open(path, "a+b", buffering=0)  # noqa: SIM115  closed by who lets go of the lock
        try:
            is_locked = try_lock(file, wait=is_told)
            if is_locked is False:
                who = _holder(file)
                if waiting is None:
                    raise OverwriteError(
                        subject, f"{who} is writing it", "wait for it, or choose another --out"
                    )
                waiting(who)
                is_told = True
            elif _is_at(file, path):
                _sign(file, command)
                return file, bool(is_locked)
        except BaseException:
            file.close()
            raise
        file.close()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether the locked file still has its name: who held it removed it when letting go."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(file: IO[bytes], command: str) -> None:
    """Says who holds it. On a full disk nobody is told; the lock holds all the same."""
    with suppress(OSError):
        file.truncate(0)
        file.write(
            json.dumps({"command": command, "process": os.getpid(), "host": socket.gethostname()}).encode()
        )


def _holder(file: IO[bytes]) -> str:
    try:
        file.seek(0)
        found = json.loads(file.read(4096))
        return f"{found['command']} (process {found['process']} on {found['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another drai"
