"""The page and its functions over HTTP, on this machine alone. Knows no model."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from drai_cli.errors import DraiError, UsageError
from drai_cli.explore.explorer import Explorer
from drai_cli.explore.guard import Guard
from drai_cli.explore.uploads import MOST_BYTES
from drai_cli.io.files import open_regular
from drai_cli.report.html_page import TEMPLATES

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("page")
INSTALL = "pip install 'drai-cli[explore]'"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MOST_REQUEST = 256 << 10
_MOST_WAITING = 16
_MOST_READING = 2  # images that are received at once
_MOST_CONNECTIONS = 64
# A progress page has no scripts; it may be shown inside the page.
_PROGRESS_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; sandbox allow-same-origin"
)


def import_server() -> Any:
    """Imports what the server is made of.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import starlette.applications
        import uvicorn
    except ImportError as error:
        raise UsageError("explore", f"needs {error.name}, which is not installed", INSTALL) from error
    assert starlette is not None
    return uvicorn


class BusyError(Exception):
    """Too much is asked for at once."""


def make_app(explorer: Explorer, token: str, port: int) -> Guard:
    """The ASGI application.

    Args:
        explorer: Answers the requests.
        token: Has to be in each address.
        port: Of the server.
    """
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    # One thread computes: a page asks for a picture after the other. Files are decoded, and sets are made, in others.
    threads = {name: ThreadPoolExecutor(1, f"drai-{name}") for name in ("compute", "decode", "keep")}
    waiting = dict.fromkeys(threads, 0)
    receiving = 0

    async def in_thread(name: str, function: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
        if waiting[name] >= _MOST_WAITING:
            raise BusyError
        waiting[name] += 1
        try:
            loop = asyncio.get_running_loop()
            return JSONResponse(await loop.run_in_executor(threads[name], function, *arguments))
        finally:
            waiting[name] -= 1

    async def body_of(request: Request, most: int) -> bytes:
        too_large = UsageError("request", f"expected at most {most >> 10} KiB", "use a smaller file")
        if int(request.headers.get("content-length", "0") or 0) > most:
            raise too_large
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise too_large
            parts.append(part)
        return b"".join(parts)

    def answering(name: str, function: Callable[[Any], dict[str, Any]]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            body = await body_of(request, _MOST_REQUEST)
            try:
                data = json.loads(body)
                json.dumps(
                    data, ensure_ascii=False
                ).encode()  # half a surrogate pair is no text that could be written
            except (ValueError, RecursionError) as error:
                raise UsageError("request", "expected JSON") from error
            return await in_thread(name, function, data)

        return answer

    async def read(request: Request) -> Response:
        nonlocal receiving
        if receiving >= _MOST_READING:
            raise BusyError
        receiving += 1
        try:
            data = await body_of(request, MOST_BYTES)
            query = request.query_params
            frame = query.get("frame", "")
            if frame and not (frame.isascii() and frame.isdecimal() and len(frame) < 10):
                raise UsageError("frame", f"expected a number from 0, got {frame[:40]!r}")
            return await in_thread(
                "decode", explorer.read, data, query.get("name", "")[:200],
                int(frame) if frame else None, query.get("window") or None,
            )  # fmt: skip
        finally:
            receiving -= 1

    async def describe(request: Request) -> Response:
        return JSONResponse(explorer.describe())

    async def status(request: Request) -> Response:
        return JSONResponse(explorer.status())

    async def show_map(request: Request) -> Response:
        return await in_thread("compute", explorer.map)

    async def progress(request: Request) -> Response:
        run = explorer.watch.run
        if run is None or not run.progress.is_file():
            return Response("there is no progress page yet", 404, media_type="text/plain")
        with open_regular(run.progress) as file:
            return Response(
                file.read(), media_type="text/html", headers={"content-security-policy": _PROGRESS_POLICY}
            )

    async def file(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        place = TEMPLATES / name if name == "style.css" else PAGE / name
        if place.suffix not in _TYPES or not place.is_file():
            return Response("no such file", 404, media_type="text/plain")
        return Response(place.read_bytes(), media_type=_TYPES[place.suffix])

    async def on_error(request: Request, error: Exception) -> Response:
        if isinstance(error, DraiError):
            said = {"error": f"{error.subject}: {error.message.rstrip('.')}.", "hint": error.hint}
            return JSONResponse(said, 400)
        if isinstance(error, BusyError):
            return JSONResponse({"error": "The server is busy.", "hint": "wait a moment"}, 503)
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)
        traceback.print_exception(error, file=sys.stderr)
        return JSONResponse({"error": "This is a bug; the terminal shows more.", "hint": ""}, 500)

    answers = {
        "grid": ("compute", explorer.grid), "strip": ("compute", explorer.strip),
        "swap": ("compute", explorer.swap), "walk": ("compute", explorer.walk),
        "map-picture": ("compute", explorer.map_picture), "command": ("compute", explorer.command),
        "keep": ("keep", explorer.keep_set),
    }  # fmt: skip
    routes = [
        *(Route(f"/api/{name}", answering(*how), methods=["POST"]) for name, how in answers.items()),
        Route("/api/read", read, methods=["POST"]),
        Route("/api/map", show_map, methods=["POST"]),
        Route("/api/model", describe),
        Route("/api/status", status),
        Route("/progress", progress),
        Route("/", file),
        Route("/{name}", file),
    ]
    handlers = dict.fromkeys((DraiError, BusyError, ClientDisconnect), on_error)
    # `Exception` has a place of its own in Starlette, which raises it again for the server's log.
    inner: Any = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(_Quiet(inner, on_error), token, port)


class _Quiet:
    """Answers a bug with a message, and keeps the server running."""

    def __init__(self, app: Any, on_error: Callable[..., Any]) -> None:
        self.app, self.on_error = app, on_error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        has_begun = False

        async def send_and_note(message: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            response = await self.on_error(None, error)
            if not has_begun:
                await response(scope, receive, send)


def bind(port: int) -> socket.socket:
    """A socket of this machine alone, on a port, or on a free one for 0.

    Raises:
        UsageError: The port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise UsageError(f"--port {port}", f"cannot be used ({error.strerror})", "leave it out") from error
    return listener


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(24)


def address_of(listener: socket.socket, token: str) -> str:
    """The address to open."""
    return f"http://{HOST}:{listener.getsockname()[1]}/{token}/"


def make_server(explorer: Explorer, listener: socket.socket, token: str) -> Any:
    """A uvicorn server for the page, with all that it imports; `run(sockets=[listener])` runs it."""
    uvicorn = import_server()
    app = make_app(explorer, token, listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, server_header=False, date_header=False, lifespan="off", ws="none",
        loop="asyncio", http="h11", limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=2,
        proxy_headers=False,
    )  # fmt: skip
    config.load()  # now and not when it runs: see `workflows.explore`
    return uvicorn.Server(config)
