"""Runs an ONNX model from an untrusted source: it reads no other file, writes no log, and is stopped after a time."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.errors import UsageError, WeightsError
from drai_cli.machine.cores import usable_threads
from drai_cli.machine.memory import is_out_of_memory, limit_memory

AGAIN = "export it again"
CPU_PROVIDER = "CPUExecutionProvider"
MOST_SECONDS = 600.0  # per run: a graph may hold an endless loop; drai's graphs take well under a second
_MOST_LOAD_SECONDS = 60.0
_MOST_SMALL_SECONDS = 15.0  # to load a model under 1 MiB, and for each of its runs
# A bundled generator takes 100 MB to load. The limit lets in ten times that.
_LOAD_BYTES, _LOAD_BYTES_PER_BYTE = 900 << 20, 24
_SMALL_BYTES = 1 << 20
_SILENT = 4  # a log level of ONNX Runtime; errors are raised anyway


@dataclass(frozen=True)
class BoundedSession:
    """A session of ONNX Runtime with a time limit per run.

    Attributes:
        runtime: The package.
        session: Its session.
        subject: Of errors.
        hint: Of errors.
        file_bytes: Of the model. A pass of a small one may not take much memory.
    """

    runtime: Any
    session: Any
    subject: str
    hint: str
    file_bytes: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[Any]:
        """The outputs of one pass.

        Raises:
            WeightsError: It takes longer than `MOST_SECONDS`, or `_MOST_SMALL_SECONDS` of a small model.
            Exception: ONNX Runtime raises it for a model that fails.
        """
        options = self.runtime.RunOptions()
        options.log_severity_level = _SILENT
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            options.terminate = True

        is_small = self.file_bytes < _SMALL_BYTES
        most_seconds = min(MOST_SECONDS, _MOST_SMALL_SECONDS) if is_small else MOST_SECONDS
        timer = threading.Timer(most_seconds, end)
        timer.daemon = True
        timer.start()
        try:
            with limit_memory(_LOAD_BYTES) if is_small else nullcontext():
                results: list[Any] = self.session.run(outputs, feeds, options)
            return results
        except Exception as error:
            if not is_late.is_set():
                raise
            message = f"one pass took longer than {most_seconds:g} s and was stopped"
            raise WeightsError(self.subject, message, self.hint) from error
        finally:
            timer.cancel()


def import_runtime(option: str = "--runtime onnx") -> Any:
    """Imports ONNX Runtime for an option.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            option, "needs ONNX Runtime, which is not installed", "pip install 'drai-cli[onnx]'"
        ) from error
    return onnxruntime


def start_session(
    path: Path,
    data: bytes,
    runtime: Any,
    provider: str = CPU_PROVIDER,
    hint: str = AGAIN,
    threads: int | None = None,
) -> BoundedSession:
    """A session on a model's bytes; the model cannot refer to other files.

    Args:
        path: Source of the bytes, named in errors.
        data: The model.
        runtime: The package.
        provider: Where it runs.
        hint: Of errors.
        threads: Threads per run on the CPU; None: `usable_threads()`.

    Raises:
        WeightsError: The model cannot be run.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = threads or usable_threads()
    # By default, external weights are read from the working folder; this folder has no files.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    with explain_failures(str(path), hint):
        session = _load(
            path,
            hint,
            lambda: runtime.InferenceSession(data, options, providers=[provider]),
            len(data),
            provider == CPU_PROVIDER,
        )
    return BoundedSession(runtime, session, str(path), hint, len(data))


def _load(path: Path, hint: str, load: Callable[[], Any], file_bytes: int, is_on_cpu: bool) -> Any:
    """The loaded model, in bounded time and memory: constants of any size may be computed while it is loaded.

    Raises:
        WeightsError: It takes longer than a model of its size may, or more memory than its size warrants.
    """
    found: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            found.put((load(), None))
        except BaseException as error:
            found.put((None, error))

    # ONNX Runtime cannot be stopped here; the thread ends with the process.
    # A GPU's driver reserves memory as it likes, so only loading for the CPU is limited.
    limit = limit_memory(_LOAD_BYTES + _LOAD_BYTES_PER_BYTE * file_bytes) if is_on_cpu else nullcontext()
    most_seconds = _MOST_SMALL_SECONDS if file_bytes < _SMALL_BYTES else _MOST_LOAD_SECONDS
    with limit:
        threading.Thread(target=work, daemon=True).start()
        try:
            session, error = found.get(timeout=most_seconds)
        except queue.Empty:
            raise WeightsError(str(path), f"takes longer than {most_seconds:g} s to load", hint) from None
    if error is None:
        return session
    if is_out_of_memory(error):
        raise WeightsError(
            str(path), f"takes more memory to load than a model of {file_bytes} bytes should", hint
        ) from error
    raise error


@contextmanager
def explain_failures(subject: str, hint: str) -> Iterator[None]:
    """Raises ONNX Runtime's errors about a model as `WeightsError`; lack of memory and other errors are unchanged.

    Raises:
        WeightsError: The model cannot be run.
    """
    try:
        yield
    except Exception as error:  # ONNX Runtime has no common class for what it raises
        # UnicodeDecodeError if its message is no UTF-8.
        known = isinstance(error, RuntimeError | UnicodeDecodeError)
        is_its_own = type(error).__module__.split(".")[0] == "onnxruntime" or known
        if is_out_of_memory(error) or not is_its_own:
            raise
        raise WeightsError(subject, f"cannot be run as an ONNX model ({str(error)[:160]})", hint) from error
