"""When a run ends, from how long its parts take; corrected after each tick. Times nothing itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drai_cli.progress import show_about, show_duration
from drai_cli.run.budget import Budget
from drai_cli.settings.config import TrainOptions

FIRST_TICK_IMAGES = 2000
_SHORT_S = 5.0
"""Steps of a shorter time say little about the next ones."""
_UNKNOWN_S = 0.02
"""Seconds per image where neither a trial nor a tick says it, until steps are measured."""
_TICK_IMAGES = 150
"""A tick takes about as long as the steps of this many images, until one is measured."""


@dataclass
class Costs:
    """How long the parts of a run take.

    Attributes:
        image_s: Seconds per image in steps.
        judge_s: Seconds until the judge of snapshots is trained; 0 if it is, or if none is needed.
        tick_s: Seconds of a tick without the judge.
    """

    image_s: float
    judge_s: float
    tick_s: float


def expect_costs(image_s: float, judge_s: float, ticks: Sequence[Mapping[str, Any]] = ()) -> Costs:
    """Costs before the first step of a command.

    Args:
        image_s: Seconds per image in a trial; 0 without one.
        judge_s: See `Costs`.
        ticks: Those of the run so far, as `stats.jsonl` has them; their speed counts more than a trial.
    """
    rates = [tick["images_per_s"] for tick in ticks if tick.get("images_per_s")]
    image_s = 1 / rates[-1] if rates else image_s or _UNKNOWN_S
    return Costs(image_s, judge_s, _TICK_IMAGES * image_s)


@dataclass(frozen=True)
class Left:
    """What is left of a run.

    Attributes:
        images: Images until it ends.
        seconds: Time until it ends.
        is_least: Whether it may take longer: it ends when nothing improves any more.
    """

    images: int
    seconds: float
    is_least: bool


class Forecast:
    """The end of a run.

    Args:
        options: Options of the run.
        budget: Its budget and the time used.
        costs: Expected before the first step.
        is_measured: Whether ticks measure snapshots.
        has_tick_zero: Whether there is a tick before the first step.
    """

    def __init__(
        self, options: TrainOptions, budget: Budget, costs: Costs, is_measured: bool, has_tick_zero: bool
    ) -> None:
        self.options, self.budget, self.costs = options, budget, costs
        self.is_measured, self.has_tick_zero = is_measured, has_tick_zero

    @property
    def images_of_budget(self) -> int:
        """The images of `kimg`, in whole steps."""
        assert self.options.kimg is not None
        return math.ceil(1000 * self.options.kimg / self.options.batch_size) * self.options.batch_size

    def measured_steps(self, images: int, seconds: float) -> None:
        """Takes the speed of recent steps."""
        if seconds >= _SHORT_S and images:
            self.costs.image_s = seconds / images

    def measured_tick(self, seconds: float, judge_s: float, was_measured: bool) -> None:
        """Takes the time of a tick; the judge is trained once."""
        if was_measured:
            self.costs.tick_s = max(0.0, seconds - judge_s)
            self.costs.judge_s = 0.0

    def left(self, images_seen: int, ticks_since_best: int, has_best: bool) -> Left:
        """What is left.

        Args:
            images_seen: By the run.
            ticks_since_best: Measured ticks without a better score.
            has_best: Whether a tick was measured.
        """
        by_images = self._images_to_end(images_seen, ticks_since_best, has_best)
        seconds = self._seconds(images_seen, images_seen + by_images)
        if self.options.hours is not None:
            left_s = max(0.0, 3600 * self.options.hours - self.budget.elapsed_s())
            if self.options.kimg is None or left_s < seconds:
                return Left(self.images_in(left_s, images_seen), left_s, False)
        return Left(by_images, seconds, not self.budget.is_limited)

    def images_in(self, seconds: float, images_seen: int = 0) -> int:
        """Images that a run gets to in this time, ticks and judge included."""
        few, many = 0, max(1, int(seconds / self.costs.image_s))
        while many - few > self.options.batch_size:
            middle = (few + many) // 2
            if self._seconds(images_seen, images_seen + middle) <= seconds:
                few = middle
            else:
                many = middle
        return few

    def seconds_for(self, images: int) -> float:
        """Seconds that a new run takes for this many images."""
        return self._seconds(0, images)

    def first_model_s(self) -> float:
        """Seconds to the first model file of a new run."""
        if self.has_tick_zero:
            return 0.0
        return self.costs.image_s * self._first_tick()

    def _images_to_end(self, images_seen: int, ticks_since_best: int, has_best: bool) -> int:
        options = self.options
        if options.kimg is not None:
            return max(0, self.images_of_budget - images_seen)
        every = 1000 * options.tick_kimg
        # Without a tick that was measured, the next one is the best so far.
        ticks = options.patience - ticks_since_best if has_best else options.patience + 1
        return max(0, math.ceil((images_seen // every + max(0, ticks)) * every) - images_seen)

    def _seconds(self, begin: int, end: int) -> float:
        """Seconds of the steps between two counts of images, with ticks and judge."""
        every, first = 1000 * self.options.tick_kimg, self._first_tick()
        ticks = end // every - begin // every
        ticks += first != every and begin < first <= end
        ticks += end % every != 0 and end != first
        judge_s = self.costs.judge_s if self.is_measured else 0.0
        return (end - begin) * self.costs.image_s + ticks * self.costs.tick_s + judge_s

    def _first_tick(self) -> float:
        return min(1000 * self.options.tick_kimg, float(FIRST_TICK_IMAGES))


def describe_plan(
    forecast: Forecast, images_seen: int = 0, ticks_since_best: int = 0, has_best: bool = False
) -> list[str]:
    """What a run takes, in sentences: its end, its first model, and what a budget gives; of one resumed, what is left.

    Args:
        forecast: Of the run.
        images_seen: See `Forecast.left`, as are the others.
        ticks_since_best: Measured ticks without a better score.
        has_best: Whether a tick was measured.
    """
    options, left = forecast.options, forecast.left(images_seen, ticks_since_best, has_best)
    if images_seen:
        return [f"{'at least ' * left.is_least}{show_about(left.seconds)} left"]
    judge_s = forecast.costs.judge_s if forecast.is_measured else 0.0
    judge = f", of which the judge of snapshots takes {show_about(judge_s)}" if judge_s >= 1 else ""
    if options.hours is not None and (options.kimg is None or left.images < forecast.images_of_budget):
        sentences = [f"about {_kimg(left.images)} kimg in {show_duration(3600 * options.hours)}{judge}"]
    elif options.kimg is not None:
        sentences = [f"{options.kimg:g} kimg in {show_about(left.seconds)}{judge}"]
    else:
        tick = f"{options.tick_kimg:g}"
        tick_s = forecast.seconds_for(int(1000 * options.tick_kimg))
        sentences = [
            f"no budget: the run ends when {options.patience} ticks in a row bring no better score, after "
            f"{_kimg(left.images)} kimg ({show_about(left.seconds)}) at the earliest{judge}",
            f"for an earlier end add --hours 1 (about {_kimg(forecast.images_in(3600))} kimg) or --kimg {tick} "
            f"({show_about(tick_s)})",
        ]
    first_s = forecast.first_model_s()
    if first_s and (left.is_least or first_s < left.seconds):
        sentences.append(
            f"the first model file in {show_about(first_s)}, still poor; later ticks replace it where they are better"
        )
    return sentences


def _kimg(images: int) -> str:
    kimg = images / 1000
    return f"{kimg:.0f}" if kimg >= 10 else f"{kimg:.2g}"
