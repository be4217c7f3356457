"""A model to explore, by torch or ONNX: few images at a time, quickly. Knows no server and no page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt

from drai_cli.hub.locate import locate_weights
from drai_cli.inference.sampler import Sampler
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import SILENT, Reporter

Codes = tuple[Float32[np.ndarray, "images content_dim"] | None, Float32[np.ndarray, "images style_dim"]]
Images = UInt[np.ndarray, "images height width channels"]
FEW = 4
"""Images per pass where several are made: full passes would compute images that nobody asked for."""


@dataclass(frozen=True)
class ExploredModel:
    """What the page needs of a model.

    Attributes:
        quick: Makes one image per pass.
        several: Makes `FEW` images per pass, several passes at once.
        path: Of the model file.
        encode: Content (None if not inferred) and style of images of the model's size; None without an encoder.
        judge: The label that a classifier of real images assigns to each image; None without one.
        infers_content: Whether `encode` gives content.
        runtime: `torch` or `onnx`.
    """

    quick: Sampler
    several: Sampler
    path: Path
    encode: Callable[[Images], Codes] | None
    judge: Callable[[Images], list[str]] | None
    infers_content: bool
    runtime: str

    @property
    def header(self) -> ModelHeader:
        """The header of the model file."""
        return self.quick.header

    @property
    def sha256(self) -> str:
        """Of the model file."""
        return self.quick.sha256

    def sampler(self, images: int) -> Sampler:
        """The sampler for this number of images."""
        return self.quick if images <= 2 else self.several

    def prior(
        self, condition: Mapping[str, str]
    ) -> tuple[Float32[np.ndarray, " content_dim"], Float32[np.ndarray, " content_dim"]]:
        """Mean and deviation of the contents of a condition."""
        conditions = self.header.schema.encode([condition, condition])
        noise = np.zeros((2, self.header.architecture.content_dim), np.float32)
        noise[1] = 1
        content = self.quick.draw_content(conditions, noise)
        return content[0], content[1] - content[0]

    def generate(
        self,
        content: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
    ) -> Images:
        """Images of codes. A sampler takes noise of a condition, so contents are expressed in that of no attribute."""
        sampler = self.sampler(len(content))
        direct = getattr(sampler, "generate", None)
        if direct is not None:
            images: np.ndarray = direct(content, style)
            return images
        mean, deviation = self.prior({})
        noise = (content - mean) / np.maximum(deviation, np.float32(1e-6))
        conditions = np.repeat(self.header.schema.encode([{}]), len(content), 0)
        return sampler.sample(conditions, noise.astype(np.float32), style)[0]


def open_model(
    weights: str | None, device: str | None, runtime: str, reporter: Reporter = SILENT
) -> ExploredModel:
    """Finds and loads a model; a name that ends in `.onnx` needs no torch.

    Raises:
        WeightsError, NetworkError: No such model, or it cannot be used.
        UsageError: No such device, or the runtime is not installed.
    """
    if runtime == "onnx" or (weights or "").lower().endswith(".onnx"):
        return _open_onnx(weights, device, reporter)
    with reporter.stage("loading torch", None, ""):
        from drai_cli.inference.torch_model import Inference
        from drai_cli.run.own_judge import find_own_judge

    inference = Inference.open(weights, device, reporter=reporter)
    path = locate_weights(weights)

    def encode(images: Images) -> Codes:
        codes = replace(inference, pass_images=len(images)).encode(images)
        return codes.content, codes.style

    return ExploredModel(
        quick=replace(inference, pass_images=1),
        several=replace(inference, pass_images=FEW),
        path=path,
        encode=None if inference.model.encoder is None else encode,
        judge=find_own_judge(path, inference.header, inference.device, reporter),
        infers_content=inference.model.infers_content,
        runtime="torch",
    )


def _open_onnx(weights: str | None, device: str | None, reporter: Reporter) -> ExploredModel:
    from drai_cli.inference.onnx_encoder import OnnxEncoder
    from drai_cli.inference.onnx_model import OnnxSampler

    sampler = OnnxSampler.open(weights, device, reporter=reporter)
    path = Path(str(weights)).expanduser()
    encoder = OnnxEncoder.beside(path, sampler.session)
    if encoder is None:
        reporter.info(f"{path.stem}.encoder.onnx does not lie beside it: no images can be swapped")
    return ExploredModel(
        quick=replace(sampler, pass_images=1),
        several=replace(sampler, pass_images=FEW),
        path=path,
        encode=None if encoder is None else encoder.encode,
        judge=None,
        infers_content=encoder is not None and encoder.infers_content,
        runtime="onnx",
    )
