"""Does a generated mask fit its image? Dice with what a segmenter of real images sees in it, beside its Dice on real.

    python tests/stress/mask_dice.py SET MASKS OUT [SECONDS]

SET is a set in class folders with MASKS as `drai phantom --masks` writes them, OUT an output of `drai sample` with
masks. The segmenter, a small U-Net, is trained for some seconds on nine tenths of SET and has seen no generated image.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.data.prepared import prepare
from drai_cli.settings.data_options import DataOptions


class Segmenter(nn.Module):
    """A U-Net of three levels; logits of inside."""

    def __init__(self, channels: int, width: int = 24) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        pairs = list(zip([channels, *widths], widths, strict=False))
        self.down = nn.ModuleList(self._block(a, b) for a, b in pairs)
        self.up = nn.ModuleList(
            self._block(a + b, b) for a, b in [(widths[2], widths[1]), (widths[1], widths[0])]
        )
        self.last = nn.Conv2d(widths[0], 1, 1)

    @staticmethod
    def _block(before: int, after: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for number, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if number else x)
            kept.append(x)
        for block, skip in zip(self.up, (kept[1], kept[0]), strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0), skip], 1))
        return self.last(x)


def dice(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of boolean masks; 1 where both are empty."""
    both, total = (a & b).sum((1, 2)), a.sum((1, 2)) + b.sum((1, 2))
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)


def as_input(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)


def train(images: np.ndarray, masks: np.ndarray, seconds: float) -> Segmenter:
    torch.manual_seed(0)
    network = Segmenter(images.shape[3])
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    draws, began = np.random.default_rng(0), time.monotonic()
    while (used := time.monotonic() - began) < seconds:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * max(0.02, 1 - used / seconds)
        rows = np.sort(draws.integers(0, len(images), 64))
        x, y = as_input(images[rows]), torch.from_numpy(masks[rows].astype(np.float32))[:, None]
        logits = network(x)
        inside = torch.sigmoid(logits)
        overlap = 1 - 2 * (inside * y).sum() / (inside.sum() + y.sum()).clamp(min=1)
        loss = functional.binary_cross_entropy_with_logits(logits, y) + overlap
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


@torch.inference_mode()
def segment(network: Segmenter, images: np.ndarray) -> np.ndarray:
    chunks = (images[start : start + 256] for start in range(0, len(images), 256))
    return np.concatenate([(network(as_input(chunk)) > 0)[:, 0].numpy() for chunk in chunks])


def show(name: str, values: np.ndarray) -> None:
    draws = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    low, high = np.quantile(values[draws].mean(1), [0.025, 0.975])
    print(f"{name}: Dice {values.mean():.4f} [{low:.4f}, {high:.4f}], median {np.median(values):.4f}, "
          f"5 % quantile {np.quantile(values, 0.05):.4f}, n {len(values)}")  # fmt: skip


def main() -> None:
    folder, masks, out = map(Path, sys.argv[1:4])
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 120.0
    size = 32

    def read(path: Path, of_masks: Path) -> tuple[np.ndarray, np.ndarray]:
        options = DataOptions(path, size=size, channels=3, masks=of_masks, label=("label",))
        data = prepare(options, seed=0, needs_parts=False)
        assert data.masks is not None
        return np.asarray(data.images), data.masks[..., 0] > 127

    images, shapes = read(folder, masks)
    held = np.arange(len(images)) % 10 == 0
    network = train(images[~held], shapes[~held], seconds)
    show(
        "segmenter on real images it has not seen, against the true shape",
        dice(segment(network, images[held]), shapes[held]),
    )
    made, generated = read(out, out / "masks")
    show("generated mask against the shape in its generated image", dice(segment(network, made), generated))
    rolled = np.roll(generated, 7, axis=0)
    show("control: the mask of another generated image", dice(segment(network, made), rolled))
    sizes = [one.mean((1, 2)) for one in (shapes, generated)]
    print(
        "share of the frame inside, real and generated: "
        + ", ".join(f"{s.mean():.4f} ± {s.std():.4f}" for s in sizes)
    )


if __name__ == "__main__":
    main()
