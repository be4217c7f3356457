"""The factor regressor: predicts known style factors (position, size, tone, light) from an image.

Trained on real images whose factors are known. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, TrainedNet, build, rebuild
from drai_cli.metrics.fitting import FitConfig, FitRecord, Keeping, fit
from drai_cli.metrics.mapping import Images, map_images
from drai_cli.model.pixels import to_unit
from drai_cli.settings.typed import check_types

Factors = Mapping[str, Float32[np.ndarray, " n"]]

PERIODS = {"rotation": float(np.pi)}
"""Factors that are angles, with the rotation after which an image looks the same."""


@dataclass(frozen=True)
class RegressorConfig:
    """How the regressor is trained; the defaults are for phantoms of 32 px."""

    widths: tuple[int, ...] = (64, 128, 192)
    depth: int = 1
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(images=64_000, rate=2e-3, weight_decay=0.02, averaging=0.99)
    )


@dataclass(frozen=True)
class FactorRegressor(TrainedNet):
    """A trained regressor.

    Attributes:
        network: In eval mode; its outputs are standardised factors.
        names: Factors in output order.
        mean: Of each factor over the training part.
        deviation: Of each factor over the training part.
        device: Where it runs.
        record: How training went, `score` being the mean R² on validation; None for one that was loaded.
    """

    network: ConvNet
    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    device: torch.device
    record: FitRecord | None = None

    def predict(self, images: Images) -> Float[np.ndarray, "n factors"]:
        """Factors of stored images, in their own units, columns as `names`."""
        return map_images(self._outputs, images, self.device) * np.array(self.deviation) + np.array(self.mean)

    def fits(self, images: Images, factors: Factors) -> bool:
        """Whether its network fits such images and these factors."""
        size = self.network.config
        names, _ = factor_table(factors)
        return (size.image_size, size.image_channels) == images.shape[2:] and self.names == names

    def config_json(self) -> dict[str, Any]:
        """Plain data that `load_regressor` needs in addition to the tensors of `state`."""
        named = {"names": list(self.names), "mean": list(self.mean), "deviation": list(self.deviation)}
        return {"network": asdict(self.network.config), **named}


def load_regressor(
    config: Mapping[str, Any], state: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> FactorRegressor:
    """A regressor from the results of `config_json` and `state`; raises as `rebuild`, and LookupError."""
    network = rebuild(config["network"], state)
    lists = {name: config[name] for name in ("names", "mean", "deviation")}
    check_types(FactorRegressor, lists)
    if {len(entries) for entries in lists.values()} != {network.config.outputs}:
        raise ValueError("expected as many names, means and deviations as outputs")
    return FactorRegressor(
        network.to(device).eval().requires_grad_(False),
        tuple(config["names"]),
        tuple(config["mean"]),
        tuple(config["deviation"]),
        torch.device(device),
    )


def factor_table(factors: Factors) -> tuple[tuple[str, ...], Float[np.ndarray, "n factors"]]:
    """Names and columns of the factors; an angle becomes its cosine and sine over its period."""
    names: list[str] = []
    columns: list[np.ndarray] = []
    for name, values in factors.items():
        values = np.asarray(values, np.float64)
        if name in PERIODS:
            turn = 2 * np.pi * values / PERIODS[name]
            names += [f"{name}_cos", f"{name}_sin"]
            columns += [np.cos(turn), np.sin(turn)]
        else:
            names.append(name)
            columns.append(values)
    return tuple(names), np.stack(columns, 1)


def r_squared(
    predicted: Float[np.ndarray, "n factors"], true: Float[np.ndarray, "n factors"]
) -> Float[np.ndarray, " factors"]:
    """1 - residual over total sum of squares, per column; can be far below 0."""
    residual = ((predicted - true) ** 2).sum(0)
    total = ((true - true.mean(0)) ** 2).sum(0)
    out: np.ndarray = 1 - residual / total
    return out


def train_regressor(
    images: Images,
    factors: Factors,
    parts: np.ndarray,
    config: RegressorConfig | None = None,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> FactorRegressor:
    """Trains on `train` rows, selects by mean R² on `validation` rows; `test` rows are not used.

    Args:
        images: Stored images, square.
        factors: True value per row and factor.
        parts: `train`, `validation` or `test` per row.
        config: How; None for the defaults.
        seed: Random seed.
        device: Where to train and to run afterwards.
        progress: Called after each step with the images it saw.
        keeping: Where an interrupted training is kept; None: nowhere.
    """
    config = config or RegressorConfig()
    names, table = factor_table(factors)
    train = np.flatnonzero(parts == "train")
    validation = np.flatnonzero(parts == "validation")
    if not len(train) or not len(validation):
        raise ValueError("a regressor needs rows in both parts, train and validation")
    mean, deviation = table[train].mean(0), table[train].std(0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    targets = torch.from_numpy(((table - mean) / deviation).astype(np.float32))
    held, held_table = images[validation], table[validation]

    def finished(network: ConvNet, record: FitRecord | None = None) -> FactorRegressor:
        where = torch.device(device)
        return FactorRegressor(network, names, tuple(mean.tolist()), tuple(deviation.tolist()), where, record)

    def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = train[torch.randint(len(train), (size,), generator=generator).numpy()]
        return to_unit(images[rows]), targets[rows]

    def score(network: ConvNet) -> float:
        return float(r_squared(finished(network).predict(held), held_table).mean())

    size = ConvNetConfig(images.shape[1], images.shape[3], len(names), config.widths, config.depth, "grid")
    network, record = fit(
        build(size, seed), draw, F.mse_loss, score, config.fit, seed=seed, device=device, progress=progress,
        keeping=keeping,
    )  # fmt: skip
    return finished(network, record)
