"""Arithmetic of a training step: which there is, and how it is asked for."""

from __future__ import annotations

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by itself; emulated it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def autocast_dtype(precision: str) -> torch.dtype | None:
    """bfloat16 for `bf16`, None for `fp32`."""
    return torch.bfloat16 if precision == "bf16" else None
