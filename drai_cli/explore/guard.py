"""Who is answered: this machine's own browser, with the token, from the page itself. Everything else is refused.

A page of another site can make a browser send requests to 127.0.0.1, also under a name of its own that it lets resolve
to 127.0.0.1 (DNS rebinding). So the host and the origin of each request are checked besides the token.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_METHODS = ("GET", "HEAD", "POST")


class Guard:
    """An ASGI application around another one.

    Args:
        app: Called with the path behind the token.
        token: The first part of every path.
        port: Of the server.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}
        self.origins = {b"http://" + host for host in self.hosts}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._refuse(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        path = scope["path"].split("/", 2)[2]
        inner = {**scope, "path": f"/{path}", "raw_path": f"/{path}".encode(), "root_path": ""}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = {**_ALWAYS, "content-security-policy": POLICY}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in added.items() if k.encode() not in given),
                ]
            await send(message)

        await self.app(inner, receive, send_with_headers)

    def _refuse(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        """Status and reason to refuse a request; None to answer it."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        if headers.get(b"host", []) not in [[host] for host in self.hosts]:
            return 421, "this address does not lead here"
        if scope["method"] not in _METHODS:
            return 405, "GET and POST are answered"
        parts = scope["path"].encode().split(b"/", 2)
        if len(parts) < 3 or not secrets.compare_digest(parts[1], self.token):
            return 404, "nothing here: open the address that drai explore has printed, with its token"
        origins = headers.get(b"origin", [])
        is_own = len(origins) == 1 and origins[0] in self.origins
        if (origins and not is_own) or (scope["method"] == "POST" and not is_own):
            return 403, "asked for by another site"
        site, mode = (headers.get(name, [b""])[0] for name in (b"sec-fetch-site", b"sec-fetch-mode"))
        # A link to the page may stand anywhere (in a notebook's terminal): it holds the token.
        if site not in (b"", b"same-origin", b"none") and mode != b"navigate":
            return 403, "asked for by another site"
        return None


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = {**_ALWAYS, "content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
