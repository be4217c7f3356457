"""Maps of codes: samples and real images as points of a plane, one plane for each code. Arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from drai_cli.conditions.attribute import is_missing
from drai_cli.explore.directions import Code, Direction
from drai_cli.explore.model import ExploredModel
from drai_cli.explore.real_images import RealImages
from drai_cli.inference.noise import draw_noise

_SAMPLES = 240
_SEED = 0


@dataclass(frozen=True)
class CodeMap:
    """Points in order: samples, then real images.

    Attributes:
        places: For each code, `[points, 2]`; content only if the model infers it or there are no real images.
        values: Label and attributes of each point.
        names: Of real images; empty texts for samples.
        content: Content codes of the samples.
        style: Style codes of the samples.
        real: The real images.
    """

    places: Mapping[Code, Float[np.ndarray, "points 2"]]
    values: tuple[Mapping[str, str], ...]
    names: tuple[str, ...]
    content: Float[np.ndarray, "samples content_dim"]
    style: Float[np.ndarray, "samples style_dim"]
    real: RealImages | None

    def picture(self, index: int, model: ExploredModel) -> np.ndarray:
        """The image of a point; raises IndexError."""
        if not 0 <= index < len(self.names):
            raise IndexError(index)
        if index < len(self.content):
            image: np.ndarray = model.generate(
                self.content[index : index + 1], self.style[index : index + 1]
            )[0]
            return image
        assert self.real is not None
        real: np.ndarray = self.real.pixels[index - len(self.content)]
        return real

    def to_json(self) -> dict[str, Any]:
        """Points as plain data."""
        return {
            "samples": len(self.content),
            "places": {code: np.round(places, 3).tolist() for code, places in self.places.items()},
            "values": [dict(values) for values in self.values],
            "names": list(self.names),
        }


def make_map(model: ExploredModel, directions: tuple[Direction, ...], real: RealImages | None) -> CodeMap:
    """Draws samples of every label, infers the codes of the real images, and lays both on planes.

    The plane of content is spanned by the two principal components of the samples' contents, that of style by the two
    directions in which style changes images most.
    """
    schema, shape = model.header.schema, model.header.architecture
    each = -(-_SAMPLES // len(schema.labels))
    contents, styles, values = [], [], []
    for label in schema.labels[:_SAMPLES]:
        condition = {schema.label.name: label}
        content, style = draw_noise(_SEED, condition, range(each), shape.content_dim, shape.style_dim)
        mean, deviation = model.prior(condition)
        contents.append(mean + deviation * content)
        styles.append(style)
        values += [condition] * each
    content, style = np.concatenate(contents).astype(np.float32), np.concatenate(styles)
    all_content: np.ndarray | None = content
    all_style, names = style, [""] * len(content)
    if real is not None and model.encode is not None:
        inferred, of_style = model.encode(real.pixels)
        all_content = None if inferred is None else np.concatenate([content, inferred])
        all_style = np.concatenate([style, of_style])
        names += list(real.names)
        values += [_known(one, schema.names) for one in real.values]
    else:
        real = None
    axes = np.stack([d.vector for d in directions if d.code == "style"][:2]).astype(np.float64)
    places: dict[Code, np.ndarray] = {}
    if all_content is not None:
        centre = content.mean(0)
        components = np.linalg.svd(content - centre, full_matrices=False)[2][:2]
        places["content"] = (all_content - centre) @ components.T
    places["style"] = all_style @ np.linalg.pinv(axes)
    return CodeMap(places, tuple(values), tuple(names), content, style, real)


def _known(values: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The label, under the model's name for it, and the attributes that the model knows."""
    label = values.get(names[0], values.get("label", ""))
    known = {names[0]: label, **{name: values.get(name, "") for name in names[1:]}}
    return {name: value for name, value in known.items() if not is_missing(value)}
