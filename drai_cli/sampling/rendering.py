"""Encodes one sample as files: pixels in the chosen format, marks, and UIDs derived from what decides the image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from drai_cli.errors import UsageError
from drai_cli.io.about import About, as_json
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image
from drai_cli.model_file.header import ModelHeader, model_intensity
from drai_cli.output.marks import synthetic_marks
from drai_cli.output.mask_file import encode_mask
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.plan import Item
from drai_cli.settings.image_options import Compression


@dataclass(frozen=True)
class SampleEncoder:
    """Encodes generated images as files.

    Attributes:
        header: Of the model.
        weights_sha256: Of its file.
        options: Of the job, as its manifest records them.
    """

    header: ModelHeader
    weights_sha256: str
    options: Mapping[str, Any]

    @cached_property
    def pixels(self) -> PixelOptions:
        return PixelOptions.from_json(self.options)

    def encode(self, item: Item, image: np.ndarray, masks: np.ndarray) -> tuple[bytes, ...]:
        """The files of one image, in the order of `SAMPLE_SUFFIXES`, then those of its masks, if the job has any.

        Args:
            item: What it was made for.
            image: `[H, W, C]`.
            masks: uint8 `[H, W, masks]`, 255 inside and 0 outside.
        """
        if self.options["format"] == "npz":
            return (np.ascontiguousarray(image, image.dtype.newbyteorder("<")).tobytes(),)
        marks = self._mark(item)
        stored = Stored.of_levels(image, model_intensity(self.header))
        pixels = self.pixels.to_json()
        deciding = {
            "weights_sha256": self.weights_sha256,
            "seed": pixels.pop("seed"),
            "options": pixels,
            "condition": sorted(item.condition.items()),
            "index": item.index,
        }
        compression: Compression = self.options.get("compression") or "none"
        about = About(marks, deciding)
        if self.options["format"] == "webdataset":
            return (*encode_image("png", stored, about), *self._encode_sidecars(item, marks))
        files = encode_image(self.options["format"], stored, about, compression=compression)
        return (*files, *self._encode_masks(masks, marks, deciding))

    def _encode_masks(
        self, masks: np.ndarray, marks: Mapping[str, str], deciding: Mapping[str, Any]
    ) -> Iterator[bytes]:
        """A file for each mask: 255 is inside; of NIfTI, whose masks are label maps, 1."""
        for place, name in enumerate(self.options.get("masks", ())):
            about = About({**marks, "mask": name}, {**deciding, "mask": name})
            yield encode_mask(self.options["format"], masks[..., place], about)

    def _encode_sidecars(self, item: Item, marks: Mapping[str, str]) -> tuple[bytes, bytes]:
        """The `.json` of an image, with the same keys for all images of a model, and its `.cls`.

        That is the label's number, or 0 or 1 for each finding.
        """
        schema = self.header.schema
        entries = as_json({name: text for name, text in marks.items() if name != "condition"})
        others = [attribute.name for attribute in schema.attributes[1:]]
        if others:
            entries["attributes"] = {name: item.condition.get(name, "") for name in others}
        text = json.dumps(entries, sort_keys=True, ensure_ascii=False)
        findings = schema.label.findings
        if findings is not None:
            return text.encode(), " ".join(map(str, findings.states(item.label).tolist())).encode()
        return text.encode(), str(schema.label.position(item.label)).encode()

    def _mark(self, item: Item) -> dict[str, str]:
        """The marks that the image's files carry."""
        marks = synthetic_marks(
            self.weights_sha256, seed=str(self.options["seed"]), label=item.label, index=str(item.index)
        )
        if len(item.condition) > 1:
            marks["condition"] = json.dumps(dict(item.condition), sort_keys=True, ensure_ascii=False)
        return marks


def check_compression(format: str, compression: Compression) -> None:
    """Checks that files of the format can be compressed so.

    Raises:
        UsageError: The format is not DICOM, or the encoder is not installed.
    """
    if compression == "none":
        return
    if format != "dicom":
        raise UsageError(f"--compression {compression}", f"is for DICOM, got {format}", "--format dicom")
    from drai_cli.io.dicom.packing import require_encoder

    require_encoder(compression)
