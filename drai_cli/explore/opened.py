"""The model that a page looks at: loaded, its directions found, and loaded again when the run writes a better one.

Knows no page and no requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import DraiError, WeightsError
from drai_cli.explore.choices import labels_to_choose
from drai_cli.explore.directions import CODES, REACH, USUAL, Direction, find_directions
from drai_cli.explore.model import ExploredModel
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.image_options import MASK_FORMATS, SAMPLE_FORMATS

_LOOK_EVERY_S = 2.0
_LONGEST_STEP_S = 30.0


@dataclass(frozen=True)
class Opened:
    """A model and what is known of it.

    Attributes:
        model: The model.
        directions: Its directions; empty while they are being found.
        share_found: Share of the search that is done.
        failure: Why the search failed; empty if it did not.
    """

    model: ExploredModel
    directions: tuple[Direction, ...] = ()
    share_found: float = 0.0
    failure: str = ""

    def describe(self) -> dict[str, Any]:
        """What a page has to know of the model, as plain data."""
        model, header = self.model, self.model.header
        shape, label = header.architecture, header.schema.label
        return {
            "version": __version__,
            "size": shape.image_size,
            "is_colour": shape.image_channels == 3,
            "method": header.method,
            "licence": header.licence,
            "device": model.quick.place,
            "label": label.name,
            "labels": [
                {"value": value, "also": [alias for alias, of in label.aliases.items() if of == value]}
                for value in labels_to_choose(header.schema)
            ],
            "attributes": [
                {
                    "name": one.name,
                    "values": list(one.values),
                    "mean": None if one.kind == "categorical" else one.mean,
                    "deviation": None if one.kind == "categorical" else one.deviation,
                }
                for one in header.schema.attributes[1:]
            ],
            "can_swap": model.encode is not None,
            "infers_content": model.infers_content,
            "has_judge": model.judge is not None,
            "masks": list(header.mask_names),
            "formats": list(MASK_FORMATS if header.mask_names else SAMPLE_FORMATS),
            "reach": REACH,
            "usual": USUAL,
            "directions": {
                code: [one.to_json() for one in self.directions if one.code == code] for code in CODES
            },
        }


class Watch:
    """Opens a model, finds its directions in a thread, and follows the run that it belongs to.

    Args:
        open: Loads the model; called again when the model of the run changes.
        run: The run to follow; None: the model belongs to none.
    """

    def __init__(self, open: Callable[[], ExploredModel], run: RunDirectory | None = None) -> None:
        self.open, self.run = open, run
        self.now: Opened | None = None
        self.ended = threading.Event()
        self._stamp: tuple[int, ...] = ()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Loads the model and starts the thread.

        Raises:
            WeightsError, NetworkError, UsageError: The model cannot be used; not for a run that has none yet.
        """
        self._stamp = self._stamp_of_model()
        if self.run is None or self._stamp:
            self.now = Opened(self.open())
        self._thread = threading.Thread(target=self._follow, name="drai-explore", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread: it must not compute when the process ends."""
        self.ended.set()
        if self._thread is not None:
            self._thread.join(_LONGEST_STEP_S)

    def require(self) -> Opened:
        """The model as it is now.

        Raises:
            WeightsError: The run has none yet.
        """
        if self.now is None:
            raise WeightsError("model", "the run has no model yet", "it is written at the first tick")
        return self.now

    def status(self) -> dict[str, Any]:
        """What changes by itself: the model of a run, the search for directions, the progress page."""
        now = self.now
        progress = () if self.run is None else stamp_of(self.run.progress)
        return {
            "model": None if now is None else now.model.sha256,
            "images_seen": None if now is None else now.model.header.training.get("images_seen"),
            "share_found": 0.0 if now is None else now.share_found,
            "has_directions": bool(now and now.directions),
            "failure": "" if now is None else now.failure,
            "is_run": self.run is not None,
            "progress": "-".join(map(str, progress)),
        }

    def _follow(self) -> None:
        while not self.ended.is_set():
            opened = self.now
            if opened is not None and not opened.directions and not opened.failure:
                self._find(opened)
            stamp = self._stamp_of_model()
            if self.run is not None and stamp and stamp != self._stamp:
                try:
                    self.now, self._stamp = Opened(self.open()), stamp
                    continue
                except DraiError:
                    self._stamp = stamp  # a later tick writes another
            self.ended.wait(_LOOK_EVERY_S)

    def _find(self, opened: Opened) -> None:
        def progress(share: float) -> None:
            if self.ended.is_set():
                raise InterruptedError
            if self.now is not None and self.now.model is opened.model:
                self.now = replace(self.now, share_found=share)

        try:
            found = find_directions(opened.model, progress)
        except InterruptedError:
            return
        except (DraiError, RuntimeError, np.linalg.LinAlgError) as error:
            self.now = replace(opened, failure=str(error) or type(error).__name__)
            return
        self.now = replace(opened, directions=found, share_found=1.0)

    def _stamp_of_model(self) -> tuple[int, ...]:
        """Changes with the model file of the run; empty if there is none."""
        return stamp_of(self.run.model) if self.run is not None else ()


def stamp_of(path: Path) -> tuple[int, ...]:
    """Changes when a file is replaced; empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
