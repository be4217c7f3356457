"""Errors of memory that ran out and of lost devices, and passes that shrink until they fit.

Standard library only: torch is looked up among the loaded modules, never imported.
"""

from __future__ import annotations

import gc
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")

# From torch on a CPU (a plain RuntimeError) and on MPS, cuDNN and cuBLAS, ONNX Runtime and the C++ library.
_NO_MEMORY = (
    "allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "bad allocation",
    "could not create a primitive", "could not create a memory",  # oneDNN, which gives no reason
)  # fmt: skip
_ENOUGH = 1 << 30
_GONE = ("CUDA error", "CUDA driver error", "CUDNN_STATUS_", "CUBLAS_STATUS_", "NCCL error")


class SmallerBatchWarning(UserWarning):
    """Memory ran out, and work continues with fewer images at once."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the machine or its GPU had too little memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # ONNX Runtime's errors are direct children of Exception; other errors with such words are not about memory.
    is_machine = isinstance(error, RuntimeError) or type(error).__module__.split(".")[0] == "onnxruntime"
    return is_machine and any(words in str(error) for words in _NO_MEMORY)


def raise_if_short(error: BaseException, name: str) -> None:
    """Raises MemoryError if `error`, of a file that cannot be read, comes from a machine that is short of memory.

    Decoders raise MemoryError for a size that a broken file claims, too. A file that is left out for it is broken;
    one that is left out because memory was short would be missing from the set. So it is asked for what any sound
    file may take.

    Args:
        error: Any error; what it was raised from counts.
        name: Of the file.
    """
    seen: BaseException | None = error
    while seen is not None and not is_out_of_memory(seen):
        seen = seen.__cause__ or seen.__context__
    if seen is None:
        return
    try:
        bytes(_ENOUGH)  # the system gives it zeroed, so it is never filled
    except MemoryError:
        raise MemoryError(f"it ran out while {name} was read") from error


def is_device_lost(error: BaseException) -> bool:
    """Whether an error says that the GPU failed or disappeared, so that it cannot compute any more."""
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "AcceleratorError" or str(error).startswith(_GONE)


def free_memory() -> None:
    """Frees unused memory: cycles of objects, and blocks that torch caches."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


class _Limit:
    """The limit that is in force while any thread is inside `limit_memory`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before = (-1, -1)


_LIMIT = _Limit()


@contextmanager
def limit_memory(more_bytes: int) -> Iterator[None]:
    """Lets this process take so many bytes more than it has, where the system (Linux) can tell and limit that.

    What takes more raises its error of memory that ran out. Of threads that are inside at the same time, the first sets
    the limit, and the last lifts it.
    """
    with _LIMIT.lock:
        _LIMIT.inside += 1
        if _LIMIT.inside == 1:
            _LIMIT.before = _lower_limit(more_bytes)
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.inside -= 1
            if _LIMIT.inside == 0 and _LIMIT.before != _UNKNOWN:
                import resource

                resource.setrlimit(resource.RLIMIT_DATA, _LIMIT.before)


_UNKNOWN = (-2, -2)


def _lower_limit(more_bytes: int) -> tuple[int, int]:
    """Sets the soft limit of the process's data, unless a lower one holds; returns what it was."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[5]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = now + more_bytes
        if soft == resource.RLIM_INFINITY or wanted < soft:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
        return soft, hard
    except (ImportError, OSError, ValueError, IndexError):
        return _UNKNOWN


class PassSize:
    """The number of images per pass: as asked for, until memory runs out.

    Args:
        most: Images per pass at the start.
        note: Text to add to the warning of a smaller size.

    Attributes:
        now: Images per pass.
        told: Images per pass as last reported to the user.
        let_go: Called when memory has run out, before the same pass is tried again; frees what its owner has.
    """

    def __init__(self, most: int, note: str = "") -> None:
        self.now = self.told = max(1, most)
        self.note = note
        self.let_go: Callable[[], None] = _nothing

    def tell(self) -> None:
        """Warns if passes have become smaller since the last report."""
        if self.now < self.told:
            warn_smaller(self.told, self.now, self.note)
            self.told = self.now


def warn_smaller(before: int, now: int, note: str = "") -> None:
    """Warns how many images at once were too many, and with how many work continues."""
    text = f"out of memory at {before} images; continuing with {now}{note}"
    warnings.warn(text, SmallerBatchWarning, stacklevel=2)


def in_passes(rows: int, size: PassSize, one_pass: Callable[[slice], Result]) -> Iterator[Result]:
    """Yields the results of `one_pass` on consecutive rows, `size` rows at a time.

    A pass that runs out of memory is tried again after freeing what can be freed, and then in halves. It must therefore
    be repeatable: draw its randomness elsewhere.

    Raises:
        MemoryError, RuntimeError: From `one_pass`, if not even one row fits.
    """
    start, is_again = 0, False
    while start < rows:
        stop = min(start + size.now, rows)
        try:
            result = one_pass(slice(start, stop))
        except Exception as error:
            if not is_out_of_memory(error) or (is_again and size.now == 1):
                raise
        else:
            size.tell()
            yield result
            start, is_again = stop, False
            continue
        # Out of the except block the error is gone, and with it the frames that refer to the pass's tensors.
        if is_again:
            size.now //= 2
        else:
            size.let_go()
            free_memory()
        is_again = True


def _nothing() -> None:
    """Frees nothing."""
