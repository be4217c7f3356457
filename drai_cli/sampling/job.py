"""What decides the bytes of an output, and among it THE list of what decides a sample's pixels. Makes nothing.

The manifest records it, a job that is resumed is compared with it, `verify` makes images again by it, and the UIDs of
DICOM files follow from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from drai_cli.io.files import file_sha256
from drai_cli.sampling.plan import Plan
from drai_cli.settings.image_options import Precision, Runtime, SampleOptions
from drai_cli.settings.typed import check_types


@dataclass(frozen=True)
class PixelOptions:
    """The options that decide the pixels of a sample, beside the weights, its condition and its index.

    Attributes:
        seed: As given.
        truncation: Scale of both codes' deviations from their means.
        precision: Arithmetic of the networks.
        runtime: What runs them.
        style_from_sha256: Of the image that gives the style, where one does.
        style_from_frame: Which frame of it, where one was chosen.
        style_from_window: Which of its values become black and white, where that was said.
    """

    seed: int
    truncation: float
    precision: Precision = "fp32"
    runtime: Runtime = "torch"
    style_from_sha256: str | None = None
    style_from_frame: int | None = None
    style_from_window: str | None = None

    @classmethod
    def of(cls, options: SampleOptions) -> PixelOptions:
        """Those of a command."""
        image = options.style_from
        return cls(
            options.seed, options.truncation, options.precision, options.runtime,
            None if image is None else file_sha256(image), options.frame, options.window,
        )  # fmt: skip

    @classmethod
    def from_json(cls, recorded: Mapping[str, Any]) -> PixelOptions:
        """Those among the options that a manifest records.

        Raises:
            TypeError: One is missing, or of another type.
        """
        found = {field.name: recorded[field.name] for field in fields(cls) if field.name in recorded}
        check_types(cls, found)
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        """As plain data. What later versions added is left out where it is the default, so that jobs stay equal."""
        added = {"runtime": "torch", "style_from_frame": None, "style_from_window": None}
        return {name: value for name, value in asdict(self).items() if added.get(name, ...) != value}


def job_options(options: SampleOptions, plan: Plan) -> dict[str, Any]:
    """The resolved options that change what is written; not those that only change how fast."""
    return {
        **PixelOptions.of(options).to_json(),
        "labels": plan.counts,
        "attributes": dict(plan.attributes),
        "like_sha256": plan.source_sha256 or None,
        "format": options.format,
        **({} if plan.tar_images is None else {"shard_size": plan.tar_images}),
        "compression": None if options.compression == "none" else options.compression,
    }


@dataclass(frozen=True)
class Job:
    """What decides every byte of an output; two commands with equal jobs make the same folder.

    Attributes:
        version: Of drai.
        weights_sha256: Of the model file.
        options: The options that change images, resolved, as plain data.
        origin: `owner/name@commit` of a model from the Hub; says where from, and makes no other job.
    """

    version: str
    weights_sha256: str
    options: Mapping[str, Any]
    origin: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "tool": "drai",
            "version": self.version,
            "synthetic": True,
            "weights_sha256": self.weights_sha256,
            **({"weights_origin": self.origin} if self.origin else {}),
            "options": dict(self.options),
        }

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """How a recorded job differs from this one, in words; empty if it is the same."""
        mine = self.to_json()
        recorded_options = other.get("options")
        theirs = {**other, "options": recorded_options if isinstance(recorded_options, dict) else {}}
        found = [
            f"{name} {_short(theirs.get(name))} there, {_short(mine[name])} here"
            for name in ("tool", "version", "weights_sha256", "synthetic")
            if theirs.get(name) != mine[name]
        ]
        for name in sorted({*self.options, *theirs["options"]}):
            there, here = theirs["options"].get(name), self.options.get(name)
            if there != here:
                found.append(f"{name} {_short(there)} there, {_short(here)} here")
        return found


def _short(value: Any) -> str:
    text = (
        "not set" if value in (None, "", {}, []) else value if isinstance(value, str) else json.dumps(value)
    )
    return text if len(text) <= 60 else text[:16] + "…"
