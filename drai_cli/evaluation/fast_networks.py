"""A model's networks in the arithmetic that is fastest on the device, for measures of many images.

The images differ from those that a user gets by about one level of 256. Copies are searched for among exact ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from drai_cli.metrics.convnet import precision
from drai_cli.model_file.checkpoint import LoadedModel


class FastNetworks:
    """Generator and encoder in bfloat16 where the device is faster in it (`convnet.precision`), else as they are."""

    def __init__(self, model: LoadedModel, device: torch.device) -> None:
        self.generator = _at_precision(model.generator, device)
        self.encoder = None if model.encoder is None else _at_precision(model.encoder, device)
        self.content_prior = model.content_prior
        self.style_dim = model.generator.style_dim


def _at_precision(network: Any, device: torch.device) -> Callable[..., Any]:
    def call(*inputs: torch.Tensor) -> Any:
        with precision(device):
            return network(*inputs)

    return call
