"""`--move-content` and `--move-style`: vectors that are added to all codes of a job. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from drai_cli.errors import UsageError
from drai_cli.inference.sampler import Sampler
from drai_cli.model_file.header import ModelHeader

DIGITS = 3
"""Decimal places of a move that `spell` writes."""


@dataclass(frozen=True)
class Move:
    """What is added to codes, after truncation.

    Attributes:
        content: Added to each content code.
        style: Added to each style code.
    """

    content: Float32[np.ndarray, " content_dim"]
    style: Float32[np.ndarray, " style_dim"]

    @classmethod
    def parse(cls, content: str, style: str, header: ModelHeader) -> Move | None:
        """The move of a job; None where both texts are empty.

        Raises:
            UsageError: Not as many finite numbers as the model's code has.
        """
        if not content and not style:
            return None
        shape = header.architecture
        return cls(
            _parse("--move-content", content, shape.content_dim),
            _parse("--move-style", style, shape.style_dim),
        )

    def noise(
        self,
        sampler: Sampler,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
        truncation: float,
    ) -> Float32[np.ndarray, "images content_dim"]:
        """The noise with which a sampler without truncation makes the moved contents."""
        if not self.content.any():
            return np.float32(truncation) * content_noise
        kinds, rows = np.unique(conditions, axis=0, return_inverse=True)
        mean = sampler.draw_content(kinds, np.zeros((len(kinds), len(self.content)), np.float32))
        deviation = sampler.draw_content(kinds, np.ones((len(kinds), len(self.content)), np.float32)) - mean
        added = self.content / np.maximum(deviation, np.float32(1e-6))
        noise: np.ndarray = np.float32(truncation) * content_noise + added[rows.reshape(-1)]
        return noise


def spell(move: np.ndarray) -> str:
    """A vector as `--move-content` and `--move-style` take it; empty for zeros."""
    rounded = [round(float(number), DIGITS) + 0.0 for number in move]
    return ",".join(f"{number:g}" for number in rounded) if any(rounded) else ""


def _parse(option: str, text: str, dim: int) -> Float32[np.ndarray, " dim"]:
    if not text:
        return np.zeros(dim, np.float32)
    try:
        numbers = np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError:
        numbers = np.array([np.nan], np.float32)
    if len(numbers) != dim or not np.isfinite(numbers).all():
        raise UsageError(
            option,
            f"expected {dim} finite numbers with commas between them, got {text[:60]!r}",
            "drai explore finds directions and prints the command",
        )
    return numbers
