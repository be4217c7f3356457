"""Masks of a user's images: those that a model makes with their reconstruction, at the images' own size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drai_cli.errors import WeightsError
from drai_cli.inference.input_images import EncodedImages
from drai_cli.inference.torch_model import Inference
from drai_cli.io.about import About
from drai_cli.io.files import atomic_writer
from drai_cli.io.image import Fit
from drai_cli.io.registry import strip_suffix
from drai_cli.model_file.header import ModelHeader
from drai_cli.output.derived_images import scale_back
from drai_cli.output.folder import make_parent
from drai_cli.output.marks import synthetic_marks
from drai_cli.output.mask_file import encode_mask
from drai_cli.progress import Reporter


def require_masks(header: ModelHeader) -> None:
    """Checks that a model makes masks; raises WeightsError if it does not."""
    if not header.mask_names:
        raise WeightsError("--masks", "the model makes no masks", "train one with drai train --masks DIR")


def say_images_alone(header: ModelHeader, what: str, hint: str, reporter: Reporter) -> None:
    """Says that an output leaves out the masks that a model makes.

    Args:
        header: Of the model.
        what: The output, such as `a walk as one picture`.
        hint: What to type for both.
        reporter: Told so.
    """
    if header.mask_names:
        listed = ", ".join(header.mask_names)
        reporter.warn(f"{what} shows images without the masks that the model makes ({listed}): {hint}")


def write_real_masks(
    folder: Path,
    encoded: EncodedImages,
    names: Sequence[str],
    inference: Inference,
    fit: Fit,
    reporter: Reporter,
) -> int:
    """Writes `<name>_mask.png` for each image, of several masks in a folder for each; returns how many files.

    255 is inside. What a crop removed is outside: the model did not see it.

    Args:
        folder: Where to.
        encoded: The images, with content and style.
        names: Their names, with `/`.
        inference: The model.
        fit: How the images were made square.
        reporter: Shown the progress.
    """
    content, style = encoded.codes.content, encoded.codes.style
    assert content is not None
    masks = inference.header.mask_names
    count = inference.header.architecture.image_channels
    stems = [strip_suffix(name) for name in names]
    shared = {stem for stem, number in Counter(stems).items() if number > 1}
    marks = synthetic_marks(inference.model.sha256, made_by="encode")
    size = inference.micro_batch * inference.at_once
    with reporter.task("making masks", len(names), "images") as task:
        for start in range(0, len(names), size):
            rows = slice(start, start + size)
            made = inference.generate(content[rows], style[rows], with_masks=True)
            for row, levels in enumerate(made, start):
                source = encoded.images[row]
                stem = names[row] if stems[row] in shared else stems[row]
                for place, mask in enumerate(masks):
                    plane = np.ascontiguousarray(levels[..., count + place : count + place + 1])
                    whole = scale_back(plane, source.height, source.width, fit, source.aspect)[..., 0]
                    inside = whole > np.iinfo(whole.dtype).max // 2
                    drawn = inside.astype(np.uint8) * np.uint8(255)
                    data = encode_mask("png", drawn, About({**marks, "mask": mask}, {}), level=6)
                    path = folder / (f"{stem}_mask.png" if len(masks) == 1 else f"{mask}/{stem}_mask.png")
                    make_parent(path, inside=folder)
                    with atomic_writer(path) as file:
                        file.write(data)
                task.advance()
    return len(names) * len(masks)
