"""The directions in which a model's images change most, one list per code, each named by what it changes.

A direction is found by the generator's response: the codes of some draws of the prior are changed a little in each
dimension, and the eigenvectors of the mean outer product of the images' changes are the directions (an active subspace,
Constantine 2015). Codes are first brought to unit covariance, so one unit of a slider is one standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, UInt
from numpy.random import default_rng

from drai_cli.explore.looks import ENDS, measure_looks
from drai_cli.explore.model import ExploredModel

Code = Literal["content", "style"]
CODES: tuple[Code, ...] = ("content", "style")
REACH = 3.0
"""How far a slider goes, in standard deviations."""
USUAL = 2.0
"""How far the sliders of a code may lead together before a page warns: a sixth of the images then lie over 3 out."""

_BASES = 6
_DRAWS = 48  # for the spread of each measure
_STEP = 0.7
_SHOWN = 6  # directions per code
_SIDE = 16  # images are compared at this side: what changes in a few pixels is no direction to look at
_FAR = 2.0
_LEAST_EFFECT = 0.7  # standard deviations of a measure between -_FAR and _FAR
_LEAST_AGREEMENT = 1.5  # mean effect over its deviation between draws
_LABEL_SPREAD = 1.0


@dataclass(frozen=True)
class Effect:
    """What a direction changes.

    Attributes:
        name: Of the measure.
        size: Change from -2 to 2, in standard deviations of the measure over samples.
    """

    name: str
    size: float


@dataclass(frozen=True)
class Direction:
    """One slider.

    Attributes:
        code: Which code it moves.
        vector: Added to the code per unit; one unit is one standard deviation of the prior along it.
        share: Its share of all change that the code makes in images.
        effects: What it changes, the largest first; empty where nothing that is measured changes clearly.
        labels: For content: the labels at its low and high end; empty where labels hardly differ along it.
    """

    code: Code
    vector: Float32[np.ndarray, " dim"]
    share: float
    effects: tuple[Effect, ...]
    labels: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """A name for a slider: `skin tone`, `mel to nv`, or empty."""
        parts = [f"{self.labels[0]} to {self.labels[1]}"] if self.labels else []
        return ", ".join([*parts, *(effect.name for effect in self.effects[:2])])

    @property
    def ends(self) -> tuple[str, str]:
        """What its low and its high end look like, in words; empty where nothing is known."""
        low, high = ([label] if self.labels else [] for label in self.labels or ("", ""))
        for effect in self.effects[:2]:
            less, more = ENDS[effect.name]
            low.append(less if effect.size > 0 else more)
            high.append(more if effect.size > 0 else less)
        return ", ".join(low), ", ".join(high)

    def to_json(self) -> dict[str, Any]:
        """What a page shows of it."""
        low, high = self.ends
        effects = [{"name": effect.name, "size": round(effect.size, 2)} for effect in self.effects]
        return {"name": self.name, "low": low, "high": high, "share": self.share, "effects": effects}


def find_directions(
    model: ExploredModel, progress: Callable[[float], None] = lambda _: None, seed: int = 0
) -> tuple[Direction, ...]:
    """The directions of both codes, those that change images most first; the same for the same model and seed.

    Args:
        model: The model.
        progress: Called with the share that is done.
        seed: Of the draws of the prior.
    """
    random = default_rng(seed)
    schema, shape = model.header.schema, model.header.architecture
    priors = [model.prior({schema.label.name: label}) for label in schema.labels]
    means, deviations = np.stack([p[0] for p in priors]), np.stack([p[1] for p in priors])
    labels = np.arange(_DRAWS) % len(means)
    noise = random.standard_normal((_DRAWS, shape.content_dim)).astype(np.float32)
    contents = (means[labels] + deviations[labels] * noise).astype(np.float32)
    styles = random.standard_normal((_DRAWS, shape.style_dim)).astype(np.float32)
    roots: dict[Code, np.ndarray] = {
        "content": _root(means, deviations), "style": np.eye(shape.style_dim)
    }  # fmt: skip
    dims = {"content": shape.content_dim, "style": shape.style_dim}
    total = _DRAWS + sum(_BASES * (dims[code] + 1) + 2 * _BASES * min(_SHOWN, dims[code]) for code in CODES)
    done = 0

    def make(content: np.ndarray, style: np.ndarray) -> np.ndarray:
        nonlocal done
        images = model.generate(content.astype(np.float32), style.astype(np.float32))
        done += len(images)
        progress(min(1.0, done / total))
        return images

    is_skin = schema.is_of_skin and shape.image_channels == 3
    looks = measure_looks(make(contents, styles), is_skin=is_skin)
    spread = {name: float(values.std()) for name, values in looks.items()}
    rows = np.linspace(0, _DRAWS - 1, _BASES).round().astype(int)
    base = {"content": contents[rows], "style": styles[rows]}
    found: list[Direction] = []
    for code in CODES:
        vectors, shares = _respond(make, base, code, roots[code])
        for vector, share in zip(vectors[:_SHOWN], shares[:_SHOWN], strict=True):
            effects = _measure_effects(make, base, code, vector, spread, is_skin)
            ends = _labels_along(means, roots[code], vector, schema.labels) if code == "content" else None
            # More of the main effect, or the later label, is to the right.
            if (effects and not ends and effects[0].size < 0) or (
                ends and schema.labels.index(ends[0]) > schema.labels.index(ends[1])
            ):
                vector, ends = -vector, ends and (ends[1], ends[0])
                effects = tuple(Effect(effect.name, -effect.size) for effect in effects)
            found.append(Direction(code, vector.astype(np.float32), float(share), effects, ends))
    progress(1.0)
    return tuple(found)


def _root(means: np.ndarray, deviations: np.ndarray) -> Float[np.ndarray, "dim dim"]:
    """L with L Lᵀ the covariance of contents over all labels, each equally frequent."""
    centred = means - means.mean(0)
    covariance = centred.T @ centred / len(means) + np.diag((deviations**2).mean(0))
    values, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = vectors * np.sqrt(np.maximum(values, 1e-12))
    return root


def _respond(
    make: Callable[[np.ndarray, np.ndarray], UInt[np.ndarray, "n height width channels"]],
    base: dict[str, np.ndarray],
    code: Code,
    root: np.ndarray,
) -> tuple[Float[np.ndarray, "dim dim"], Float[np.ndarray, " dim"]]:
    """Directions as rows, those that change images most first, and their shares of the change."""
    dim = root.shape[0]
    outer = np.zeros((dim, dim))
    for row in range(len(base[code])):
        codes = {name: np.repeat(values[row : row + 1], dim + 1, 0) for name, values in base.items()}
        # Towards the centre and away from it in turn, so that neither is preferred.
        step = _STEP * (-1.0) ** (row + np.arange(dim))
        codes[code] = codes[code].astype(np.float64)
        codes[code][1:] += (root * step).T
        images = _shrink(make(codes["content"], codes["style"]))
        change = (images[1:] - images[0]) / step[:, None]
        outer += change @ change.T
    values, vectors = np.linalg.eigh(outer)
    order = values.argsort()[::-1]
    shares = np.maximum(values[order], 0)
    return (root @ vectors[:, order]).T, shares / max(float(shares.sum()), 1e-12)


def _shrink(images: np.ndarray) -> Float[np.ndarray, "images values"]:
    """Images as rows of means over squares, in [0, 1]."""
    count, height, width, channels = images.shape
    side = np.gcd(height, _SIDE) if height % _SIDE else _SIDE
    blocks = images.reshape(count, side, height // side, side, width // side, channels)
    rows: np.ndarray = blocks.mean((2, 4)).reshape(count, -1) / np.iinfo(images.dtype).max
    return rows


def _measure_effects(
    make: Callable[[np.ndarray, np.ndarray], np.ndarray],
    base: dict[str, np.ndarray],
    code: Code,
    vector: np.ndarray,
    spread: dict[str, float],
    is_skin: bool,
) -> tuple[Effect, ...]:
    """The measures that change clearly, and in the same way for all draws, along a direction."""
    looks = []
    for far in (-_FAR, _FAR):
        codes = dict(base) | {code: base[code] + far * vector}
        looks.append(measure_looks(make(codes["content"], codes["style"]), is_skin=is_skin))
    effects = []
    for name, deviation in spread.items():
        change = looks[1][name] - looks[0][name]
        size = float(change.mean()) / max(deviation, 1e-9)
        agrees = abs(change.mean()) > _LEAST_AGREEMENT * change.std()
        if abs(size) > _LEAST_EFFECT and agrees:
            effects.append(Effect(name, size))
    return tuple(sorted(effects, key=lambda effect: -abs(effect.size)))


def _labels_along(
    means: np.ndarray, root: np.ndarray, vector: np.ndarray, labels: tuple[str, ...]
) -> tuple[str, str] | None:
    """The labels whose mean contents lie lowest and highest along a direction, if they are far apart."""
    inverse = np.linalg.pinv(root)
    places = (means - means.mean(0)) @ inverse.T @ (inverse @ vector)
    if places.max() - places.min() < _LABEL_SPREAD or len(labels) < 2:
        return None
    return labels[int(places.argmin())], labels[int(places.argmax())]
