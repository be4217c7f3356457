"""A server of the page in a thread, and requests to it as a browser sends them."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drai_cli.explore.counted import Count, Counted
from drai_cli.explore.explorer import Explorer
from drai_cli.explore.model import open_model
from drai_cli.explore.opened import Watch
from drai_cli.explore.real_images import load_real_images
from drai_cli.explore.server import bind, make_server
from drai_cli.progress import SILENT
from drai_cli.run.directory import RunDirectory
from drai_cli.workflows.sample import sample
from tests.support.patience import PATIENCE_S

TOKEN = "token-of-this-test"


@dataclass
class Page:
    """A page that is served."""

    port: int
    explorer: Explorer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def address(self) -> str:
        return f"{self.origin}/{TOKEN}/"

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; only the given headers are sent, and the host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ask(self, name: str, data: Any = None, body: bytes | None = None) -> tuple[int, Any]:
        """Status and data of an answer to the page's own request."""
        sent = json.dumps(data).encode() if body is None else body
        status, _, raw = self.request("POST", f"/{TOKEN}/api/{name}", sent, {"Origin": self.origin})
        return status, json.loads(raw)


@contextmanager
def serve_page(
    weights: Path | str, *, run: Path | None = None, images: Path | None = None, wait: bool = True
) -> Iterator[Page]:
    """Serves the page of a model until the end of the `with`."""
    watch = Watch(
        lambda: open_model(str(weights), "cpu", "torch"), None if run is None else RunDirectory(run)
    )
    watch.start()

    def keep(options: Any, count: Count) -> dict[str, Any]:
        made = sample(options, Counted(SILENT, count))
        return {"out": str(made.out), "images": made.images, "labels": dict(made.labels)}

    real = None if images is None else lambda model: load_real_images(images, model.header, SILENT)
    explorer = Explorer(watch, str(weights), keep, real, "cpu")
    listener = bind(0)
    listener.listen(32)
    port = listener.getsockname()[1]
    server = make_server(explorer, listener, TOKEN)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        if wait:
            wait_for_directions(watch)
        yield Page(port, explorer)
    finally:
        watch.stop()
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()


def wait_for_directions(watch: Watch) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if watch.now is not None and (watch.now.directions or watch.now.failure):
            return
        pause.wait(0.05)
    raise TimeoutError("no directions")


def picture_of(address: str) -> np.ndarray:
    """The pixels of a picture in an answer."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def png(side: int = 20, seed: int = 0) -> bytes:
    """A file of random colours."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def read(page: Page, data: bytes, name: str, query: str = "") -> Any:
    """Status and answer for an image of the visitor's."""
    return page.ask(f"read?name={name}{query}", body=data)
