"""`drai info`: what a model file records: sizes, labels, measures, licence. Builds no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from drai_cli.conditions.attribute import Attribute
from drai_cli.errors import WeightsError
from drai_cli.hub.locate import DEFAULT_WEIGHTS, RUNS, bundled_models, locate_weights
from drai_cli.hub.repository import MODEL_FILE, cached_models, origin_of
from drai_cli.io.files import file_sha256, utf8_path
from drai_cli.model_file.checkpoint import read_header
from drai_cli.progress import SILENT, Reporter
from drai_cli.run.directory import measures_beside
from drai_cli.settings.methods import METHODS
from drai_cli.settings.model_options import InfoOptions


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model without running it.

    Attributes:
        name: What to give as WEIGHTS: a bundled name, a Hub name with its commit, else the file's or run's path.
        origin: Where it came from: `bundled`, `owner/name@commit` on the Hub, or `file`.
        is_default: Whether it is the bundled default.
        path: The model file.
        size_bytes: Of the file.
        sha256: Of the file.
        format_version: Of its header.
        method: How it was trained.
        image_size: Height and width in pixels.
        image_channels: 1 (grey) or 3 (RGB).
        masks: Names of the masks that it makes with each image.
        content_dim: Entries of the content code.
        style_dim: Entries of the style code.
        has_encoder: Whether it can encode images and swap styles.
        infers: Codes that the encoder infers from an image.
        parameters: Numbers in the file by network (`generator`, `encoder`, ...).
        dtype: Of these numbers.
        labels: Labels of the images it makes.
        attributes: What it is conditioned on, the label first.
        label_counts: Training images by label, if recorded.
        images_seen: In training, if recorded.
        intensity: What pixel values mean.
        training: The rest of the training record.
        measures: Results on test groups, as in the model card.
        licence: SPDX expression of the weights.
        data: What it was trained on.
        intended_use: What it is for and what it must not be used for.
    """

    name: str
    origin: str
    is_default: bool
    path: Path
    size_bytes: int
    sha256: str
    format_version: int
    method: str
    image_size: int
    image_channels: int
    masks: tuple[str, ...]
    content_dim: int
    style_dim: int
    has_encoder: bool
    infers: tuple[str, ...]
    parameters: Mapping[str, int]
    dtype: str
    labels: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    label_counts: Mapping[str, int]
    images_seen: int | None
    intensity: Mapping[str, Any]
    training: Mapping[str, Any]
    measures: Mapping[str, Any]
    licence: str
    data: str
    intended_use: str


def describe_model(options: InfoOptions, reporter: Reporter = SILENT) -> ModelInfo:
    """Describes one model.

    Raises:
        WeightsError: No such model, or it cannot be read.
        NetworkError: It has to be downloaded, and the Hub cannot be reached or refuses.
    """
    return _describe(locate_weights(options.weights, reporter))


def list_models(reporter: Reporter = SILENT) -> tuple[ModelInfo, ...]:
    """Describes every model available: bundled ones, those in the Hub cache, and the runs in `runs/` here."""
    models = [_describe(path) for path in bundled_models().values()]
    for path in (*cached_models(), *sorted(Path(RUNS).glob(f"*/{MODEL_FILE}"))):
        try:
            models.append(_describe(path))
        except WeightsError as error:  # another tool's model in the Hub cache
            reporter.info(f"skipped: {error}")
    return tuple(models)


def _describe(path: Path) -> ModelInfo:
    header, sha256 = read_header(path), file_sha256(path)
    parameters, dtype = _count_parameters(path)
    bundled = {file: name for name, file in bundled_models().items()}
    origin = "bundled" if path in bundled else origin_of(path)
    is_run = path.name == MODEL_FILE and (path.parent / "checkpoint").is_dir()
    name = bundled.get(path) or origin or str(path.parent if is_run else path)
    training = dict(header.training)
    counts = training.pop("label_counts", {})
    images_seen = training.pop("images_seen", None)
    return ModelInfo(
        name=name,
        origin=origin or "file",
        is_default=name == DEFAULT_WEIGHTS and path in bundled,
        path=path,
        size_bytes=path.stat().st_size,
        sha256=sha256,
        format_version=header.format_version,
        method=header.method,
        image_size=header.architecture.image_size,
        image_channels=header.architecture.image_channels,
        masks=header.mask_names,
        content_dim=header.architecture.content_dim,
        style_dim=header.architecture.style_dim,
        has_encoder="encoder" in parameters,
        infers=METHODS[header.method].infers if header.method in METHODS else (),
        parameters=parameters,
        dtype=dtype,
        labels=header.schema.labels,
        attributes=header.schema.attributes,
        label_counts=counts if isinstance(counts, dict) else {},
        images_seen=images_seen if isinstance(images_seen, int) else None,
        intensity=header.intensity,
        training=training,
        measures=measures_beside(path, sha256) or header.measures,
        licence=header.licence,
        data=header.data,
        intended_use=header.intended_use,
    )


def _count_parameters(path: Path) -> tuple[dict[str, int], str]:
    """Counts numbers by network and lists their dtypes, from the file's index alone.

    Raises:
        WeightsError: The file is shorter or longer than its index says.
    """
    counts: dict[str, int] = {}
    dtypes: set[str] = set()
    try:
        with utf8_path(path) as name, safe_open(name, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118  not a mapping
                tensor = tensors.get_slice(name)
                network = name.split(".")[0]
                counts[network] = counts.get(network, 0) + math.prod(tensor.get_shape())
                dtypes.add(str(tensor.get_dtype()))
    except (SafetensorError, OSError) as error:
        raise WeightsError(path, f"cannot be read ({error})", "the file is damaged: get it again") from error
    return counts, ", ".join(sorted(dtypes))
