"""The files of one sample: pixels in the chosen kind, marks, and UIDs that follow from what decides the image."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drai_cli.errors import UsageError
from drai_cli.io.about import About, as_json
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image
from drai_cli.model_file.header import ModelHeader, model_intensity
from drai_cli.output.marks import synthetic_marks
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.plan import Item
from drai_cli.settings.image_options import Compression


@dataclass(frozen=True)
class SampleEncoder:
    """Turns what the generator made into files.

    Attributes:
        header: Of the model.
        weights_sha256: Of its file.
        options: The job's, as its manifest records them.
    """

    header: ModelHeader
    weights_sha256: str
    options: Mapping[str, Any]

    def encode(
        self, item: Item, image: np.ndarray, content: np.ndarray, style: np.ndarray
    ) -> tuple[bytes, ...]:
        """The files of one image, in the order of `SAMPLE_SUFFIXES`."""
        marks = self.marks(item)
        if self.options["format"] == "npz":
            return (_npz(marks, image, content, style),)
        stored = Stored.of_levels(image, model_intensity(self.header))
        pixels = PixelOptions.from_json(self.options).to_json()
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
            return (*encode_image("png", stored, about), *self._beside(item, marks))
        return encode_image(self.options["format"], stored, about, compression=compression)

    def _beside(self, item: Item, marks: Mapping[str, str]) -> tuple[bytes, bytes]:
        """An image's `.json`, with the same keys in all images of a model, and its `.cls`: the label's number."""
        schema = self.header.schema
        told = as_json({name: text for name, text in marks.items() if name != "condition"})
        others = [attribute.name for attribute in schema.attributes[1:]]
        if others:
            told["attributes"] = {name: item.condition.get(name, "") for name in others}
        text = json.dumps(told, sort_keys=True, ensure_ascii=False)
        return text.encode(), str(schema.label.position(item.label)).encode()

    def marks(self, item: Item) -> dict[str, str]:
        """What the image says of itself."""
        marks = synthetic_marks(
            self.weights_sha256, seed=str(self.options["seed"]), label=item.label, index=str(item.index)
        )
        if len(item.condition) > 1:
            marks["condition"] = json.dumps(dict(item.condition), sort_keys=True, ensure_ascii=False)
        return marks


def check_compression(format: str, compression: Compression) -> None:
    """Whether files can be packed so, before any is made.

    Raises:
        UsageError: Not DICOM, or the encoder is not installed.
    """
    if compression == "none":
        return
    if format != "dicom":
        raise UsageError(f"--compression {compression}", f"is for DICOM, got {format}", "--format dicom")
    from drai_cli.io.dicom.packing import require_encoder

    require_encoder(compression)


def _npz(marks: Mapping[str, str], image: np.ndarray, content: np.ndarray, style: np.ndarray) -> bytes:
    file = io.BytesIO()
    texts = {name: np.array(text) for name, text in marks.items()}
    np.savez_compressed(file, image=image, content=content, style=style, **texts)  # type: ignore[arg-type]
    return file.getvalue()
