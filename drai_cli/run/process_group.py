"""Several processes of one `drai train`: how they connect, how they notice a lost one, and which reports it.

Communication has no time limit, since the first process may measure a snapshot for minutes. Instead every process has a
connection to the first, which the system closes when a process ends. A machine that disappears closes nothing, so these
connections are probed.
"""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from drai_cli.errors import DraiError, ExitCode, UsageError
from drai_cli.machine.launch import Place, read_place
from drai_cli.progress import Reporter
from drai_cli.training.parallel import ALONE, LostProcessError, Processes, detect_loss

_MEETING = timedelta(minutes=5)
_WORK = timedelta(days=14)
_GOODBYE = b"."
# A process that ends has this long to say why, and one that notices it to end properly.
_LAST_WORDS_S = 4.0
# Probes of the silent connections: a machine that disappears is noticed in half a minute.
_PROBES = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


@contextmanager
def join_processes(device: torch.device, reporter: Reporter) -> Iterator[Processes]:
    """A context that joins the processes started by a launcher; without one there is only this process.

    Within the context, the first process with an error reports it; the others end silently.

    Raises:
        LostProcessError: Another process does not connect, or is lost.
        UsageError: Several processes cannot train on this device.
    """
    place = read_place()
    if place.size == 1:
        yield ALONE
        return
    if device.type not in ("cpu", "cuda"):
        raise UsageError(
            f"--device {device.type}",
            "several processes can train only on cpu or cuda",
            "add --device cpu, or start one process",
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with detect_loss():
        store, _, _ = next(rendezvous("env://", timeout=_MEETING))
        # A launcher that restarts them (--max-restarts) may keep its store.
        store = PrefixStore(f"drai-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    lines = Lifelines(place, store, reporter)
    before = _set_sigterm_handler(lines)
    try:
        with detect_loss():
            lines.connect()
            backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(
                backend, store=store, rank=place.rank, world_size=place.size, timeout=_WORK
            )
        processes = Processes(place.rank, place.size)
        yield processes
        processes.wait()  # none may leave while another still needs it
        lines.say_goodbye()
        dist.destroy_process_group()
    except LostProcessError as error:
        named = lines.name_lost(error)
        named.is_told = not lines.is_first_to_report()
        raise named from error
    except BaseException as error:
        is_first = lines.is_first_to_report()
        if isinstance(error, DraiError):
            error.is_told = not is_first
        raise
    finally:
        lines.close()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _set_sigterm_handler(lines: Lifelines) -> Any:
    """Makes SIGTERM ignored once another process is lost; returns the previous handler, None outside the main thread.

    A launcher sends SIGTERM as soon as a process has died, before the others could report it.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    before = signal.getsignal(signal.SIGTERM)

    def end_unless_lost(number: int, frame: FrameType | None) -> None:
        if lines.is_lost.is_set():
            return
        if callable(before):  # the command line's, which knows the exit code
            before(number, frame)
        else:
            raise KeyboardInterrupt

    return signal.signal(signal.SIGTERM, end_unless_lost)


class Lifelines:
    """Connections between the first process and each other; silent, and closed when either end of them ends.

    Args:
        place: Rank of this process and number of processes.
        store: The key-value store that all processes share.
        reporter: Reports a loss that nothing else has noticed.
    """

    def __init__(self, place: Place, store: Store, reporter: Reporter) -> None:
        self.place, self.store, self.reporter = place, store, reporter
        self.selector = selectors.DefaultSelector()
        self.lost: str | None = None
        self.is_lost = threading.Event()
        self.is_over = False

    def connect(self) -> None:
        """Connects, and watches the connections from then on.

        Raises:
            RuntimeError: The others did not connect in time.
        """
        try:
            if self.place.is_first:
                self._accept_all()
            else:
                self._call_first()
        except OSError as error:
            raise RuntimeError(str(error)) from error
        threading.Thread(target=self._watch, name="drai-lifelines", daemon=True).start()

    def say_goodbye(self) -> None:
        """Says that this process ends properly; from here on, the end of another is no loss."""
        self.is_over = True
        for key in list(self.selector.get_map().values()):
            with suppress(OSError):
                _socket_of(key).sendall(_GOODBYE)

    def close(self) -> None:
        """Closes the connections; without a goodbye the others know that something failed."""
        self.is_over = True
        for key in list(self.selector.get_map().values()):
            with suppress(OSError):
                _socket_of(key).shutdown(socket.SHUT_RDWR)

    def name_lost(self, error: LostProcessError) -> LostProcessError:
        """The error with the name of who is lost, where that is known; the first process knows, so it goes first."""
        self.is_lost.wait(_LAST_WORDS_S)
        if not self.place.is_first:
            time.sleep(_LAST_WORDS_S)
        return error if self.lost is None else LostProcessError(self.lost)

    def is_first_to_report(self) -> bool:
        """Whether this process is the first to report what ends all of them; may be called once."""
        try:
            return int(self.store.add("told", 1)) == 1
        except RuntimeError:  # the process with the store is lost: better several reports than none
            return True

    def _accept_all(self) -> None:
        token = secrets.token_hex(16)
        with closing(_listen()) as server:
            server.settimeout(_MEETING.total_seconds())
            self.store.set("lifeline", f"{token} {server.getsockname()[1]}")
            missing = set(range(1, self.place.size))
            while missing:
                connection, _ = server.accept()
                with suppress(OSError, ValueError):  # other connections are closed
                    connection.settimeout(10)
                    given, _, rank = connection.makefile("rb").readline(100).decode("ascii").partition(" ")
                    if given == token and int(rank) in missing:
                        missing.remove(int(rank))
                        self._keep(connection, f"process {int(rank)} of {self.place.size} (counted from 0)")

    def _call_first(self) -> None:
        token, _, port = self.store.get("lifeline").decode("ascii").partition(" ")
        address = os.environ["MASTER_ADDR"], int(port)
        connection = socket.create_connection(address, timeout=_MEETING.total_seconds())
        connection.sendall(f"{token} {self.place.rank}\n".encode("ascii"))
        self._keep(connection, "the first process, or another that it lost,")

    def _keep(self, connection: socket.socket, name: str) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _PROBES.items():
            if hasattr(socket, option):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self.selector.register(connection, selectors.EVENT_READ, name)

    def _watch(self) -> None:
        while self.selector.get_map():
            for key, _ in self.selector.select():
                try:
                    said = _socket_of(key).recv(1)
                except OSError:
                    said = b""
                self.selector.unregister(key.fileobj)
                if said != _GOODBYE and not self.is_over:
                    self._lose(str(key.data))

    def _lose(self, name: str) -> None:
        """Ends this process if its current work does not: a measurement, or a GPU that waits forever."""
        self.lost = name
        self.is_lost.set()
        time.sleep(3 * _LAST_WORDS_S)
        if not self.is_over:
            if self.is_first_to_report():
                self.reporter.error(LostProcessError(name))
            os._exit(ExitCode.NETWORK)


def _listen() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _socket_of(key: selectors.SelectorKey) -> socket.socket:
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj
