"""The header of a model file, in safetensors or ONNX. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import UsageError, WeightsError
from drai_cli.io.channels import ChannelPlan, check_mask_names
from drai_cli.io.intensity import Intensity
from drai_cli.settings.config import ModelConfig
from drai_cli.settings.typed import check_types

FORMAT_VERSION = 1
HEADER_KEY = "drai"
"""The metadata entry that holds the header, as JSON."""


@dataclass(frozen=True)
class ModelHeader:
    """All that is needed to use a model, except its weights.

    Attributes:
        architecture: Shape of the networks.
        schema: Attributes of the condition.
        method: The training method (`drai`, `dai`, ...).
        intensity: What pixel values mean: `unit`, `dtype` of the training images, their `low` and `high`.
        training: Data summary, `label_counts` of the training part, `images_seen`, `seed`, `version`, options.
        measures: Numbers on test groups, as on the model card; empty if not measured.
        data: The training data, with the attribution that its licence requires.
        licence: SPDX expression of the weights' licence, which follows from that of the data.
        intended_use: What the model is for, and what it must not be used for.
        format_version: Version of this header; a reader refuses one that it does not know.
        mask_names: Names of the masks that the model makes with each image, in the order of their channels.
    """

    architecture: ModelConfig
    schema: ConditionSchema
    method: str
    intensity: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    licence: str = ""
    intended_use: str = ""
    format_version: int = FORMAT_VERSION
    mask_names: tuple[str, ...] = ()

    @property
    def channels(self) -> ChannelPlan:
        """What each channel of an image is: grey, or red, green and blue; then the masks."""
        plan, unit = (
            ChannelPlan.of(self.architecture.image_channels, self.mask_names),
            self.intensity.get("unit"),
        )
        if not unit or not isinstance(unit, str):
            return plan
        return ChannelPlan(
            tuple(replace(one, unit=unit) if one.kind == "intensity" else one for one in plan.channels)
        )

    def to_json(self) -> dict[str, Any]:
        # A model without masks has the plan that follows from its number of channels.
        channels = {"channels": self.channels.to_json()} if self.mask_names else {}
        return {
            **channels,
            "format_version": self.format_version,
            "architecture": self.architecture.to_json(),
            "schema": self.schema.to_json(),
            "method": self.method,
            "intensity": dict(self.intensity),
            "training": dict(self.training),
            "measures": dict(self.measures),
            "data": self.data,
            "licence": self.licence,
            "intended_use": self.intended_use,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelHeader:
        """Reads `to_json`; raises ValueError, KeyError, TypeError, AttributeError, OverflowError or UsageError."""
        texts = {name: data[name] for name in ("method", "data", "licence", "intended_use")}
        tables = {name: data[name] for name in ("intensity", "training", "measures")}
        check_types(cls, texts | tables)
        # Raises ValueError for NaN and infinity, which JSON has not, and for lone surrogates, which UTF-8 has not.
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
        architecture = ModelConfig.from_json(data["architecture"])
        masks = ChannelPlan.from_json(data["channels"]).masks if "channels" in data else ()
        if len(masks) != architecture.mask_channels:
            raise ValueError(f"{architecture.mask_channels} masks with {len(masks)} names")
        check_mask_names("model", masks)
        return cls(
            architecture,
            ConditionSchema.from_json(data["schema"]),
            format_version=data["format_version"],
            mask_names=masks,
            **texts,
            **tables,
        )


def parse_header(path: Path, entry: Mapping[str, Any]) -> ModelHeader:
    """The header in a file's metadata.

    Raises:
        WeightsError: It cannot be used, or its version is not known.
    """
    try:
        version = entry["format_version"]
        if version != FORMAT_VERSION:
            raise WeightsError(
                path,
                f"header version {version!r} is not known (this drai reads {FORMAT_VERSION})",
                "upgrade drai",
            )
        return ModelHeader.from_json(entry)
    except (
        ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, UsageError,
    ) as error:  # fmt: skip
        raise WeightsError(
            path, f"the header cannot be used ({str(repr(error))[:200]})", "get the file again"
        ) from error


def read_feature_networks(header: ModelHeader) -> list[dict[str, str]]:
    """The networks that a model was trained against, each with `name` and `sha256`; other entries are left out.

    What has trained a model cannot measure it.
    """
    listed = header.training.get("feature_networks")
    entries = listed if isinstance(listed, list) else []
    return [
        {"name": entry["name"], "sha256": entry["sha256"]}
        for entry in entries
        if isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "sha256"))
    ]


def model_fit(header: ModelHeader) -> Literal["crop", "pad"]:
    """How images were made square in training; `crop` if the model does not say."""
    return "pad" if header.training.get("fit") == "pad" else "crop"


def model_intensity(header: ModelHeader) -> Intensity:
    """Meaning of the levels of a model's images; plain levels if the model does not say.

    Raises:
        WeightsError: The header's convention cannot be used.
    """
    recorded = header.intensity
    dtype = recorded.get("dtype", "uint8")
    plain = Intensity(dtype=dtype, high=65535.0 if dtype == "uint16" else 255.0)
    try:
        found = Intensity(
            str(recorded.get("unit", "")),
            float(recorded.get("low", plain.low)),
            float(recorded.get("high", plain.high)),
            dtype,
            None if recorded.get("stored_offset") is None else float(recorded["stored_offset"]),
        )
    except (TypeError, ValueError):
        found = None
    if found is None or dtype not in ("uint8", "uint16") or not -math.inf < found.low < found.high < math.inf:
        raise WeightsError("model", "its intensity convention cannot be used", "get the file again")
    return found
