"""The judge of findings: a network trained on real training images only, with one output per finding.

Arrays in, probabilities and features out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor
from torch.nn import functional as F

from drai_cli.conditions.findings import PRESENT, UNKNOWN
from drai_cli.metrics.auc import area_of
from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, TrainedNet, build, rebuild
from drai_cli.metrics.fitting import FitRecord, Keeping, fit
from drai_cli.metrics.judge import JudgeConfig
from drai_cli.metrics.mapping import Images, map_images
from drai_cli.metrics.symmetries import augment
from drai_cli.metrics.training_sets import balanced, rows_of_labels
from drai_cli.model.pixels import to_unit

_TIE = 0.01
"""Weight of the cross entropy beside the AUC where the best network is chosen."""
_EDGE = 1e-7
"""Probabilities count as at least so far from 0 and 1."""
_BALANCE = 0.5
"""Images whose rarest finding is shown by n of them are drawn in proportion to n ** (1 - this)."""


@dataclass(frozen=True)
class FindingJudge(TrainedNet):
    """A trained judge of findings.

    Attributes:
        network: In eval mode.
        device: Where it runs.
        thresholds: Probability of each finding from which it counts as shown: best balanced accuracy on validation.
        record: How training went, `score` being the mean AUC on validation, less a hundredth of the cross
            entropy; None for one that was loaded.
    """

    network: ConvNet
    device: torch.device
    thresholds: tuple[float, ...]
    record: FitRecord | None = None

    @property
    def name(self) -> str:
        """Identifies its features next to numbers measured in them."""
        return "judge"

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in one line."""
        return "numbers in the features of this very judge and of as many images; not with published FID"

    def fits(self, images: Images, finding_count: int) -> bool:
        """Whether its network fits such images and this number of findings."""
        size = self.network.config
        return (size.image_size, size.image_channels, size.outputs) == (
            images.shape[1], images.shape[3], finding_count,
        )  # fmt: skip

    def probabilities(self, images: Images) -> Float[np.ndarray, "n findings"]:
        """Probability of each finding."""
        logits = map_images(self._outputs, images, self.device)
        out: np.ndarray = 1 / (1 + np.exp(-logits))
        return out

    def find_present(self, probabilities: Float[np.ndarray, "n findings"]) -> Bool[np.ndarray, "n findings"]:
        """Which findings count as shown."""
        out: np.ndarray = probabilities >= np.array(self.thresholds)
        return out

    def features(self, images: Images) -> Float[np.ndarray, "n features"]:
        """The layer before the outputs."""
        return map_images(self._features, images, self.device)

    def config_json(self) -> dict[str, Any]:
        """Size and thresholds as plain data, which `load_finding_judge` needs in addition to the tensors of `state`."""
        return {"size": asdict(self.network.config), "thresholds": list(self.thresholds)}


def load_finding_judge(
    config: Mapping[str, Any], state: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> FindingJudge:
    """A judge from the results of `config_json` and `state`; raises as `rebuild`, or KeyError."""
    network = rebuild(config["size"], state)
    thresholds = tuple(float(value) for value in config["thresholds"])
    if len(thresholds) != network.config.outputs or not all(np.isfinite(thresholds)):
        raise ValueError("thresholds do not match the outputs")
    return FindingJudge(network.to(device).eval().requires_grad_(False), torch.device(device), thresholds)


def train_finding_judge(
    images: Images,
    states: Int8[np.ndarray, "n findings"],
    rarest: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    config: JudgeConfig | None = None,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> FindingJudge:
    """Trains a judge on the training rows and selects it on the validation rows.

    Args:
        images: Stored images of all parts.
        states: Of each row: see `Findings.states`; unknown ones teach nothing.
        rarest: The rarest finding of each row, or the number of findings: see `Findings.rarest`.
        parts: `train`, `validation` or `test` per row; test rows are not used.
        config: How; None for the defaults. `balance` is not used.
        seed: Random seed.
        device: Where to train and to run afterwards.
        progress: Called after each step with the images it saw.
        keeping: Where an interrupted training is kept; None: nowhere.
    """
    config = config or JudgeConfig()
    train, validation = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "validation")
    if not len(train) or not len(validation):
        raise ValueError("a judge needs rows in both parts, train and validation")
    count = states.shape[1]
    drawn_from = balanced(rows_of_labels(train, rarest[train], count + 1), _BALANCE)
    targets_of = torch.from_numpy(states.astype(np.float32))
    held_images, held_states = images[validation], states[validation]
    held_targets = torch.from_numpy(held_states.astype(np.float32))

    def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows, _ = drawn_from.draw(size, generator)
        batch = augment(
            to_unit(images[rows]),
            generator,
            symmetry=config.symmetry,
            shift=config.shift,
            contrast=config.contrast,
            brightness=config.brightness,
        )
        return batch, targets_of[torch.from_numpy(rows)]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return finding_loss(outputs, targets, config.smoothing)

    def held_probabilities(network: ConvNet) -> np.ndarray:
        judge = FindingJudge(network, torch.device(device), (0.5,) * count)
        return judge.probabilities(held_images)

    def score(network: ConvNet) -> float:
        scores = held_probabilities(network)
        areas = [area_of(scores[:, finding], held_states[:, finding]) for finding in range(count)]
        area = float(np.nanmean(areas)) if not np.isnan(areas).all() else 0.0
        # Where findings are plain to see, every network ranks all images right from the first check on; the later ones
        # are surer of them, and their thresholds hold for sets that the validation images do not show.
        return area - _TIE * float(loss(_logits(scores), held_targets))

    size = ConvNetConfig(images.shape[1], images.shape[3], count, config.widths, config.depth, "mean")
    network, record = fit(
        build(size, seed), draw, loss, score, config.fit, seed=seed, device=device, progress=progress,
        keeping=keeping,
    )  # fmt: skip
    scores = held_probabilities(network)
    thresholds = tuple(_threshold(scores[:, one], held_states[:, one]) for one in range(count))
    return FindingJudge(network, torch.device(device), thresholds, record)


def _logits(probabilities: Float[np.ndarray, "n findings"]) -> Float[Tensor, "n findings"]:
    return torch.logit(torch.from_numpy(probabilities), eps=_EDGE).float()


def finding_loss(
    outputs: Float[Tensor, "batch findings"], states: Float[Tensor, "batch findings"], smoothing: float
) -> Float[Tensor, ""]:
    """Mean cross entropy over the known findings of a batch, with label smoothing."""
    is_known = (states != UNKNOWN).float()
    smooth = states.clamp(min=0) * (1 - smoothing) + smoothing / 2
    error = F.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
    return (error * is_known).sum() / is_known.sum().clamp(min=1)


def _threshold(scores: Float[np.ndarray, " n"], states: Int8[np.ndarray, " n"]) -> float:
    """The threshold of best balanced accuracy, midway between two logits; 0.5 unless both states occur."""
    known = states != UNKNOWN
    scores, present = scores[known].astype(np.float64), states[known] == PRESENT
    if not present.any() or present.all():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    clipped, hits = scores[order].clip(_EDGE, 1 - _EDGE), present[order]
    ordered = np.log(clipped / (1 - clipped))
    gained = np.cumsum(hits) / hits.sum() - np.cumsum(~hits) / (~hits).sum()
    is_step = np.r_[ordered[1:] != ordered[:-1], True]  # equal scores fall on one side
    best = int(np.where(is_step, gained, -np.inf).argmax())
    return float(1 / (1 + np.exp(-ordered[best : best + 2].mean())))
