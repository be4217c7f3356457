"""Memory that runs out, and devices that are gone: how each is known, and passes that shrink until they fit.

Standard library only: what is loaded of torch is known by name, so that nothing has to load it.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Found = TypeVar("Found")

# Of torch on a CPU (a plain RuntimeError) and on MPS, of cuDNN and cuBLAS, ONNX Runtime and the C++ library.
_NO_MEMORY = (
    "allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "bad allocation",
    "could not create a primitive", "could not create a memory",  # oneDNN, which gives no reason
)  # fmt: skip
_GONE = ("CUDA error", "CUDA driver error", "CUDNN_STATUS_", "CUBLAS_STATUS_", "NCCL error")


class SmallerBatchWarning(UserWarning):
    """Memory ran out, and the work goes on with fewer images at once."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not memory enough, of the machine or of its GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # ONNX Runtime's errors are children of Exception; others that quote such words are not about memory.
    is_machine = isinstance(error, RuntimeError) or type(error).__module__.split(".")[0] == "onnxruntime"
    return is_machine and any(words in str(error) for words in _NO_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether an error says that the GPU failed or vanished: after it nothing can be computed there."""
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "AcceleratorError" or str(error).startswith(_GONE)


def free_memory() -> None:
    """Gives back what nobody uses: cycles of objects, and blocks that torch keeps for later."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


class PassSize:
    """How many images a pass takes: as many as asked for, until memory runs out.

    Args:
        most: To begin with.
        note: What is said of a smaller size beside the numbers.

    Attributes:
        now: Images a pass.
        told: Images a pass that the user knows of.
        let_go: Called when memory has run out, before the same pass is tried again: frees what its owner holds.
    """

    def __init__(self, most: int, note: str = "") -> None:
        self.now = self.told = max(1, most)
        self.note = note
        self.let_go: Callable[[], None] = _nothing

    def tell(self) -> None:
        """Warns where passes have become smaller than the user knows."""
        if self.now < self.told:
            warn_smaller(self.told, self.now, self.note)
            self.told = self.now


def warn_smaller(before: int, now: int, note: str = "") -> None:
    """Says how many images at once were too many, and with how many the work goes on."""
    text = f"out of memory at {before} images; going on with {now}{note}"
    warnings.warn(text, SmallerBatchWarning, stacklevel=2)


def in_passes(rows: int, size: PassSize, one_pass: Callable[[slice], Found]) -> Iterator[Found]:
    """What `one_pass` makes of consecutive rows, as many at a time as `size` says.

    A pass for which there is no memory is tried once more when what can be freed is free, and then in halves. It must
    therefore be repeatable: draw its randomness elsewhere.

    Raises:
        MemoryError, RuntimeError: As `one_pass` did, where not even one row fits.
    """
    start, is_again = 0, False
    while start < rows:
        stop = min(start + size.now, rows)
        try:
            found = one_pass(slice(start, stop))
        except Exception as error:
            if not is_out_of_memory(error) or (is_again and size.now == 1):
                raise
        else:
            size.tell()
            yield found
            start, is_again = stop, False
            continue
        # Only out here is the error gone, and with it the frames that hold the pass's tensors.
        if is_again:
            size.now //= 2
        else:
            size.let_go()
            free_memory()
        is_again = True


def _nothing() -> None:
    """Nothing is held."""
