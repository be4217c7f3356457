"""Asynchronous copies to a GPU, and work in a stream of its own. On other devices: plain order."""

from __future__ import annotations

from functools import cache
from types import TracebackType

import torch
from torch import Tensor

from drai_cli.training.parallel import Processes


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor to the device without waiting for work that was launched before.

    A plain copy to a GPU would wait for the step that runs there, and then the GPU would wait for the next batch.
    """
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class SideStream:
    """A context whose work needs only what existed when this was made; it overlaps with what is launched in between.

    A GPU that trains alone uses a stream of its own: only together do a step's small kernels, and those of their
    backward pass, fill it. Later work waits for the end of this work, so the context must be entered. No tensor that it
    reads may be freed before.
    """

    def __init__(self, device: torch.device, processes: Processes) -> None:
        # Processes communicate in one order, which two streams do not have.
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
    # Weights used by both streams get gradients from both. Autograd orders them; newer versions warn of it.
    set_warning = getattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch", None)
    if set_warning is not None:
        set_warning(False)
    return torch.cuda.Stream(device)
