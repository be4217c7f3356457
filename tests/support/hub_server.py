"""A Hub on loopback that speaks what huggingface_hub asks of it to fetch and to send, and fails as it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

LARGE = 1000  # bytes from which a file is stored as LFS does


class FakeHub:
    """Repositories in memory.

    Attributes:
        commits: Files by path, of each commit of each repository.
        branches: Commit of each branch or tag of each repository.
        failures: Status by a pattern of `METHOD /path`; the first that is found answers.
        cuts: How many of the next downloads break off halfway.
        starts: Where downloads that were gone on with began.
        sizes: What files are said to have, by name, where that is not so.
        token: What writing needs.
        log: `METHOD /path` of every request.
        answers: Status, body and headers by a pattern of `METHOD /path`; the first that is found is sent instead.
        headers: Headers to send instead of a file's own.
        spoilt: Whether downloads are of other bytes than their hash says.
    """

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.failures: dict[str, int] = {}
        self.cuts = 0
        self.starts: list[int] = []
        self.sizes: dict[str, int] = {}
        self.token: str | None = None
        self.log: list[str] = []
        self.spoilt = False
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.headers: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.url = ""

    def commit(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Adds files in a commit; returns its hash."""
        commits = self.commits.setdefault(repository, {})
        earlier = commits.get(self.branches.get(repository, {}).get(branch, ""), {})
        commit = hashlib.sha1(f"{repository}{branch}{len(commits)}".encode()).hexdigest()
        commits[commit] = {**earlier, **files}
        self.branches.setdefault(repository, {})[branch] = commit
        return commit

    def find(self, repository: str, revision: str) -> str | None:
        revision = self.branches.get(repository, {}).get(revision, revision)
        return revision if revision in self.commits.get(repository, {}) else None


def etag(data: bytes) -> str:
    if len(data) >= LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def _go(self) -> None:
        path = unquote(self.path.split("?")[0])
        body = self._body()
        request = f"{self.command} {path}"
        self.hub.log.append(request)
        for pattern, status in self.hub.failures.items():
            if re.search(pattern, request):
                return self._answer(status, {"error": "told to"})
        for pattern, (status, data, headers) in self.hub.answers.items():
            if re.search(pattern, request):
                return self._answer(status, data, headers)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._info(found[1], found[2] or "main")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/.*)?", path):
            return self._tree(found[1], found[2])
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._file(found[1], found[2], found[3])
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if self.command == "PUT":
            self.hub.uploads[path.rsplit("/", 1)[1]] = body
            return self._answer(200)
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._error(401, "", "Invalid username or password.")
        return self._write(path, json.loads(body.splitlines()[0]) if body else {}, body)

    do_GET = do_HEAD = do_POST = do_PUT = _go  # noqa: N815  (named by http.server)

    def _info(self, repository: str, revision: str) -> None:
        if repository not in self.hub.commits:
            return self._error(404, "RepoNotFound", "Repository not found")
        commit = self.hub.find(repository, revision)
        if commit is None:
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        files = self.hub.commits[repository][commit]
        names = [
            {"rfilename": name, "size": self.hub.sizes.get(name, len(data))} for name, data in files.items()
        ]
        self._answer(200, {"id": repository, "sha": commit, "siblings": names, "private": False, "tags": []})

    def _tree(self, repository: str, revision: str) -> None:
        commit = self.hub.find(repository, revision)
        files = self.hub.commits[repository][str(commit)]
        self._answer(
            200,
            [
                {"type": "file", "path": name, "size": len(data), "oid": etag(data)}
                for name, data in files.items()
            ],
        )

    def _file(self, repository: str, revision: str, name: str) -> None:
        commit = self.hub.find(repository, revision)
        if repository not in self.hub.commits:
            return self._error(404, "RepoNotFound", "Repository not found")
        if commit is None:
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        if name not in self.hub.commits[repository][commit]:
            return self._error(404, "EntryNotFound", "Entry not found")
        data = self.hub.commits[repository][commit][name]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag(data)}"', "Accept-Ranges": "bytes"}
        headers |= self.hub.headers
        if self.hub.spoilt:
            data = bytes([data[0] ^ 1]) + data[1:]
        start = int(re.sub(r"\D", "", self.headers.get("Range", "").split("-")[0]) or 0)
        part = data[start:]
        if start:
            self.hub.starts.append(start)
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content-Length"] = str(len(part))
        if self.command == "GET" and self.hub.cuts and len(part) > LARGE:
            self.hub.cuts -= 1
            self._answer(206 if start else 200, part[: len(part) // 2], headers)
            self.close_connection = True
            return None
        return self._answer(206 if start else 200, part, headers)

    def _write(self, path: str, asked: dict[str, Any], body: bytes) -> None:
        if path == "/api/repos/create":
            name = f"{asked['organization']}/{asked['name']}"
            if name in self.hub.commits:
                return self._answer(409, {"error": "exists", "url": f"{self.hub.url}/{name}"})
            self.hub.commit(name, {})
            return self._answer(200, {"url": f"{self.hub.url}/{name}"})
        if "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["size"] >= LARGE else "regular",
                    "shouldIgnore": False,
                }
                for file in asked["files"]
            ]
            return self._answer(200, {"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
                for one in asked["objects"]
            ]
            return self._answer(200, {"transfer": "basic", "objects": objects})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            files = {}
            for line in body.splitlines()[1:]:
                entry = json.loads(line)
                value = entry["value"]
                files[value["path"]] = (
                    self.hub.uploads[value["oid"]]
                    if entry["key"] == "lfsFile"
                    else base64.b64decode(value["content"])
                )
            commit = self.hub.commit(found[1], files, found[2])
            url = f"{self.hub.url}/{found[1]}/commit/{commit}"
            return self._answer(200, {"commitUrl": url, "commitOid": commit, "success": True})
        return self._answer(404, {"error": path})


@contextmanager
def serve() -> Iterator[FakeHub]:
    """The Hub, listening until the `with` ends."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
