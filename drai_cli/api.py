"""The Python API: `from drai_cli import Drai`. The functions of the command line, for arrays."""

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float32, UInt

from drai_cli.errors import UsageError
from drai_cli.inference.given_content import check_labels, contents_of_labels
from drai_cli.inference.input_images import stack_pixels
from drai_cli.inference.torch_model import Inference
from drai_cli.inference.transform import ImageLike, ModelTransform, to_list
from drai_cli.inference.walk import Walk, make_frames
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.conditions import parse_attributes
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.plan import Item
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.image_options import Along, Precision
from drai_cli.settings.model_options import EvaluateOptions, TrainRun, name_run
from drai_cli.settings.named import given_type, refuse_unknown, resolve_training, take_named
from drai_cli.settings.typed import MAX_SEED

if TYPE_CHECKING:
    from drai_cli.workflows.evaluate import EvaluateResult


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

    def __init__(self, inference: Inference, name: str | None = None) -> None:
        self._inference, self._name = inference, name

    def __repr__(self) -> str:
        header, further = self.header, [attribute.name for attribute in self.header.schema.attributes[1:]]
        model = header.architecture
        colour = {1: "grey", 3: "RGB"}.get(model.image_channels, f"{model.image_channels} channels")
        return (
            f"<Drai {self._name or 'bundled model'}: {header.method}, {model.image_size} px {colour}, labels "
            f"{', '.join(self.labels)}; attributes {', '.join(further) or 'none'}; content {self.content_dim}, "
            f"style {self.style_dim}; {self._inference.device}>"
        )

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
        return cls(Inference.open(name, device, precision, reporter), name)

    @classmethod
    def train(
        cls, data: str | Path, *, preset: str | None = None, reporter: Reporter = SILENT, **options: Any
    ) -> "Drai":
        """Trains a model as `drai train` does, or resumes the run, and loads the best snapshot.

        Args:
            data: A data set of any kind.
            preset: Group of settings; None: by image size.
            reporter: Receives warnings and progress.
            options: Options of `drai train --help-all` by their names, with `_` for `-`: `out="runs/a"`, `hours=1`,
                `size=64`, `label="dx"`, `condition=["age"]`, `init="lesions-64"`.

        Raises:
            UsageError: An option is unknown, out of range, or does not fit the data or the run in `out`.
            InputError: The data cannot be used.
            WeightsError: `init` or a checkpoint cannot be used; or a signal stopped the run before its first snapshot.
        """
        given = {**options, "data": data}
        own = {key: take_named(key, given) for key in (DataOptions, TrainOptions, ModelConfig, Objective)}
        of_run = take_named(TrainRun, given)
        if given:
            refuse_unknown(given, *own, TrainRun)
        source, training = resolve_training(preset, *own.values())
        run = TrainRun(source, training, **{"out": Path("runs") / name_run(source.path)} | of_run)
        from drai_cli.workflows.train import train

        train(run, reporter)
        return cls.from_pretrained(run.out, device=run.device)

    def evaluate(self, data: str | Path, *, reporter: Reporter = SILENT, **options: Any) -> "EvaluateResult":
        """Measures the model as `drai evaluate` does; writes report.json and report.html into `out` (`report`).

        Args:
            data: Real images: a data set of any kind. For a run with its own split, the test part is used.
            reporter: Receives warnings and progress.
            options: Options of `drai evaluate --help-all` by their names, with `_` for `-`: `out="report"`,
                `quick=True`, `metrics=["fidelity"]`.

        Returns:
            `report`: the parts, each with `verdict`, `measures` and `doubts`; `out`: the folder.

        Raises:
            UsageError: An option is unknown, out of range, or contradicts another.
            InputError: The data cannot be used, or evaluated images were trained on.
            OverwriteError: `out` holds something else.
        """
        given = {"device": str(self._inference.device), **options, "data": data, "weights": self._name}
        chosen = take_named(EvaluateOptions, given)
        if given:
            refuse_unknown(given, EvaluateOptions)
        from drai_cli.workflows.evaluate import evaluate

        return evaluate(EvaluateOptions(**chosen), reporter)

    @property
    def transform(self) -> "ModelTransform":
        """Converts a real image as this model sees it; for the transform of a torch data set, or `map`."""
        return ModelTransform(self.header)

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
        n, start = _check_whole("n", n), _check_whole("start", start)
        seed = _check_whole("seed", seed, most=MAX_SEED)
        if not isinstance(truncation, int | float) or not 0 <= truncation < float("inf"):
            raise UsageError("truncation", f"expected a number of at least 0, got {given_type(truncation)}")
        if not isinstance(attributes or {}, Mapping):
            raise UsageError("attributes", f"expected a mapping, got {given_type(attributes)}", '{"age": 60}')
        schema = self.header.schema
        settings = [f"{name}={value}" for name, value in (attributes or {}).items()]
        condition = {
            **parse_attributes(settings, schema),
            schema.label.name: schema.label.resolve(str(label)),
        }
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
        codes = self._inference.encode(stack_pixels([self._fit(image) for image in to_list(images)]))
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
        try:
            contents, styles = (np.atleast_2d(np.asarray(codes, np.float32)) for codes in (content, style))
        except (TypeError, ValueError) as error:
            raise UsageError("generate", f"expected codes as arrays of numbers: {error}") from error
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
        steps = _check_whole("steps", steps, 2)
        if along not in get_args(Along):
            raise UsageError(
                "along", f"no such code: {given_type(along)}", f"one of: {', '.join(get_args(Along))}"
            )
        self._inference.model.require_content("generate(content, style) takes any codes")
        content, style = self.encode([a, b])
        assert content is not None
        walk = Walk.along(along, content, style)
        return make_frames(self._inference, walk, steps, even).images

    def _fit(self, image: ImageLike) -> np.ndarray:
        return self.transform(image)


def to_pillow(images: UInt[np.ndarray, "n height width channels"]) -> list[Any]:
    """Converts images of a model to Pillow images: modes L and RGB, I;16 for 16-bit grey.

    Raises:
        UsageError: The images have 16-bit colour, for which Pillow has no mode.
    """
    from PIL import Image as PillowImage

    if images.dtype == np.uint16 and images.shape[3] == 3:
        raise UsageError("to_pillow", "Pillow has no 16-bit colour", "(images // 257).astype('uint8')")
    return [PillowImage.fromarray(image[..., 0] if image.shape[2] == 1 else image) for image in images]


def _check_whole(name: str, value: object, least: int = 0, most: int | None = None) -> int:
    """A whole number in its range; numpy's count, too."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(name, f"expected a whole number, got {given_type(value)}") from None
    if number < least or (most is not None and number > most):
        upper = "" if most is None else f" and at most {most}"
        raise UsageError(name, f"expected at least {least}{upper}, got {number}")
    return number
