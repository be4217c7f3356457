"""How much of a run's budget is used, and why a run is over."""

from __future__ import annotations

import time

from drai_cli.settings.config import TrainOptions


class Budget:
    """The budget of a run: images, hours, both, or neither.

    Args:
        options: The run's.

    Attributes:
        earlier_s: Time spent by earlier commands, counted only in a run with a budget of hours.
    """

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        self.began = time.monotonic()
        self.earlier_s = 0.0

    @property
    def is_limited(self) -> bool:
        return self.options.kimg is not None or self.options.hours is not None

    def elapsed_s(self) -> float:
        """Time spent on the run by this and earlier commands."""
        return self.earlier_s + time.monotonic() - self.began

    def share_used(self, images_seen: int) -> float:
        """Share of the budget that is used, by images or by time, whichever is more; 0 without a budget."""
        shares = [0.0]
        if self.options.kimg is not None:
            shares.append(images_seen / (1000 * self.options.kimg))
        if self.options.hours is not None:
            shares.append(self.elapsed_s() / (3600 * self.options.hours))
        return min(1.0, max(shares))

    def reason_to_end(self, images_seen: int, ticks_since_best: int) -> str:
        """Why the run is over: `kimg`, `hours` or `patience`; empty if it is not."""
        options = self.options
        if options.kimg is not None and images_seen >= 1000 * options.kimg:
            return "kimg"
        if options.hours is not None and self.elapsed_s() >= 3600 * options.hours:
            return "hours"
        if not self.is_limited and ticks_since_best >= options.patience:
            return "patience"
        return ""
