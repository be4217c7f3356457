"""Networks that run out of memory, for tests of passes and of commands."""

from __future__ import annotations

import pytest
import torch


class Small:
    """Memory for so many rows a pass of some networks; what they were asked for is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.asked = monkeypatch, []

    def limit(self, network: type[torch.nn.Module], rows: int) -> None:
        forward = network.forward

        def limited(module, first, *rest, **more):  # type: ignore[no-untyped-def]
            self.asked.append(len(first))
            if len(first) > rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            return forward(module, first, *rest, **more)

        self.monkeypatch.setattr(network, "forward", limited)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Small:
    return Small(monkeypatch)
