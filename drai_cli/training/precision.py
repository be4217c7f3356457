"""Arithmetic of a training step: float32 or bfloat16 autocast, and weights cast once per step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


def has_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 in hardware; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def autocast_dtype(precision: str) -> torch.dtype | None:
    """bfloat16 for `bf16`, None for `fp32`."""
    return torch.bfloat16 if precision == "bf16" else None


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """A context that computes in a dtype; None leaves the arithmetic unchanged."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """A context without autocast: what is float32 stays float32."""
    return torch.autocast(device.type, enabled=False)


@contextmanager
def weights_in(dtype: torch.dtype | None, *modules: nn.Module) -> Iterator[None]:
    """A context in which the modules use their weights in a dtype (None: unchanged); gradients reach the weights.

    Autocast casts each weight and its gradient separately, some 200 copies per step. Here one operation casts them
    all. The cast weights belong to one forward pass: no optimiser may step within the context.
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
    """Casts all tensors at once, and all their gradients to float32 at once."""

    @staticmethod
    def forward(ctx: FunctionCtx, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return _cast_all(dtype, tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor | None) -> tuple[Any, ...]:
        cast = iter(_cast_all(torch.float32, [one for one in gradients if one is not None]))
        return None, *(None if one is None else next(cast) for one in gradients)


def _cast_all(dtype: torch.dtype, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    out = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    if out:
        torch._foreach_copy_(out, list(tensors))
    return tuple(out)
