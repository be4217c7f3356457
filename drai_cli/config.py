"""What can be set, as frozen dataclasses with their defaults. Standard library only; presets and flags override."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

METHODS = (
    "drai", "dai", "dai-grl", "dai-self", "cgan", "cinfogan", "dual-cinfogan", "cavae", "dual-cavae",
)  # fmt: skip


@dataclass(frozen=True)
class ModelConfig:
    """The networks' shape. It stands in every model file; a model can be rebuilt from it and the condition's width.

    Attributes:
        image_size: Height and width in pixels, a multiple of 16.
        image_channels: 1 (grey) or 3 (RGB).
        content_dim: Entries of the content code.
        style_dim: Entries of the style code.
        channels: Channels at half the image's resolution (a space-to-depth stem halves it); doubles down to 4 x channels.
        max_channels: Upper bound of the doubling.
        blocks: Residual blocks at each resolution.
    """

    image_size: int = 64
    image_channels: int = 3
    content_dim: int = 16
    style_dim: int = 32
    channels: int = 48
    max_channels: int = 192
    blocks: int = 1

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModelConfig:
        """Reads `to_json`; raises ValueError on anything that is not one of its numbers in a sane range."""
        names = {f.name for f in fields(cls)}
        if set(data) != names:
            raise ValueError(f"expected {sorted(names)}, got {sorted(data)}")
        for name, value in data.items():
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
                raise ValueError(f"{name}: expected a whole number from 1 to 4096, got {value!r}")
        config = cls(**data)
        if config.image_size % 16 or config.image_channels not in (1, 3):
            raise ValueError(f"image of {config.image_size} px and {config.image_channels} channels")
        return config

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
