"""Opens and writes files: regular files only, never half a file. Input may come from strangers. Knows no contents."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from drai_cli.errors import InputError
from drai_cli.io.durable import make_folders, sync_folder
from drai_cli.progress import show_bytes

BROKEN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    EOFError,
    MemoryError,  # a size that was claimed, not there
    struct.error,
    zlib.error,
)
"""What every library's decoders are known to raise on broken files; each reader adds its library's own."""

MAX_FILE_BYTES = 1 << 30
"""Largest image file or table that is opened (1 GiB)."""

MAX_RECORD_BYTES = 64 << 20
"""Largest file of settings or records that is read whole (64 MiB)."""

MAX_SIDECAR_BYTES = 1 << 20
"""Largest record that one image brings along (1 MiB)."""

_TEMPORARY = re.compile(r"\.(.*)\.\d+-[0-9a-f]{8}\.tmp")
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


def open_regular(path: Path, *, max_bytes: int | None = MAX_FILE_BYTES) -> IO[bytes]:
    """Opens a regular file to read; a pipe, socket or device is refused without waiting for it.

    Raises:
        InputError: It is missing, may not be read, is no regular file, or is larger than `max_bytes`.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would block.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        _check_regular(path, os.stat(path))  # before opening, which may have an effect on a device
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be opened ({_reason(error)})") from error
    try:
        status = os.fstat(descriptor)
        _check_regular(path, status)
        if max_bytes is not None and status.st_size > max_bytes:
            raise InputError(path, f"expected at most {max_bytes} bytes, got {status.st_size}")
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def open_own(path: Path) -> IO[bytes]:
    """Opens a helper file (lock, journal) to read and write, unbuffered; it is made where it is missing, not emptied.

    Strangers may have made its folder, so nothing but a regular file without a second name is opened: what is written
    to a link would change a file elsewhere.

    Raises:
        InputError: A link, or no regular file, has its name.
        OSError: It cannot be made or opened.
    """
    with suppress(FileNotFoundError):
        _check_own(path, os.lstat(path))  # before opening, which may have an effect on a device
    names = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC", "O_NOINHERIT")  # not every system has all
    flags = os.O_RDWR | os.O_CREAT
    for name in names:
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refuse_link(path) from error
        raise
    try:
        _check_own(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "r+b", buffering=0)


def _check_own(path: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode) or status.st_nlink > 1:
        raise _refuse_link(path)
    _check_regular(path, status)


def _refuse_link(path: Path) -> InputError:
    return InputError(path, "expected a file or folder of drai's own, got a link", "remove the link")


def make_inside(root: Path, folder: Path) -> None:
    """Makes a folder below `root` where it is missing; nothing is written through a link below `root`.

    Raises:
        InputError: It, or one above it, is a link.
        OSError: It cannot be made.
    """
    check_inside(root, folder)
    make_folders(folder)


def check_inside(root: Path, folder: Path) -> None:
    """Checks that no folder on the way from `root`, which may itself be a link, to `folder` is a link.

    Raises:
        InputError: One is.
    """
    place = root
    for name in folder.relative_to(root).parts:
        place = place / name
        if place.is_symlink():
            raise _refuse_link(place)


@contextmanager
def utf8_path(path: Path) -> Iterator[str]:
    """A path for libraries that take UTF-8 only: where the name has other bytes (on Linux), that of a descriptor."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        with open_regular(path, max_bytes=None) as file:
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        yield os.fspath(path)


def expand_home(path: str) -> Path:
    """A path whose `~` or `~name` is that user's home; as it is where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _check_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(path, f"expected a file, got {_kind_of(status.st_mode)}")


def read_json(path: Path) -> Any:
    """What a JSON file of at most `MAX_RECORD_BYTES` holds.

    Raises:
        InputError: It cannot be read, is too large, or is no JSON in UTF-8.
    """
    with open_regular(path, max_bytes=MAX_RECORD_BYTES) as file:
        raw = file.read()
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, "it is no JSON, or damaged") from error


@contextmanager
def atomic_writer(path: Path, *, sync: bool = True, earlier: Path | None = None) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when complete; on any failure the earlier file is kept.

    Args:
        path: Its name.
        sync: Wait until it is on the disk, so that a power cut leaves it whole or not there. Without, the caller calls
            `sync_disk` before anything says that it is there.
        earlier: The name that the file with this name, if there is one, gets instead of being replaced.
    """
    temporary: Path | None = None
    try:
        file, temporary = _open_temporary(path)
        with file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if earlier is not None and path.exists():
            os.replace(path, earlier)
        os.replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        _remove(temporary)
        raise InputError(
            path,
            f"cannot be written ({explain_os_error(error, path.parent)})",
            f"check the free space and the permissions{'; the earlier file is kept' if _exists(path) else ''}",
        ) from error
    except BaseException:
        _remove(temporary)
        raise


def _shorten(name: str) -> str:
    """The beginning of a name, so short that more can be added: names have at most 255 bytes."""
    name = name[:100]
    while len(os.fsencode(name)) > 200:
        name = name[:-1]
    return name


def _open_temporary(path: Path) -> tuple[IO[bytes], Path]:
    """A new hidden file next to `path`; its lock says that it is in use."""
    while True:
        temporary = path.with_name(f".{_shorten(path.name)}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
        file = open(temporary, "xb")  # noqa: SIM115  closed by the caller
        # Another process may have removed it as left over, before it was locked.
        if try_lock(file) is not False and temporary.exists():
            return file, temporary
        file.close()


def remove_left_over(folder: Path, name: str | None = None) -> None:
    """Removes what killed `atomic_writer`s left in a folder; not what another process is writing.

    Args:
        folder: Where; it need not exist.
        name: Only what was to become this file.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            is_wanted = match and (name is None or match[1] == _shorten(name))
            if is_wanted and entry.is_file(follow_symlinks=False):
                with suppress(OSError, InputError), open_own(Path(entry.path)) as file:
                    if try_lock(file):
                        os.unlink(entry.path)


def try_lock(file: IO[bytes], *, wait: bool = False) -> bool | None:
    """Locks an open file for this process until it is closed; None where system or disk have no locks.

    Args:
        file: The lock is an advisory one of the kernel's: it ends with the process, however that ends.
        wait: Wait for the holder. Without, the result is False where another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def explain_os_error(error: OSError, folder: Path) -> str:
    """The system's message in lower case, with the free space where that has run out."""
    reason = _reason(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        with suppress(OSError):
            return f"{reason}, {show_bytes(free_bytes(folder))} free"
    return reason


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write there, or where it would be made; OSError if that is not known."""
    for place in (folder.absolute(), *folder.absolute().parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            return shutil.disk_usage(place).free
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with open_regular(path, max_bytes=None) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _exists(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file()
    return False


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):  # on a disk that turned read-only it stays
            path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _kind_of(mode: int) -> str:
    names = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return names.get(stat.S_IFMT(mode), "something else")
