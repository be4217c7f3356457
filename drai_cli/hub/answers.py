"""Checks what a Hub answers before huggingface_hub uses it: names become paths in its cache, sizes become memory.

Every client of huggingface_hub takes hooks. They see each answer, so a server that answers differently the second time
gains nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from drai_cli.errors import NetworkError

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9][\w.+=-]{0,127}", re.ASCII)
_MOST_API_BYTES = 64 << 20
_MOST_FILE_BYTES = 2 << 30
_HINT = "check the connection (a network may ask for a log-in first) and HF_ENDPOINT"


def guard_session(name: str) -> None:
    """Adds the checks to the client that huggingface_hub uses, once; `name` is the subject of their errors.

    An answer that fails one raises NetworkError.
    """
    import huggingface_hub

    session = huggingface_hub.get_session()
    hooks = session.event_hooks
    others = [hook for hook in hooks["response"] if not isinstance(hook, _Guard)]
    # Compressed answers could be a thousand times as large as what is sent.
    asks = [hook for hook in hooks["request"] if hook is not _ask_plain]
    session.event_hooks = {"request": [*asks, _ask_plain], "response": [_Guard(name), *others]}


def _ask_plain(request: Any) -> None:
    request.headers["Accept-Encoding"] = "identity"


class _Guard:
    """Checks an answer's head, limits its body, and reads and checks the lists of a repository's files."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, response: Any) -> None:
        headers = response.headers
        if headers.get("Content-Encoding", "identity") != "identity":
            self._refuse("a plain answer", f"one packed as {headers['Content-Encoding']!r:.40}")
        commit = headers.get("X-Repo-Commit")
        if commit is not None and not re.fullmatch(r"[0-9a-f]{40}", commit):
            self._refuse("a commit's hash", f"{commit!r:.80}")
        for header in ("X-Linked-ETag", "ETag"):
            tag = headers.get(header)
            # A file's place in the cache; of other answers, and of redirected ones, it is not used.
            if response.request.method == "HEAD" and tag is not None and not _TAG.fullmatch(_plain(tag)):
                self._refuse("a file's hash", f"{tag!r:.80}")
        is_api = "/api/" in response.request.url.path
        response.stream = _bounded(response.stream, _MOST_API_BYTES if is_api else _MOST_FILE_BYTES, self)
        if is_api and response.request.method == "GET" and response.status_code == 200:
            self._check_body(response.read())

    def _check_body(self, body: bytes) -> None:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            self._refuse("JSON", f"{body[:40]!r}")
        for entry in answer if isinstance(answer, list) else [answer]:
            if not isinstance(entry, dict):
                self._refuse("a list of files", f"{entry!r:.40}")
            self._check_entry(entry)

    def _check_entry(self, entry: Mapping[str, Any]) -> None:
        """Checks a file's entry, or a repository's with its files."""
        for name in ("sha", "oid", "xetHash"):
            value = entry.get(name, "0" * 40)
            if value is not None and not (isinstance(value, str) and _HASH.fullmatch(value)):
                self._refuse("a hash", f"{value!r:.80}")
        for name in ("rfilename", "path"):
            if not isinstance(entry.get(name, ""), str):
                self._refuse("a file's name", f"{entry[name]!r:.80}")
        size = entry.get("size", 0)
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            self._refuse("a file's size", f"{size!r:.80}")
        if "siblings" in entry:
            if entry.get("sha") is None:
                self._refuse("the hash of a commit", "none")
            siblings = entry["siblings"] or []
            for one in siblings if isinstance(siblings, list) else [siblings]:
                if not isinstance(one, dict):
                    self._refuse("a list of files", f"{one!r:.40}")
                self._check_entry(one)
        if isinstance(lfs := entry.get("lfs"), dict):
            self._check_entry(lfs)

    def _refuse(self, expected: str, got: str) -> None:
        raise NetworkError(
            self.name, f"the server's answer is not a Hub's: expected {expected}, got {got}", _HINT
        )


def _plain(tag: str) -> str:
    """An ETag as huggingface_hub uses it."""
    return tag.lstrip("W/").strip('"')


def _bounded(stream: Any, most: int, guard: _Guard) -> Any:
    """The stream of a body, ended by an error where it is longer than `most` bytes."""

    class Bounded(type(stream)):  # type: ignore[misc]  # the client looks at its type
        def __init__(self) -> None:
            pass

        def __iter__(self) -> Iterator[bytes]:
            left = most
            for chunk in stream:
                left -= len(chunk)
                if left < 0:
                    guard._refuse(f"at most {most >> 20} MiB", "more")
                yield chunk

        def close(self) -> None:
            stream.close()

    return Bounded()
