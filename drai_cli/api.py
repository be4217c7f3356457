"""The Python API: `from drai_cli import Drai`. The functions of the command line, for arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32, UInt

from drai_cli.errors import InputError, UsageError
from drai_cli.inference.given_content import check_labels, contents_of_labels
from drai_cli.inference.input_images import read_for_model, stack_pixels
from drai_cli.inference.torch_model import Inference
from drai_cli.inference.walk import Walk, make_frames
from drai_cli.io.image import Image, fit_to_square
from drai_cli.model_file.header import ModelHeader, model_fit
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.conditions import parse_attributes
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.plan import Item
from drai_cli.settings.image_options import Along, Precision

ImageLike: TypeAlias = str | Path | np.ndarray | Any
"""A path, a uint8 or uint16 array `[H, W]` or `[H, W, C]`, or a Pillow image."""


class ImageCodes(NamedTuple):
    """Content `[N, content_dim]` (None for a model that infers none) and style `[N, style_dim]` of images, float32."""

    content: Float32[np.ndarray, "images content_dim"] | None
    style: Float32[np.ndarray, "images style_dim"]


class Drai:
    """A loaded model.

    Images are uint8 (uint16 for a 16-bit model) `[N, H, W, C]` with C = 1 or 3.

    Example:
        >>> model = Drai.from_pretrained()
        >>> images = model.sample("melanoma", 8, seed=0)
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        *,
        device: str | None = None,
        precision: Precision = "fp32",
        reporter: Reporter = SILENT,
    ) -> "Drai":
        """Loads a model.

        Args:
            weights: A `.safetensors` file, a run directory, a bundled name or a Hub name; None: `$DRAI_WEIGHTS`,
                else the bundled default.
            device: `cuda`, `mps`, `cpu`; None: the first available of these.
            precision: Arithmetic of the networks; only `fp32` guarantees equal bytes.
            reporter: Receives the device and downloads.

        Raises:
            WeightsError, NetworkError: There is no such model, or it cannot be used.
            UsageError: There is no such device or precision.
        """
        name = None if weights is None else str(weights)
        return cls(Inference.open(name, device, precision, reporter))

    @property
    def header(self) -> ModelHeader:
        """The header of the model file."""
        return self._inference.header

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the spelling of the data."""
        return self.header.schema.labels

    @property
    def content_dim(self) -> int:
        """Dimensions of a content code."""
        return self.header.architecture.content_dim

    @property
    def style_dim(self) -> int:
        """Dimensions of a style code."""
        return self.header.architecture.style_dim

    def sample(
        self,
        label: str,
        n: int = 1,
        *,
        seed: int = 0,
        attributes: Mapping[str, object] | None = None,
        style_from: ImageLike | None = None,
        truncation: float = 1.0,
        start: int = 0,
    ) -> UInt[np.ndarray, "n height width channels"]:
        """Generates images `start` to `start + n - 1` of a label, equal to those of `drai sample` with this seed.

        Args:
            label: A label or an alias of it.
            n: Number of images.
            seed: Random seed. Seed, label, attributes and index decide each image.
            attributes: Values of further attributes; the others are missing.
            style_from: Image whose style all generated images get.
            truncation: Factor on the deviations of content and style codes from their means; 1 = no truncation.
            start: Index of the first image.

        Raises:
            UsageError: The model has no such label or attribute, or a number is out of range.
        """
        if n < 0 or start < 0 or not 0 <= truncation < float("inf"):
            raise UsageError("sample", f"n {n}, start {start}, truncation {truncation}: expected at least 0")
        schema = self.header.schema
        settings = [f"{name}={value}" for name, value in (attributes or {}).items()]
        condition = {**parse_attributes(settings, schema), schema.label.name: schema.label.resolve(label)}
        items = [Item(condition[schema.label.name], condition, index) for index in range(start, start + n)]
        if not items:
            return self.generate(np.zeros((0, self.content_dim)), np.zeros((0, self.style_dim)))
        style = None if style_from is None else self.encode(style_from).style[0]
        return draw_images(self._inference, items, seed, truncation, style)[0]

    def encode(self, images: ImageLike | Sequence[ImageLike]) -> ImageCodes:
        """Infers the codes of images: the means of the encoder's posteriors.

        Args:
            images: An image or several, each a path, an array or a Pillow image; or one array `[N, H, W, C]`. They
                are converted to the model's size and channels.

        Raises:
            InputError: An image cannot be read or used.
            WeightsError: The model has no encoder.
        """
        codes = self._inference.encode(stack_pixels([self._fit(image) for image in _to_list(images)]))
        return ImageCodes(codes.content, codes.style)

    def generate(
        self,
        content: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
    ) -> UInt[np.ndarray, "images height width channels"]:
        """Generates images from codes.

        Raises:
            UsageError: The codes have other shapes than `[N, content_dim]` and `[N, style_dim]`, or are not finite.
        """
        contents, styles = (np.atleast_2d(np.asarray(codes, np.float32)) for codes in (content, style))
        expected = ((len(contents), self.content_dim), (len(contents), self.style_dim))
        if (contents.shape, styles.shape) != expected:
            raise UsageError(
                "generate",
                f"expected codes of shape {expected[0]} and {expected[1]}, got {contents.shape} and {styles.shape}",
            )
        if not (np.isfinite(contents).all() and np.isfinite(styles).all()):
            raise UsageError("generate", "expected finite codes, got some that are not")
        return self._inference.generate(contents, styles)

    def swap_style(
        self, a: ImageLike, b: ImageLike, *, label_a: str | None = None, label_b: str | None = None
    ) -> tuple[UInt[np.ndarray, "height width channels"], UInt[np.ndarray, "height width channels"]]:
        """Generates the content of `a` in b's style, and the content of `b` in a's style.

        Args:
            a: The first image.
            b: The second image.
            label_a: Label of `a`, for a model that infers no content (`cinfogan`, `cavae`) and takes that of the label.
            label_b: Label of `b`, in the same way.

        Raises:
            InputError: An image cannot be read or used.
            UsageError: A label is missing, not needed, or unknown to the model.
            WeightsError: The model has no encoder.
        """
        self._inference.model.require_encoder()
        given = {"label_a": label_a, "label_b": label_b}
        check_labels(self._inference, given, 'swap_style(a, b, label_a="{0}", label_b="{1}")')
        content, style = self.encode([a, b])
        if content is None:
            content = contents_of_labels(self._inference, [str(label_a), str(label_b)])
        made = self.generate(content, style[::-1])
        return made[0], made[1]

    def interpolate(
        self,
        a: ImageLike,
        b: ImageLike,
        *,
        along: Along = "both",
        steps: int = 8,
        even: bool = False,
    ) -> UInt[np.ndarray, "steps height width channels"]:
        """Interpolates from `a` to `b`; the first and last image are the model's reconstructions.

        Args:
            a: First image.
            b: Last image.
            along: Code that changes: `style`, `content` or `both`; the other code is that of `a`.
            steps: Number of images, including both ends.
            even: Space the images evenly by visual distance (of features) instead of evenly in the codes.

        Raises:
            InputError: An image cannot be read or used.
            UsageError: There are fewer than 2 steps, or there is no such code.
            WeightsError: The model has no encoder, or infers no content.
        """
        if steps < 2 or along not in get_args(Along):
            raise UsageError(
                "interpolate", f"steps {steps}, along {along!r}", "at least 2; style, content or both"
            )
        self._inference.model.require_content("generate(content, style) takes any codes")
        content, style = self.encode([a, b])
        assert content is not None
        walk = Walk.along(along, content, style)
        return make_frames(self._inference, walk, steps, even).images

    def _fit(self, image: ImageLike) -> np.ndarray:
        """Converts an image to the model's size and channels."""
        fit, architecture = model_fit(self.header), self.header.architecture
        if isinstance(image, str | Path):
            return read_for_model(Path(image), self.header, fit).pixels
        array = Image(_to_array(image), source="array")
        return fit_to_square(array, architecture.image_size, architecture.image_channels, fit)


def to_pillow(images: UInt[np.ndarray, "n height width channels"]) -> list[Any]:
    """Converts images of a model to Pillow images: modes L and RGB, I;16 for 16-bit grey.

    Raises:
        UsageError: The images have 16-bit colour, for which Pillow has no mode.
    """
    from PIL import Image as PillowImage

    if images.dtype == np.uint16 and images.shape[3] == 3:
        raise UsageError("to_pillow", "Pillow has no 16-bit colour", "(images // 257).astype('uint8')")
    return [PillowImage.fromarray(image[..., 0] if image.shape[2] == 1 else image) for image in images]


def _to_list(images: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    """Makes a list of one image or several."""
    if isinstance(images, np.ndarray):
        return list(images) if images.ndim == 4 else [images]
    if isinstance(images, list | tuple):
        if not images:
            raise InputError("images", "expected at least one, got none")
        return list(images)
    return [images]


def _to_array(image: ImageLike) -> np.ndarray:
    """Pixel values of an array or Pillow image; transparency is blended over black."""
    from PIL import Image as PillowImage

    if not isinstance(image, PillowImage.Image):
        return np.asarray(image)
    if image.mode in ("L", "RGB") or image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    black = PillowImage.new("RGBA", image.size, "black")
    return np.asarray(PillowImage.alpha_composite(black, image.convert("RGBA")).convert("RGB"))
