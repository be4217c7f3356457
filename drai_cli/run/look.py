"""A look at some images of a run: the grid of a tick, and the numbers of `health.warnings`. Trains nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drai_cli.data.image_set import Part
from drai_cli.data.prepared import PreparedSet
from drai_cli.io.raster import write_png
from drai_cli.model.networks import Networks
from drai_cli.model.pixels import to_unit
from drai_cli.output.figure import add_row_names
from drai_cli.training.grid import COLUMNS, GAP, draw_grid, row_names
from drai_cli.training.state import TrainingState

_WATCHED_LABELS = 8


class Look:
    """The images that are looked at, the same at every tick.

    Args:
        state: State of the run.
        data: Data set of the run.
        device: Device of the networks.
    """

    def __init__(self, state: TrainingState, data: PreparedSet, device: torch.device) -> None:
        self.state, self.data, self.device = state, data, device

    def vital_signs(self, networks: Networks) -> dict[str, float]:
        """The arguments of `health.warnings`, from samples and a few images of both parts, labels in turn."""
        state, count = self.state, 4 * COLUMNS
        discriminator = state.adversaries.discriminator
        generator = torch.Generator().manual_seed(0)
        style = torch.randn(COLUMNS, networks.generator.style_dim, generator=generator).to(self.device)
        with torch.inference_mode():
            validation = self._in_turn("validation", count)
            signs = [
                discriminator.image(discriminator.trunk(self._with_masks(rows))).sign().mean()
                for rows in (self._in_turn("train", count), validation)
            ]
            real = to_unit(self.data.images[validation], self.device)
            spreads = []
            for condition in self._of_labels()[:_WATCHED_LABELS].to(self.device):
                content = networks.content_prior(condition.expand(COLUMNS, -1)).mean
                # Within a label: a generator that ignores style still differs between labels.
                spreads.append(networks.generator(content, style).std(0).mean())
        return {
            "spread": float(torch.stack(spreads).mean() / real.std(0).mean().clamp(min=1e-6)),
            "real_sign": float(signs[0]),
            "held_out_sign": float(signs[1]),
            "augment_probability": state.augment_probability,
        }

    def draw(self, networks: Networks, path: Path) -> None:
        """Writes the grid of a tick."""
        rows = self._in_turn("validation", COLUMNS)
        sheet = draw_grid(
            networks,
            self.data.images[rows],
            torch.from_numpy(self.data.conditions[rows]),
            self._of_labels(),
            networks.generator.style_dim,
            self.device,
        )
        names = row_names(self.data.schema.labels, networks.encoder is not None)
        sheet = add_row_names(sheet, names, self.data.images.shape[1] + GAP)
        write_png(path, sheet, {"Comment": "synthetic images made by drai"})

    def _of_labels(self) -> Tensor:
        """Conditions with the label only, one per label."""
        schema = self.data.schema
        return torch.from_numpy(schema.encode([{schema.label.name: label} for label in schema.labels]))

    def _in_turn(self, part: Part, count: int) -> np.ndarray:
        """Up to `count` rows of a part, labels in turn; of the training part if the part has too few."""
        rows = self.data.rows(part)
        if len(rows) < COLUMNS:
            rows = self.data.rows("train")
        labels = self.data.labels[rows]
        turn = np.zeros(len(rows), np.int64)
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        return rows[np.lexsort((labels, turn))[:count]]

    def _with_masks(self, rows: np.ndarray) -> Tensor:
        """Real images as the discriminator sees them."""
        images = to_unit(self.data.images[rows], self.device)
        if self.data.masks is None:
            return images
        return torch.cat([images, to_unit(self.data.masks[rows], self.device)], 1)
