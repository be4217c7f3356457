"""One step computed by several processes together; for one process all of it is nothing at all, bit for bit.

What a step draws (rows, noise, changes of images) is a pure function of (seed, images seen), drawn by every process
for the whole batch. Each runs encoder, generator and trunks on its share of the rows, which is where the work is. What
comes out of them (codes, features) is gathered, and every process computes the whole objective on the whole batch: so a
term that compares rows with each other (matching, independence, moments, wrong conditions) is what it is on one device,
and no term is written twice.

Why the gradients are exact: let every one of W processes have the same loss L of the whole batch. The sum of their
losses is W · L, and `gather` is differentiable, its backward pass summing over the processes what they ask of a row. So
summing each process's gradients of the weights gives those of W · L, whether a weight was used before the gathering (on
a share of the rows) or after it (on all of them, by everyone), and their mean is the gradient of L.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from drai_cli.errors import NetworkError
from drai_cli.machine.memory import is_out_of_memory


class LostProcessError(NetworkError):
    """Another process has ended, or cannot be reached."""

    def __init__(self, which: str = "one of the others") -> None:
        super().__init__(
            "training processes", f"{which} has ended or cannot be reached",
            "its own error or the launcher says why; the last checkpoint is whole: the same command goes on from it",
        )  # fmt: skip


@dataclass(frozen=True)
class Share:
    """The rows of a whole that a process holds.

    Attributes:
        total: Rows of the whole.
        rows: Those that are held, in order.
    """

    total: int
    rows: Tensor


@dataclass(frozen=True)
class Processes:
    """Those that train together, seen from one of them. They must all call the same methods in the same order.

    Attributes:
        rank: Of this one; the first, 0, decides and writes for all.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def span(self, n: int, rank: int | None = None) -> slice:
        """Where this process's (or another's) share of `n` rows stands; shares differ by one row at most."""
        rank = self.rank if rank is None else rank
        return slice(n * rank // self.size, n * (rank + 1) // self.size)

    def share(self, whole: Tensor) -> Tensor:
        """This process's rows."""
        return whole if self.size == 1 else whole[self.span(len(whole))]

    def share_of(self, n: int, segments: int = 1) -> Share | None:
        """Its rows of `segments` times `n`, of each its span; None: all."""
        if self.size == 1:
            return None
        span = self.span(n)
        rows = torch.arange(span.start, span.stop)
        return Share(n * segments, torch.cat([rows + n * number for number in range(segments)]))

    def gather(self, own: Sequence[Tensor], n: int, segments: int = 1) -> list[Tensor]:
        """All processes' rows of some tensors `[segments · share, dim]`, as `[segments · n, dim]`; differentiable."""
        if self.size == 1 or n == 0:
            return list(own)
        whole = _Gather.apply(torch.cat(list(own), dim=1), self, n, segments)  # type: ignore[no-untyped-call]
        return list(whole.split([tensor.shape[1] for tensor in own], dim=1))

    def mean(self, own: Tensor, n: int) -> Tensor:
        """The mean over all `n` rows, of the mean over this process's; differentiable."""
        if self.size == 1:
            return own
        span = self.span(n)
        (each,) = self.gather([own.expand(span.stop - span.start, 1)], n)
        return each.mean()

    def average_gradients(self, module: nn.Module) -> None:
        """Makes every gradient the mean of all processes'; all then take the same step."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        with connected():
            dist.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def largest(self, values: Iterable[float]) -> list[float]:
        """The largest of each value among all processes, exactly."""
        if self.size == 1:
            return list(values)
        found = torch.tensor(list(values), dtype=torch.float64)
        with connected():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return [float(value) for value in found]

    def wait(self) -> None:
        """Until all are here."""
        self.largest([0.0])

    def from_first(self, data: Any) -> Any:
        """The first process's plain data (what JSON can hold) on all of them."""
        if self.size == 1:
            return data
        encoded = torch.frombuffer(bytearray(json.dumps(data).encode()), dtype=torch.uint8)
        length = torch.tensor(len(encoded))
        with connected():
            dist.broadcast(length, 0)
            encoded = encoded if self.is_first else torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(encoded, 0)
        return json.loads(encoded.numpy().tobytes())

    def tensors_from_first(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The first process's tensors on all of them, on the CPU; the others' own are not looked at."""
        outline = self.from_first(
            {name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()}
        )
        if self.is_first:
            found = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        else:
            found = {
                n: torch.empty(shape, dtype=getattr(torch, dtype)) for n, (dtype, shape) in outline.items()
            }
        with connected():
            for name in outline:
                dist.broadcast(found[name], 0)
        return found


ALONE = Processes()


@contextmanager
def connected() -> Iterator[None]:
    """Around what talks to the others: that it fails means that one of them is gone.

    Raises:
        LostProcessError: It failed.
    """
    try:
        yield
    except RuntimeError as error:  # of gloo, NCCL and the store alike
        if is_out_of_memory(error):
            raise
        raise LostProcessError from error


class _Gather(torch.autograd.Function):
    """Rows of all processes in order. Shares may differ by a row: they travel padded to the longest."""

    @staticmethod
    def forward(context: Any, own: Tensor, processes: Processes, n: int, segments: int) -> Tensor:
        context.processes, context.n, context.segments = processes, n, segments
        spans = [processes.span(n, rank) for rank in range(processes.size)]
        counts = [span.stop - span.start for span in spans]
        padded = own.new_zeros(segments, max(counts), own.shape[1])
        padded[:, : counts[processes.rank]] = own.view(segments, counts[processes.rank], own.shape[1])
        parts = [torch.empty_like(padded) for _ in spans]
        with connected():
            dist.all_gather(parts, padded)
        rows = [part[:, :count] for part, count in zip(parts, counts, strict=True)]
        return torch.cat(rows, dim=1).flatten(0, 1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        with connected():
            dist.all_reduce(gradient)
        segments = gradient.view(context.segments, context.n, gradient.shape[1])
        return segments[:, context.processes.span(context.n)].flatten(0, 1), None, None, None
