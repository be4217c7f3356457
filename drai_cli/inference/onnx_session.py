"""Runs an ONNX model from an untrusted source: it reads no other file, writes no log, and is stopped after a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.errors import UsageError, WeightsError
from drai_cli.machine.cores import usable_threads
from drai_cli.machine.memory import is_out_of_memory

AGAIN = "export it again"
CPU_PROVIDER = "CPUExecutionProvider"
MOST_SECONDS = 600.0  # per run: a graph may hold an endless loop; drai's graphs take well under a second
_SILENT = 4  # a log level of ONNX Runtime; errors are raised anyway


@dataclass(frozen=True)
class BoundedSession:
    """A session of ONNX Runtime with a time limit per run.

    Attributes:
        runtime: The package.
        session: Its session.
        subject: Of errors.
        hint: Of errors.
    """

    runtime: Any
    session: Any
    subject: str
    hint: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[Any]:
        """The outputs of one pass.

        Raises:
            WeightsError: It takes longer than `MOST_SECONDS`.
            Exception: ONNX Runtime raises it for a model that fails.
        """
        options = self.runtime.RunOptions()
        options.log_severity_level = _SILENT
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            options.terminate = True

        timer = threading.Timer(MOST_SECONDS, end)
        timer.daemon = True
        timer.start()
        try:
            results: list[Any] = self.session.run(outputs, feeds, options)
            return results
        except Exception as error:
            if not is_late.is_set():
                raise
            message = f"one pass took longer than {MOST_SECONDS:g} s and was stopped"
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
        session = runtime.InferenceSession(data, options, providers=[provider])
    return BoundedSession(runtime, session, str(path), hint)


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
