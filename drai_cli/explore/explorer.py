"""What the page can ask for, as functions from plain data to plain data. Knows no HTTP.

Nothing of a visitor is kept between two calls, so several pages can be open at once.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.errors import DraiError, UsageError, WeightsError
from drai_cli.explore.choices import (
    MOST_KEPT,
    Choice,
    int_of,
    number_of,
    spell_sample,
    text_of,
    vector_of,
)
from drai_cli.explore.code_map import CodeMap, make_map
from drai_cli.explore.counted import Count
from drai_cli.explore.model import ExploredModel, Images
from drai_cli.explore.opened import Opened, Watch
from drai_cli.explore.pictures import as_address
from drai_cli.explore.real_images import RealImages
from drai_cli.explore.uploads import HAS_MEMORY_FILES, MOST_BYTES, read_upload
from drai_cli.inference.masks import split_masks
from drai_cli.inference.noise import spherical_path, straight_path
from drai_cli.output.marks import synthetic_marks
from drai_cli.sampling.draw import draw_images
from drai_cli.settings.image_options import SAMPLE_FORMATS, SampleOptions

STRIP = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Positions of the pictures that show one direction."""
_WALK = 9
_OPTIONS = re.compile(r"--out(, or --overwrite)?")  # what a hint of the prompt calls the field Folder

Keep = Callable[[SampleOptions, Count], Mapping[str, Any]]


class Explorer:
    """The page's other end.

    Args:
        watch: The model.
        weights: As typed, for the command lines that are shown; None: the default model.
        keep: Makes a data set as `sample` does, and tells how many images are done.
        real: Loads the real images of the map; None without any.
        device: As typed, for the command lines.
    """

    def __init__(
        self,
        watch: Watch,
        weights: str | None,
        keep: Keep,
        real: Callable[[ExploredModel], RealImages] | None = None,
        device: str | None = None,
    ) -> None:
        self.watch, self.weights, self.keep, self.real, self.device = watch, weights, keep, real, device
        self._kept: tuple[int, int] | None = None
        self._map: tuple[str, CodeMap] | None = None
        self._real: RealImages | None = None
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What the page has to know."""
        opened = self.watch.require()
        return {
            **self.status(),
            **opened.describe(),
            "name": self.weights or opened.model.path.stem,
            "has_real": self.real is not None and opened.model.encode is not None,
            "strip": list(STRIP),
            "upload_bytes": MOST_BYTES,
            "is_upload_in_memory": HAS_MEMORY_FILES,
        }

    def status(self) -> dict[str, Any]:
        """What changes by itself; `kept`: images done and wanted of the data set that is being written."""
        return {**self.watch.status(), "kept": self._kept}

    def grid(self, data: Any) -> dict[str, Any]:
        """Images of a choice, the first `count`."""
        opened = self.watch.require()
        choice = Choice.parse(data, opened.model.header.schema)
        return {"images": self._draw(choice, opened), "model": opened.model.sha256}

    def strip(self, data: Any) -> dict[str, Any]:
        """The first image of a choice at several positions of one slider."""
        opened = self.watch.require()
        choice = replace(Choice.parse(data, opened.model.header.schema), count=1)
        code = text_of(data, "code")
        own = [one for one in opened.directions if one.code == code]
        if not own:
            raise UsageError("code", "expected content or style, with directions found")
        index = int_of(data, "direction", 0, len(own) - 1)
        images = []
        for position in STRIP:
            amounts = [*choice.amounts.get(own[0].code, ()), *([0.0] * len(own))][: len(own)]
            amounts[index] = position
            moved = replace(choice, amounts={**choice.amounts, own[0].code: tuple(amounts)})
            images += self._draw(moved, opened)
        return {"images": images}

    def _draw(self, choice: Choice, opened: Opened) -> list[dict[str, Any]]:
        """The images of a choice, each with its label, its index and what the judge says."""
        model = opened.model
        items = choice.items(model.header.schema)
        move = choice.move(opened.directions, model.header)
        sampler = model.sampler(len(items))
        levels, _, _ = draw_images(
            sampler,
            items,
            choice.seed,
            choice.truncation,
            move=move,
            with_masks=bool(model.header.mask_names),
        )
        images, masks = split_masks(levels, model.header)
        return [
            {
                "picture": as_address(image, self._mark(model, choice.seed, item.label, item.index)),
                "masks": [
                    as_address(mask[..., None], self._mark_derived(model))
                    for mask in np.moveaxis(inside, 2, 0)
                ],
                "label": item.label,
                "index": item.index,
                "judged": judged,
            }
            for image, inside, item, judged in zip(images, masks, items, _judge(model, images), strict=True)
        ]

    def read(self, data: bytes, name: str, frame: int | None, window: str | None) -> dict[str, Any]:
        """An image of the visitor's: what was read, and its codes. It is not kept."""
        model = self.watch.require().model
        if model.encode is None:
            raise WeightsError("model", "has no encoder, so it takes no images", "choose another model")
        image = read_upload(data, name, model.header, frame=frame, window=window)
        content, style = model.encode(image.pixels[None])
        return {
            "picture": as_address(image.pixels, {}),
            "name": name,
            "kind": image.kind,
            "size": [image.width, image.height],
            "changes": list(image.changes),
            "content": None if content is None else content[0].tolist(),
            "style": style[0].tolist(),
            "judged": _judge(model, image.pixels[None])[0],
        }

    def swap(self, data: Any) -> dict[str, Any]:
        """Content of each of two images in the style of the other, and both reconstructions."""
        model, content, style = self._two(data)
        images = model.generate(content[[0, 1, 0, 1]], style[[1, 0, 0, 1]])
        judged = _judge(model, images)
        names = ("a_in_style_of_b", "b_in_style_of_a", "a_again", "b_again")
        return {
            name: {"picture": as_address(image, self._mark_derived(model)), "judged": label}
            for name, image, label in zip(names, images, judged, strict=True)
        }

    def walk(self, data: Any) -> dict[str, Any]:
        """Images from the first to the second, along one code or both."""
        model, content, style = self._two(data)
        along = text_of(data, "along")
        if along not in ("style", "content", "both"):
            raise UsageError("along", "expected style, content or both")
        positions = np.linspace(0, 1, _WALK)
        if "position" in data:
            positions = np.array([number_of(data, "position", 0.0, 0, 1)])
        contents = straight_path(content[0], content[0 if along == "style" else 1], positions)
        styles = spherical_path(style[0], style[0 if along == "content" else 1], positions)
        images = model.generate(contents, styles)
        judged = _judge(model, images)
        return {
            "images": [
                {"picture": as_address(image, self._mark_derived(model)), "position": place, "judged": label}
                for image, place, label in zip(images, positions.tolist(), judged, strict=True)
            ]
        }

    def _two(self, data: Any) -> tuple[ExploredModel, np.ndarray, np.ndarray]:
        """The codes of two images, `[2, dim]`; content of labels for a model that infers none."""
        model = self.watch.require().model
        if not isinstance(data, Mapping):
            raise UsageError("request", "expected an object")
        shape, schema = model.header.architecture, model.header.schema
        styles = [vector_of(data, f"style_{name}", shape.style_dim) for name in "ab"]
        if model.infers_content:
            contents = [vector_of(data, f"content_{name}", shape.content_dim) for name in "ab"]
        else:
            labels = [schema.label.resolve(text_of(data, f"label_{name}")) for name in "ab"]
            contents = [model.prior({schema.label.name: label})[0][None] for label in labels]
        return model, np.concatenate(contents).astype(np.float32), np.concatenate(styles)

    def map(self) -> dict[str, Any]:
        """Points of samples and real images."""
        return self._make_map()[1].to_json()

    def map_picture(self, data: Any) -> dict[str, Any]:
        """The image of one point."""
        model, points = self._make_map()
        if not isinstance(data, Mapping):
            raise UsageError("request", "expected an object")
        index = int_of(data, "index", 0, len(points.names) - 1)
        is_sample = index < len(points.content)
        return {
            "picture": as_address(
                points.picture(index, model), self._mark_derived(model) if is_sample else {}
            )
        }

    def _make_map(self) -> tuple[ExploredModel, CodeMap]:
        opened = self.watch.require()
        with self._lock:
            if not opened.directions:
                raise UsageError("map", "the directions are still being found", "wait a moment")
            if self._map is None or self._map[0] != opened.model.sha256:
                if self._real is None and self.real is not None and opened.model.encode is not None:
                    self._real = self.real(opened.model)
                points = make_map(opened.model, opened.directions, self._real)
                self._map = (opened.model.sha256, points)
            return opened.model, self._map[1]

    def command(self, data: Any) -> dict[str, Any]:
        """The command line that makes a data set of a choice."""
        return {"command": spell_sample(self._sample_options(data, is_shown=True))}

    def keep_set(self, data: Any) -> dict[str, Any]:
        """Makes the data set of a choice in a folder below the working folder."""
        began = time.monotonic()
        options = self._sample_options(data, is_shown=False)

        def count(done: int, total: int) -> None:
            self._kept = done, total

        try:
            made = self.keep(options, count)
        except DraiError as error:
            raise type(error)(error.subject, error.message, _OPTIONS.sub("folder", error.hint)) from error
        finally:
            self._kept = None
        return {
            **made,
            "folder": str(Path(made["out"]).absolute()),
            "seconds": round(time.monotonic() - began, 1),
            "command": self.command(data)["command"],
        }

    def _sample_options(self, data: Any, *, is_shown: bool) -> SampleOptions:
        opened = self.watch.require()
        choice = Choice.parse(data, opened.model.header.schema)
        out = Path(text_of(data, "out", 200) or "kept")
        if not _is_below(out):
            raise UsageError(
                "folder",
                f"expected a folder below the working folder, got {str(out)[:100]!r}",
                "a name such as kept",
            )
        count = int_of(data, "keep", 100, MOST_KEPT, low=1)
        format = text_of(data, "format") or "png"
        if format not in SAMPLE_FORMATS:
            raise UsageError("format", f"expected one of {', '.join(SAMPLE_FORMATS)}")
        more: dict[str, Any] = {"format": format, "device": self.device, "runtime": opened.model.runtime}
        # What is made is made by the very file that is looked at, even if the run goes on meanwhile.
        more["weights"] = self.weights if is_shown else str(opened.model.path)
        return choice.sample_options(opened.directions, opened.model.header, out, count, **more)

    def _mark(self, model: ExploredModel, seed: int, label: str, index: int) -> dict[str, str]:
        return synthetic_marks(model.sha256, seed=str(seed), label=label, index=str(index), made_by="explore")

    def _mark_derived(self, model: ExploredModel) -> dict[str, str]:
        return synthetic_marks(model.sha256, made_by="explore")


def _is_below(out: Path) -> bool:
    """Whether a relative path leads below the working folder, also through its links."""
    if out.is_absolute() or ".." in out.parts or out == Path() or "\0" in str(out):
        return False
    try:
        here = Path.cwd().resolve()
        return here in (here / out).resolve().parents
    except (OSError, RuntimeError):  # links in a circle
        return False


def _judge(model: ExploredModel, images: Images) -> list[str]:
    """The labels that the judge assigns; empty texts without one."""
    return model.judge(images) if model.judge is not None else [""] * len(images)
