"""`RUN/progress.html`: written whole at every tick, so that it can be read over ssh or from a shared folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from drai_cli import __version__
from drai_cli.data.image_set import PARTS
from drai_cli.data.prepared import PreparedSet
from drai_cli.io.files import atomic_writer
from drai_cli.progress import show_about, show_duration
from drai_cli.report.progress_html import Frame, RunPage, progress_html
from drai_cli.run.directory import RunDirectory
from drai_cli.run.forecast import Left
from drai_cli.run.verdict import RunFacts, Verdict, give_verdict, longer_budget
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.spelling import spell_train

_MOST_FRAMES = 12
_FILM_SIDE = 480  # most pixels of a frame's longer side
_REASONS = {
    "kimg": "the budget of images is used up",
    "hours": "the budget of hours is used up",
    "patience": "the score has stopped improving",
}
_TITLES = {"": "If it stops, go on with", "patience": "The command of this run"}


class ProgressPage:
    """The page of one run.

    Args:
        run: The run, as it was asked for.
        options: Its options, resolved.
        data: Its data set.
        device: Where it trains, by name.
        doubt: Why the judge's measures say nothing, from the measures of a tick; empty if they do.
        show: Called with the page's path when it is first written; None: nobody wants to see it.
    """

    def __init__(
        self,
        run: TrainRun,
        options: TrainOptions,
        data: PreparedSet,
        device: str,
        doubt: Callable[[Mapping[str, float]], str],
        show: Callable[[Path], Any] | None = None,
    ) -> None:
        self.directory = RunDirectory(run.out)
        self.run, self.options, self.doubt, self.show = run, options, doubt, show
        parts = {part: len(data.rows(part)) for part in PARTS}
        self.train_images = parts["train"]
        self.facts: dict[str, Any] = {
            "data": run.data.path.name,
            "images": parts,
            "training images by label": data.summary["parts"]["train"]["classes"],
            "method": options.method,
            "size": f"{options.model.image_size} px",
            "batch size": options.batch_size,
            "precision": options.precision,
            "symmetry": str(options.symmetry),
            "starts from": run.init or "nothing",
            "seed": options.seed,
            "device": device,
        }
        self._frames: dict[Path, bytes] = {}

    def write(self, ticks: Sequence[Mapping[str, Any]], reason: str, left: Left) -> None:
        """Writes the page.

        Args:
            ticks: As `stats.jsonl` has them, at least one.
            reason: Why the run has ended, or the signal that stopped it; empty while it trains.
            left: What is left of the run.

        Raises:
            InputError: It cannot be written.
        """
        verdict = self.judge(ticks)
        grids = [(tick["images_seen"], self.directory.grid(tick["images_seen"])) for tick in ticks]
        there = [(seen, path) for seen, path in grids if path.is_file()]
        page = RunPage(
            name=self.run.out.resolve().name,
            state=self._describe(ticks, reason, left),
            is_over=bool(reason),
            facts=self.facts,
            command=self._spell_next(reason),
            command_title=_TITLES.get(reason, "Go on with"),
            ticks=ticks,
            warnings=ticks[-1].get("warnings", ()),
            latest=Frame(there[-1][0] / 1000, there[-1][1].read_bytes()) if there else None,
            film=[Frame(seen / 1000, self._shrink(path)) for seen, path in _spread(there[:-1])],
            standing=verdict.standing or "",
            quality=verdict.quality,
            progress=verdict.progress,
            advice=verdict.advice,
            version=__version__,
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        )
        with atomic_writer(self.directory.progress) as file:
            file.write(progress_html(page).encode("utf-8", "backslashreplace"))
        if self.show is not None:
            show, self.show = self.show, None
            show(self.directory.progress)

    def _spell_next(self, reason: str) -> str:
        """The command that goes on: the same one, or one with a larger budget where the budget is used up."""
        longer = longer_budget(self.options.kimg, self.options.hours)
        if reason not in ("kimg", "hours") or longer is None:
            return spell_train(self.run)
        name, value = longer
        budget: dict[str, Any] = {name: value}
        return spell_train(replace(self.run, training=replace(self.run.training, **budget)))

    def judge(self, ticks: Sequence[Mapping[str, Any]]) -> Verdict:
        """What these ticks say in words."""
        options = self.options
        measured = [tick["validation"] for tick in ticks if tick.get("validation")]
        facts = RunFacts(
            train_images=self.train_images,
            kimg=options.kimg,
            hours=options.hours,
            symmetry=str(options.symmetry),
            has_init=bool(self.run.init),
            augments=options.augment == "ada",
        )
        return give_verdict(ticks, facts, self.doubt(measured[-1]) if measured else "")

    def _describe(self, ticks: Sequence[Mapping[str, Any]], reason: str, left: Left) -> str:
        """How far the run is, in words."""
        seen, rate = ticks[-1]["images_seen"], ticks[-1]["images_per_s"]
        kimg = f"{seen / 1000:g}"
        if reason in _REASONS:
            return f"Finished after {kimg} kimg: {_REASONS[reason]}."
        if reason:
            return f"Stopped by {reason} after {kimg} kimg. Everything is saved: the command below goes on."
        options, of = self.options, " kimg"
        if options.kimg is not None:
            of = f" of {options.kimg:g} kimg ({min(1.0, seen / 1000 / options.kimg):.0%})"
        elif options.hours is not None:
            whole = 3600 * options.hours
            of = f" kimg in {show_duration(whole - left.seconds)} of {show_duration(whole)}"
        speed = f" at {rate:g} images/s" if rate else ""
        ends = f"{show_about(left.seconds)} left"
        if left.is_least:
            no_better = f"it ends when the score has not improved for {options.patience} ticks"
            ends = f"{no_better}, in {show_about(left.seconds)} at the earliest"
        return f"{kimg}{of}{speed}; {ends}."

    def _shrink(self, path: Path) -> bytes:
        """A grid at the size of the film."""
        if path not in self._frames:
            with PillowImage.open(path) as grid:
                factor = -(-max(grid.size) // _FILM_SIDE)
                small = grid.reduce(factor) if factor > 1 else grid
                file = io.BytesIO()
                small.save(file, "PNG", optimize=True)
            self._frames[path] = file.getvalue()
        return self._frames[path]


def _spread(grids: Sequence[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """At most `_MOST_FRAMES` grids, denser at the start, where a run changes fastest; first and last are among them."""
    if len(grids) <= _MOST_FRAMES:
        return list(grids)
    last = len(grids) - 1
    places = sorted({round(last * (step / (_MOST_FRAMES - 1)) ** 1.5) for step in range(_MOST_FRAMES)})
    return [grids[place] for place in places]
