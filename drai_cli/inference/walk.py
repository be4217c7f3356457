"""Walks between two pairs of codes of a model, along style, content or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt

from drai_cli.inference.noise import spherical_path, straight_path
from drai_cli.inference.torch_model import Inference
from drai_cli.metrics.perceptual import even_positions, most_positions, step_distances
from drai_cli.progress import SILENT, Reporter

_SHOWN = 64
"""Images after which a long measurement counts."""


@dataclass(frozen=True)
class Walk:
    """Content takes a straight line, style a great arc; a code that does not change has equal ends.

    Attributes:
        content: Start and end, `[2, content_dim]`.
        style: Start and end, `[2, style_dim]`.
    """

    content: Float32[np.ndarray, "2 content_dim"]
    style: Float32[np.ndarray, "2 style_dim"]

    @classmethod
    def along(
        cls,
        along: str,
        content: Float32[np.ndarray, "2 content_dim"],
        style: Float32[np.ndarray, "2 style_dim"],
    ) -> Walk:
        """From the first codes to the second, along `style`, `content` or `both`; the other code stays the first."""
        return cls(
            content[[0, 0]] if along == "style" else content, style[[0, 0]] if along == "content" else style
        )

    def codes(
        self, positions: Float[np.ndarray, " steps"]
    ) -> tuple[Float32[np.ndarray, "steps content_dim"], Float32[np.ndarray, "steps style_dim"]]:
        """Content and style at positions from 0 to 1; the ends are exact."""
        content = straight_path(self.content[0], self.content[1], positions)
        return content, spherical_path(self.style[0], self.style[1], positions)


@dataclass(frozen=True)
class Frames:
    """Images along a walk.

    Attributes:
        images: As the model stores them.
        positions: Of each, from 0 to 1.
        levels: The images with their masks after the intensities.
    """

    images: UInt[np.ndarray, "steps height width intensities"]
    positions: Float[np.ndarray, " steps"]
    levels: UInt[np.ndarray, "steps height width channels"]


def make_frames(
    inference: Inference, walk: Walk, steps: int, is_even: bool, reporter: Reporter = SILENT
) -> Frames:
    """Images at `steps` positions, equally spaced in the codes or, with `is_even`, in perceptual distance.

    Raises:
        WeightsError: `is_even`, and the model has no encoder, which measures this distance.
    """
    if is_even:
        inference.model.require_encoder()
        with reporter.stage("spacing the steps evenly, at most", most_positions(steps), "images") as task:

            def features_at(places: Float[np.ndarray, " places"]) -> Float32[np.ndarray, "places feature"]:
                parts = []
                for few in np.array_split(places, -(-len(places) // _SHOWN)):
                    parts.append(inference.extract_features(*walk.codes(few)))
                    task.advance(len(few))
                return np.concatenate(parts)

            positions = even_positions(features_at, steps)
    else:
        positions = np.linspace(0, 1, steps)
    levels = inference.generate(*walk.codes(positions), with_masks=True)
    count = inference.header.architecture.image_channels
    return Frames(np.ascontiguousarray(levels[..., :count]), positions, levels)


def measure_distances(
    inference: Inference, walk: Walk, positions: Float[np.ndarray, " steps"]
) -> Float[np.ndarray, " steps_less_one"] | None:
    """Perceptual distance of each image of a walk to the next; None for a model without an encoder."""
    if inference.model.encoder is None:
        return None
    return step_distances(inference.extract_features(*walk.codes(positions)))
