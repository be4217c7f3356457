"""Several processes of one `drai train`: how they meet, how they notice that one is gone, and who says so.

Waiting for each other has no time limit, since the first may measure a snapshot for minutes. That one has died is told
by its connection instead, which the system closes: every process holds one to the first. A machine that vanishes closes
nothing, so these connections are probed.
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
from drai_cli.machine.launch import Place, launched
from drai_cli.progress import Reporter
from drai_cli.training.parallel import ALONE, LostProcessError, Processes, detect_loss

_MEETING = timedelta(minutes=5)
_WORK = timedelta(days=14)
_GOODBYE = b"."
# A peer that ends has this long to say why, and a process that hears of it to end in good order.
_LAST_WORDS_S = 4.0
# Probes of a connection on which nothing is said, which is always: a vanished machine is noticed in half a minute.
_PROBES = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


@contextmanager
def joined(device: torch.device, reporter: Reporter) -> Iterator[Processes]:
    """Joins the processes that the launcher started with this one; alone, there is nothing to join.

    Within it an error is told by the process that first has it; the others end in silence.

    Raises:
        LostProcessError: One of the others does not come, or is gone.
        UsageError: The device is not one that several processes can train on.
    """
    place = launched()
    if place.size == 1:
        yield ALONE
        return
    if device.type not in ("cpu", "cuda"):
        raise UsageError(
            f"--device {device.type}",
            "several processes train on cpu or cuda",
            "--device cpu, or one process",
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with detect_loss():
        store, _, _ = next(rendezvous("env://", timeout=_MEETING))
        # A launcher that starts them again (--max-restarts) may keep its store.
        store = PrefixStore(f"drai-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    lines = Lifelines(place, store, reporter)
    before = _hear_of_the_end(lines)
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
        found = lines.name_lost(error)
        found.is_told = not lines.tells()
        raise found from error
    except BaseException as error:
        is_first = lines.tells()
        if isinstance(error, DraiError):
            error.is_told = not is_first
        raise
    finally:
        lines.close()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _hear_of_the_end(lines: Lifelines) -> Any:
    """Keeps what SIGTERM does, but for the end of another process; returns the handler, None outside the main thread.

    A launcher sends it at once when a process has died, and the others still have to say so: then it is not heeded.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        if lines.is_lost.is_set():
            return
        if callable(before):  # the command line's, which knows the exit code
            before(number, frame)
        else:
            raise KeyboardInterrupt

    return signal.signal(signal.SIGTERM, end)


class Lifelines:
    """A connection between the first process and each other one; silent, and closed when either ends.

    Args:
        place: This process's.
        store: Where they meet.
        reporter: Told of a loss that nothing else has noticed.
    """

    def __init__(self, place: Place, store: Store, reporter: Reporter) -> None:
        self.place, self.store, self.reporter = place, store, reporter
        self.selector = selectors.DefaultSelector()
        self.lost: str | None = None
        self.is_lost = threading.Event()
        self.is_over = False

    def connect(self) -> None:
        """Connects, and watches from then on.

        Raises:
            RuntimeError: The others did not come in time.
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
        """From here on no end of a process is a loss."""
        self.is_over = True
        for key in list(self.selector.get_map().values()):
            with suppress(OSError):
                _socket_of(key).sendall(_GOODBYE)

    def close(self) -> None:
        """Ends the connections: without a goodbye, the others know that something is wrong."""
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

    def tells(self) -> bool:
        """Whether this process is the first to speak of what ends them all; it is asked once."""
        try:
            return int(self.store.add("told", 1)) == 1
        except RuntimeError:  # whoever held the store is gone with it: better said by several than by none
            return True

    def _accept_all(self) -> None:
        token = secrets.token_hex(16)
        with closing(_listen()) as server:
            server.settimeout(_MEETING.total_seconds())
            self.store.set("lifeline", f"{token} {server.getsockname()[1]}")
            missing = set(range(1, self.place.size))
            while missing:
                connection, _ = server.accept()
                with suppress(OSError, ValueError):  # whoever else knocks is let go
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
        """Ends this process if what it is at does not: a measurement, or a GPU that waits for what never comes."""
        self.lost = name
        self.is_lost.set()
        time.sleep(3 * _LAST_WORDS_S)
        if not self.is_over:
            if self.tells():
                self.reporter.error(LostProcessError(name))
            os._exit(ExitCode.NETWORK)


def _listen() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _socket_of(key: selectors.SelectorKey) -> socket.socket:
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj
