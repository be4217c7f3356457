"""Arithmetic of a training step: which there is, how it is asked for, and weights in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by itself; emulated it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def autocast_dtype(precision: str) -> torch.dtype | None:
    """bfloat16 for `bf16`, None for `fp32`."""
    return torch.bfloat16 if precision == "bf16" else None


def autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Arithmetic in a dtype (None: as it is), as a context."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


@contextmanager
def weights_in(dtype: torch.dtype | None, *modules: nn.Module) -> Iterator[None]:
    """Within it the modules compute with their weights in a dtype (None: as they are); gradients reach the weights.

    Autocast casts each weight by itself, and its gradient back: some two hundred copies of a step's operations. Here
    all are cast in one. What the modules hold within is of this pass alone: no optimiser may step.
    """
    if dtype is None:
        yield
        return
    places = [
        (owner, name, weight)
        for module in modules
        for owner in module.modules()
        for name, weight in owner.named_parameters(recurse=False)
    ]
    try:
        cast = _Cast.apply(dtype, *(weight for _, _, weight in places))  # type: ignore[no-untyped-call]
        for (owner, name, _), tensor in zip(places, cast, strict=True):
            owner._parameters[name] = tensor
        yield
    finally:
        for owner, name, weight in places:
            owner._parameters[name] = weight


class _Cast(torch.autograd.Function):
    """Tensors in another dtype, all at once, and their gradients in float32, all at once."""

    @staticmethod
    def forward(ctx: FunctionCtx, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return _all_in(dtype, tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor | None) -> tuple[Any, ...]:
        cast = iter(_all_in(torch.float32, [one for one in gradients if one is not None]))
        return None, *(None if one is None else next(cast) for one in gradients)


def _all_in(dtype: torch.dtype, tensors: list[Tensor] | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    out = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    if out:
        torch._foreach_copy_(out, list(tensors))
    return tuple(out)
