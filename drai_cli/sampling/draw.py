"""Draws the codes of a plan's items and runs the generator on them. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drai_cli.errors import UsageError
from drai_cli.inference.noise import draw_grain, draw_noise
from drai_cli.inference.sampler import Sampler
from drai_cli.model_file.header import model_fit
from drai_cli.progress import Reporter
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.move import Move
from drai_cli.sampling.plan import Item


def draw_images(
    sampler: Sampler,
    items: Sequence[Item],
    seed: int,
    truncation: float = 1.0,
    style: np.ndarray | None = None,
    move: Move | None = None,
    with_masks: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images `[N, H, W, C]` of some items, with the contents and styles they were made from.

    Args:
        sampler: The model.
        items: What to draw.
        seed: Random seed; with the item it decides the codes.
        truncation: Scale of both codes' deviations from their means.
        style: One style `[style_dim]` for all items; None: a random style for each.
        move: Added to all codes.
        with_masks: Whether masks follow the intensities as further channels.
    """
    architecture = sampler.header.architecture
    schema = sampler.header.schema
    conditions = np.empty((len(items), schema.dim), np.float32)
    contents = np.empty((len(items), architecture.content_dim), np.float32)
    styles = np.empty((len(items), architecture.style_dim), np.float32)
    side = architecture.image_size if architecture.grain else 0
    grain = np.empty((len(items), 1, side, side), np.float32)
    rows_of: defaultdict[int, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        rows_of[id(item.condition)].append(row)
    for rows in rows_of.values():
        condition = items[rows[0]].condition
        indices = [items[row].index for row in rows]
        contents[rows], styles[rows] = draw_noise(
            seed, condition, indices, architecture.content_dim, architecture.style_dim
        )
        if side:
            grain[rows] = draw_grain(seed, condition, indices, side)
        conditions[rows] = schema.encode([condition])
    used = styles * np.float32(truncation) if style is None else np.repeat(style[None], len(items), 0)
    if move is not None:
        contents, truncation = move.noise(sampler, conditions, contents, truncation), 1.0
        used = used + move.style
    given = grain if side else None
    images, content = sampler.sample(conditions, contents, used, truncation, given, with_masks)
    return images, content, used


def encode_style(sampler: Sampler, path: Path, pixels: PixelOptions, reporter: Reporter) -> np.ndarray:
    """The style code `[style_dim]` of an image file, read with the frame and window of the options.

    Raises:
        UsageError: The runtime has no encoder.
        InputError: The image cannot be read.
    """
    from drai_cli.inference.input_images import encode_files
    from drai_cli.inference.torch_model import Inference

    if not isinstance(sampler, Inference):
        raise UsageError(
            "--style-from", "needs the encoder, which --runtime onnx does not load", "leave one out"
        )
    encoded = encode_files(
        sampler, [path], model_fit(sampler.header),
        frame=pixels.style_from_frame, window=pixels.style_from_window, reporter=reporter,
    )  # fmt: skip
    style: np.ndarray = encoded.codes.style[0]
    return style
