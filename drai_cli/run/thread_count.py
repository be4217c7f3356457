"""How many threads a run computes with: by a trial, recorded in its checkpoints, tried again when it slows down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import torch

from drai_cli.machine.cores import are_threads_given, usable_threads
from drai_cli.metrics.threads import faster_threads
from drai_cli.progress import Reporter

_SLOWED = 0.75
"""Share of the best rate of this command below which the trial is repeated at a tick."""


class ThreadCount:
    """The threads of a run on a CPU that is its only process; in other runs they stay as torch has them.

    The last digits of a result depend on the number of threads, so a resumed run takes the recorded number.

    Args:
        is_ours: Whether this run chooses; False on a GPU, and for one of several processes.
        reporter: Told what is chosen.
        choose: Makes the trial.

    Attributes:
        now: Threads that the steps use; recorded in each checkpoint.
    """

    def __init__(self, is_ours: bool, reporter: Reporter, choose: Callable[[], int] = faster_threads) -> None:
        self.is_ours, self.reporter, self.choose = is_ours, reporter, choose
        self.now = torch.get_num_threads()
        self._best_rate = 0.0

    def begin(self, recorded: int) -> None:
        """Takes the number in the checkpoint that the run is resumed from, or makes the trial if there is none (0)."""
        if not self.is_ours:
            self._warn_of_other(recorded)
            return
        most = usable_threads()
        can_take = 0 < recorded <= most and not (are_threads_given() and recorded != most)
        self._take(recorded if can_take else self.choose())
        self._warn_of_other(recorded)

    def look(self, rate: float, before: Sequence[object] = ()) -> None:
        """Makes the trial again if the steps since the last tick were slow.

        Args:
            rate: Images per second since the last tick.
            before: Those of the run's earlier ticks, as its files say. At the first tick of a resumed run the rate is
                compared with them: the recorded number of threads may be the wrong one now.
        """
        if not self.is_ours or rate <= 0:
            return
        if not self._best_rate:
            numbers = (float(one) for one in before if isinstance(one, int | float))
            self._best_rate = max((one for one in numbers if isfinite(one)), default=0.0)
        self._best_rate = max(self._best_rate, rate)
        if rate >= _SLOWED * self._best_rate:
            return
        earlier = self.now
        self._take(self.choose())
        self._best_rate = rate  # what is slow now is compared with this
        if self.now != earlier:
            self.reporter.info(
                f"threads: {self.now} from here (before: {earlier}), faster while the machine is busy"
            )

    def _take(self, threads: int) -> None:
        self.now = threads
        torch.set_num_threads(threads)

    def _warn_of_other(self, recorded: int) -> None:
        if recorded and recorded != self.now:
            self.reporter.warn(
                f"trained with {recorded} threads, here {self.now}: the result will differ in its last digits"
            )
