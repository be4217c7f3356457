"""Runs an exported encoder in ONNX Runtime: images to codes. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt

from drai_cli.errors import InputError, WeightsError
from drai_cli.inference.onnx_model import load_session
from drai_cli.inference.onnx_session import (
    AGAIN,
    CPU_PROVIDER,
    BoundedSession,
    explain_failures,
    import_runtime,
)
from drai_cli.io.files import open_regular
from drai_cli.model_file.header import ModelHeader

_OUTPUTS = (("content", "style"), ("style",))
_SOURCE = "exported_from_sha256"
_MOST_IMAGES = 16


@dataclass(frozen=True)
class OnnxEncoder:
    """A loaded `.encoder.onnx` file that `drai export` wrote.

    Attributes:
        session: Of ONNX Runtime, on the file's bytes.
        header: The model header in the file.
        infers_content: Whether it infers content, or style alone.
    """

    session: BoundedSession
    header: ModelHeader
    infers_content: bool

    @classmethod
    def beside(cls, generator: Path, session: BoundedSession) -> OnnxEncoder | None:
        """The encoder that `export` wrote next to a generator; None if there is none.

        Args:
            generator: Path of the generator's file.
            session: Of the generator; both must come from one model.

        Raises:
            WeightsError: It cannot be used, or was exported from another model.
        """
        path = generator.with_suffix(".encoder.onnx")
        if not path.exists():
            return None
        try:
            with open_regular(path) as file:
                data = file.read()
        except InputError as error:
            raise WeightsError(error.subject, error.message, AGAIN) from error
        own, header = load_session(path, data, import_runtime(), CPU_PROVIDER)
        outputs = tuple(one.name for one in own.get_outputs())
        if tuple(one.name for one in own.get_inputs()) != ("images",) or outputs not in _OUTPUTS:
            raise WeightsError(
                path, f"expected an exported encoder, got a model with outputs {outputs}", AGAIN
            )
        sources = [one.get_modelmeta().custom_metadata_map.get(_SOURCE) for one in (session, own)]
        if sources[0] != sources[1]:
            raise WeightsError(path, f"was exported from another model than {generator.name}", AGAIN)
        return cls(own, header, outputs == _OUTPUTS[0])

    def encode(
        self, images: UInt[np.ndarray, "images height width channels"]
    ) -> tuple[Float32[np.ndarray, "images content_dim"] | None, Float32[np.ndarray, "images style_dim"]]:
        """Content (None if it is not inferred) and style of images of the model's size."""
        half = np.float32(np.iinfo(images.dtype).max / 2)
        unit = np.ascontiguousarray((images.astype(np.float32) / half - 1).transpose(0, 3, 1, 2))
        passes = [
            self._run(unit[start : start + _MOST_IMAGES]) for start in range(0, len(unit), _MOST_IMAGES)
        ]
        columns = [np.concatenate(column) for column in zip(*passes, strict=True)]
        return (columns[0] if self.infers_content else None), columns[-1]

    def _run(self, unit: Float32[np.ndarray, "images channels height width"]) -> list[np.ndarray]:
        with explain_failures("encoder", AGAIN):
            codes = self.session.run(None, {"images": unit})
        shape = self.header.architecture
        dims = (shape.content_dim, shape.style_dim) if self.infers_content else (shape.style_dim,)
        for code, dim in zip(codes, dims, strict=True):
            if code.shape != (len(unit), dim) or not np.isfinite(code).all():
                raise WeightsError("encoder", f"expected finite codes of {dim} numbers", AGAIN)
        return codes
