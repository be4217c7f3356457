"""What keeps a GPU busy: copies that the host does not wait for, and work beside other work. Elsewhere plain order."""

from __future__ import annotations

from functools import cache
from types import TracebackType

import torch
from torch import Tensor

from drai_cli.training.parallel import Processes


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device, for what is launched after it.

    A plain copy to a GPU waits for all that was launched before: the step that goes on there, and then the GPU waits
    for the host to make the next batch.
    """
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Beside:
    """Work that needs only what was there when this was made, done beside what is launched in between.

    In a stream of its own on a GPU that trains alone: a step's small kernels fill it only together, and so do those of
    their backward pass. What follows waits for its end, so it must be entered. Of what it reads nothing may be freed
    before.
    """

    def __init__(self, device: torch.device, processes: Processes) -> None:
        # Processes talk to each other in one order, which two streams do not have.
        self.stream = _side_stream(device) if device.type == "cuda" and processes.size == 1 else None
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(device))

    def __enter__(self) -> None:
        if self.stream is not None:
            self.main = torch.cuda.current_stream(self.stream.device)
            torch.cuda.set_stream(self.stream)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stream is not None:
            torch.cuda.set_stream(self.main)
            self.main.wait_stream(self.stream)


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    # Weights that both streams use get gradients of both; autograd puts them in order, and newer versions say so.
    quiet = getattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch", None)
    if quiet is not None:
        quiet(False)
    return torch.cuda.Stream(device)
