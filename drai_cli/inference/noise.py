"""Draws codes and label counts, and computes paths between codes. Imports no torch.

Every draw uses numpy's counter-based Philox with a sha256 of its purpose as the key. So an image's codes depend on
(seed, condition, index) alone: not on batch size, shard, order, or device.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

_SHORT = 1e-6


def draw_noise(
    seed: int, condition: Mapping[str, str], indices: Sequence[int], content_dim: int, style_dim: int
) -> tuple[Float[np.ndarray, "batch content_dim"], Float[np.ndarray, "batch style_dim"]]:
    """Standard normal noise for the content and style of some images of one condition, float32.

    Args:
        seed: Random seed, any integer.
        condition: Attribute values as the data has them; attributes left out are missing.
        indices: Of the images, each at least 0.
        content_dim: Entries of the content code.
        style_dim: Entries of the style code.
    """
    prefix = _key_prefix(seed, condition)
    noise = np.empty((len(indices), content_dim + style_dim), np.float32)
    for row, index in enumerate(indices):
        noise[row] = _generator(f"{prefix}{index}]").standard_normal(content_dim + style_dim)
    return noise[:, :content_dim], noise[:, content_dim:]


def draw_grain(
    seed: int, condition: Mapping[str, str], indices: Sequence[int], side: int
) -> Float[np.ndarray, "batch 1 side side"]:
    """Standard normal noise for the grain of some images of one condition, float32; arguments as `draw_noise`.

    Its key differs from that of the codes, so an image has the same codes in models with and without grain.
    """
    prefix = _key_prefix(seed, condition)
    grain = np.empty((len(indices), 1, side, side), np.float32)
    for row, index in enumerate(indices):
        grain[row, 0] = _generator(f'{prefix}{index}, "grain"]').standard_normal((side, side))
    return grain


def draw_label_counts(seed: int, weights: Mapping[str, float], n: int) -> dict[str, int]:
    """How many of `n` images each label gets, in proportion to its weight.

    Systematic sampling: one uniform offset, then every n-th part of the cumulated weights. The expected count of a
    label is exactly its share of `n`; its count is that share rounded up or down.

    Raises:
        ValueError: No weight is above 0.
    """
    total = sum(weights.values())
    if not total > 0 or min(weights.values()) < 0:
        raise ValueError(f"weights {dict(weights)}")
    offset = _generator(json.dumps(["labels", seed])).random()
    ends = np.cumsum(list(weights.values())) / total * n
    reached = np.minimum(np.floor(ends + offset), n).astype(np.int64)
    reached[-1] = n  # rounding errors must not change the total
    return dict(zip(weights, np.diff(reached, prepend=0).tolist(), strict=True))


def straight_path(
    start: Float[np.ndarray, " dim"], end: Float[np.ndarray, " dim"], positions: Float[np.ndarray, " steps"]
) -> Float[np.ndarray, "steps dim"]:
    """Codes on the straight line from `start` (position 0) to `end` (position 1), float32; the ends are exact."""
    shares = np.asarray(positions, np.float64)[:, None]
    return _with_ends(start + shares * (np.float64(1) * end - start), start, end, positions)


def spherical_path(
    start: Float[np.ndarray, " dim"], end: Float[np.ndarray, " dim"], positions: Float[np.ndarray, " steps"]
) -> Float[np.ndarray, "steps dim"]:
    """Codes on the great arc from `start` to `end` (Shoemake 1985); their length changes linearly.

    Nearly all samples of a standard normal in many dimensions have the same distance from the centre; a straight line
    would leave that shell. Codes of (nearly) equal or opposite directions take the straight line.
    """
    first, last = (np.asarray(code, np.float64) for code in (start, end))
    lengths = np.linalg.norm(first), np.linalg.norm(last)
    if min(lengths) < _SHORT:
        return straight_path(start, end, positions)
    cosine = float(first @ last / (lengths[0] * lengths[1]))
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    if np.sin(angle) < _SHORT:
        return straight_path(start, end, positions)
    shares = np.asarray(positions, np.float64)[:, None]
    direction = np.sin((1 - shares) * angle) * first / lengths[0] + np.sin(shares * angle) * last / lengths[1]
    length = (1 - shares) * lengths[0] + shares * lengths[1]
    return _with_ends(direction / np.sin(angle) * length, start, end, positions)


def _with_ends(path: np.ndarray, start: np.ndarray, end: np.ndarray, positions: np.ndarray) -> np.ndarray:
    path = path.astype(np.float32)
    path[np.asarray(positions) == 0] = start
    path[np.asarray(positions) == 1] = end
    return path


def _key_prefix(seed: int, condition: Mapping[str, str]) -> str:
    """The start of a JSON list `[seed, [[name, value], ...], index]`, so that keys are unique."""
    return json.dumps([seed, sorted(condition.items())], ensure_ascii=True)[:-1] + ", "


def _generator(key: str) -> np.random.Generator:
    digest = hashlib.sha256(key.encode("ascii")).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
