"""A session of ONNX Runtime on a model that anybody may have made: no other file, no log, no run without an end."""

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
MOST_SECONDS = 600.0  # a run: a graph may hold a loop; those of drai take well under a second
_SILENT = 4  # of ONNX Runtime's log levels: what is wrong is raised


@dataclass(frozen=True)
class BoundedSession:
    """ONNX Runtime's session, whose runs end.

    Attributes:
        runtime: The package.
        session: Its session.
        subject: What errors name.
        hint: The way out that they offer.
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
            Exception: What ONNX Runtime raises of a model that fails.
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
            found: list[Any] = self.session.run(outputs, feeds, options)
            return found
        except Exception as error:
            if not is_late.is_set():
                raise
            message = f"one pass takes longer than {MOST_SECONDS:g} s, so it was stopped"
            raise WeightsError(self.subject, message, self.hint) from error
        finally:
            timer.cancel()


def import_runtime(option: str = "--runtime onnx") -> Any:
    """ONNX Runtime, which an option asked for.

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
    """A session on a model's bytes, which can refer to no other file.

    Args:
        path: Where the bytes are from; errors name it.
        data: The model.
        runtime: The package.
        provider: Where it runs.
        hint: The way out that errors offer.
        threads: That share a run on the CPU; None: as many as `usable_threads` says.

    Raises:
        WeightsError: It is no model that can be run.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = threads or usable_threads()
    # Weights that lie in other files would be looked for in the working folder: below this there is none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    with explained(str(path), hint):
        session = runtime.InferenceSession(data, options, providers=[provider])
    return BoundedSession(runtime, session, str(path), hint)


@contextmanager
def explained(subject: str, hint: str) -> Iterator[None]:
    """What ONNX Runtime raises of a model, in words; that memory runs out, which is not the model's fault, as it is.

    Raises:
        WeightsError: It is no model that can be run.
    """
    try:
        yield
    except Exception as error:  # ONNX Runtime has no common class for what it raises
        # UnicodeDecodeError where its message is no UTF-8.
        known = isinstance(error, RuntimeError | UnicodeDecodeError)
        is_its_own = type(error).__module__.split(".")[0] == "onnxruntime" or known
        if is_out_of_memory(error) or not is_its_own:
            raise
        raise WeightsError(subject, f"is no ONNX model that can be run ({str(error)[:160]})", hint) from error
