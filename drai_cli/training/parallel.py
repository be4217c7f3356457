"""One step computed by several processes together; with one process nothing changes, bit for bit.

All draws of a step (rows, noise, changes of images) are a pure function of (seed, images seen), made by every process
for the whole batch. Each process runs encoder, generator and trunks on its share of the rows: most of the work.
Their outputs (codes, features) are gathered, and every process computes the whole objective on the whole batch. So a
term that compares rows (matching, independence, moments, wrong conditions) is the same as on one device, and no term is
written twice.

The gradients are exact. Each of W processes has the same loss L of the whole batch, and the sum of these is W · L.
`gather` is differentiable; its backward pass sums a row's gradients over the processes. Summed over the processes, the
gradients of the weights are those of W · L, whether a weight was used before gathering (on a share of the rows) or
after it (on all rows, by every process). Their mean is the gradient of L.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from drai_cli.errors import NetworkError
from drai_cli.machine.memory import is_out_of_memory


class LostProcessError(NetworkError):
    """Another process has ended, or cannot be reached."""

    def __init__(self, which: str = "one of the others") -> None:
        super().__init__(
            "training processes", f"{which} has ended or cannot be reached",
            "see its own error or the launcher's; the last checkpoint is complete: run the same command to resume",
        )  # fmt: skip


@dataclass(frozen=True)
class Share:
    """The rows of a batch that a process has.

    Attributes:
        total: Number of rows in the batch.
        rows: Indices of the process's rows, in order.
    """

    total: int
    rows: Int[Tensor, " share"]


@dataclass(frozen=True)
class Processes:
    """The processes that train together, seen from one of them. All must call the same methods in the same order.

    Attributes:
        rank: Of this process; the first, 0, decides and writes for all.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def span(self, n: int, rank: int | None = None) -> slice:
        """The place of this process's (or another's) share in `n` rows; shares differ by at most one row."""
        rank = self.rank if rank is None else rank
        return slice(n * rank // self.size, n * (rank + 1) // self.size)

    def share(self, whole: Shaped[Tensor, "n *shape"]) -> Shaped[Tensor, "share *shape"]:
        """This process's rows."""
        return whole if self.size == 1 else whole[self.span(len(whole))]

    def share_of(self, n: int, segments: int = 1) -> Share | None:
        """This process's rows of each of `segments` segments of `n` rows; None with one process: all."""
        if self.size == 1:
            return None
        span = self.span(n)
        rows = torch.arange(span.start, span.stop)
        return Share(n * segments, torch.cat([rows + n * number for number in range(segments)]))

    def gather(
        self, own: Sequence[Float[Tensor, "share_rows _"]], n: int, segments: int = 1
    ) -> list[Float[Tensor, "rows _"]]:
        """All processes' rows of tensors `[segments · share, dim]`, as `[segments · n, dim]`; differentiable."""
        if self.size == 1 or n == 0:
            return list(own)
        whole = _Gather.apply(torch.cat(list(own), dim=1), self, n, segments)  # type: ignore[no-untyped-call]
        return list(whole.split([tensor.shape[1] for tensor in own], dim=1))

    def mean(self, own: Float[Tensor, ""], n: int) -> Float[Tensor, ""]:
        """The mean over all `n` rows, from the mean over this process's rows; differentiable."""
        if self.size == 1:
            return own
        span = self.span(n)
        (each,) = self.gather([own.expand(span.stop - span.start, 1)], n)
        return each.mean()

    def average_gradients(self, module: nn.Module) -> None:
        """Averages every gradient over all processes, so that all take the same step."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        with detect_loss():
            dist.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def largest(self, values: Iterable[float]) -> list[float]:
        """The largest of each value among all processes, exactly."""
        if self.size == 1:
            return list(values)
        largest = torch.tensor(list(values), dtype=torch.float64)
        with detect_loss():
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return [float(value) for value in largest]

    def wait(self) -> None:
        """Waits until all processes are here."""
        self.largest([0.0])

    def from_first(self, data: Any) -> Any:
        """Sends the first process's plain data (what JSON can hold) to all; returns it."""
        if self.size == 1:
            return data
        encoded = torch.frombuffer(bytearray(json.dumps(data).encode()), dtype=torch.uint8)
        length = torch.tensor(len(encoded))
        with detect_loss():
            dist.broadcast(length, 0)
            encoded = encoded if self.is_first else torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(encoded, 0)
        return json.loads(encoded.numpy().tobytes())

    def tensors_from_first(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sends the first process's tensors to all; returns them on the CPU. Those of the others are ignored."""
        outline = self.from_first(
            {name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()}
        )
        if self.is_first:
            copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        else:
            copies = {
                n: torch.empty(shape, dtype=getattr(torch, dtype)) for n, (dtype, shape) in outline.items()
            }
        with detect_loss():
            for name in outline:
                dist.broadcast(copies[name], 0)
        return copies


ALONE = Processes()


@contextmanager
def detect_loss() -> Iterator[None]:
    """A context for communication: a failure within it means that another process is lost.

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
    """Rows of all processes in order. Shares may differ by one row: they are sent padded to the longest."""

    @staticmethod
    def forward(context: Any, own: Tensor, processes: Processes, n: int, segments: int) -> Tensor:
        context.processes, context.n, context.segments = processes, n, segments
        spans = [processes.span(n, rank) for rank in range(processes.size)]
        counts = [span.stop - span.start for span in spans]
        padded = own.new_zeros(segments, max(counts), own.shape[1])
        padded[:, : counts[processes.rank]] = own.view(segments, counts[processes.rank], own.shape[1])
        parts = [torch.empty_like(padded) for _ in spans]
        with detect_loss():
            dist.all_gather(parts, padded)
        rows = [part[:, :count] for part, count in zip(parts, counts, strict=True)]
        return torch.cat(rows, dim=1).flatten(0, 1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        with detect_loss():
            dist.all_reduce(gradient)
        segments = gradient.view(context.segments, context.n, gradient.shape[1])
        return segments[:, context.processes.span(context.n)].flatten(0, 1), None, None, None
