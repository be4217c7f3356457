"""What decides the bytes of an output, with THE list of options that decide a sample's pixels. Makes no image.

The manifest records this list, a resumed job is compared with it, the pipeline and `verify` draw images by it, and the
UIDs of DICOM files are derived from it.
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
    """The options that decide a sample's pixels, together with the weights, its condition and its index.

    Attributes:
        seed: Random seed.
        truncation: Scale of both codes' deviations from their means.
        precision: Arithmetic of the networks.
        runtime: What runs the networks.
        style_from_sha256: Of the file of `--style-from`; None without it.
        style_from_frame: `--frame`: which frame of that file; None if not given.
        style_from_window: `--window`: which of its values become black and white; None if not given.
        move_content: Numbers that are added to every content code, as typed; empty: none.
        move_style: The same for style.
    """

    seed: int
    truncation: float
    precision: Precision = "fp32"
    runtime: Runtime = "torch"
    style_from_sha256: str | None = None
    style_from_frame: int | None = None
    style_from_window: str | None = None
    move_content: str = ""
    move_style: str = ""

    @classmethod
    def of(cls, options: SampleOptions) -> PixelOptions:
        """The list for a command."""
        image = options.style_from
        return cls(
            options.seed, options.truncation, options.precision, options.runtime,
            None if image is None else file_sha256(image), options.frame, options.window,
            options.move_content, options.move_style,
        )  # fmt: skip

    @classmethod
    def from_json(cls, recorded: Mapping[str, Any]) -> PixelOptions:
        """The list, taken from the options that a manifest records.

        Raises:
            TypeError: An option is missing or has the wrong type.
        """
        values = {field.name: recorded[field.name] for field in fields(cls) if field.name in recorded}
        check_types(cls, values)
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As plain data. Options that later versions added are left out at their default: older jobs stay equal."""
        added = {
            "runtime": "torch", "style_from_frame": None, "style_from_window": None,
            "move_content": "", "move_style": "",
        }  # fmt: skip
        return {name: value for name, value in asdict(self).items() if added.get(name, ...) != value}


def resolve_options(options: SampleOptions, plan: Plan) -> dict[str, Any]:
    """The options that change what is written, resolved, as plain data."""
    return {
        **PixelOptions.of(options).to_json(),
        "labels": plan.counts,
        "attributes": dict(plan.attributes),
        "like_sha256": plan.source_sha256 or None,
        "format": options.format,
        **({} if options.layout == "folders" else {"layout": options.layout}),
        **({"masks": list(plan.mask_names)} if plan.mask_names else {}),
        **({} if plan.tar_images is None else {"shard_size": plan.tar_images}),
        "compression": None if options.compression == "none" else options.compression,
    }


@dataclass(frozen=True)
class Job:
    """All that decides the bytes of a `sample` output; two commands with equal jobs make the same folder.

    Attributes:
        version: Of drai.
        weights_sha256: Of the model file.
        options: As `resolve_options` returns them.
        origin: `owner/name@commit` of a model from the Hub, else empty; recorded, but not compared.
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
        """How a recorded job differs from this one, one text per entry; empty if they are equal."""
        mine = self.to_json()
        recorded_options = other.get("options")
        theirs = {**other, "options": recorded_options if isinstance(recorded_options, dict) else {}}
        pairs = [
            (name, theirs.get(name), mine[name])
            for name in ("tool", "version", "weights_sha256", "synthetic")
        ]
        for name in sorted({*self.options, *theirs["options"]}):
            pairs.append((name, theirs["options"].get(name), self.options.get(name)))
        return [
            f"{name} {_shorten(there)} there, {_shorten(here)} here"
            for name, there, here in pairs
            if there != here
        ]


def _shorten(value: Any) -> str:
    text = (
        "not set" if value in (None, "", {}, []) else value if isinstance(value, str) else json.dumps(value)
    )
    return text if len(text) <= 60 else text[:16] + "…"
