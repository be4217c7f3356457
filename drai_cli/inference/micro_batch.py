"""How many images a model computes in one pass."""

from __future__ import annotations

from drai_cli.model_file.header import ModelHeader


def micro_batch_of(header: ModelHeader, most: int) -> int:
    """Images per pass: `most` at 64 px, fewer if they are larger, at least 16."""
    return max(16, min(most, most * 64**2 // header.architecture.image_size**2))
