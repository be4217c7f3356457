"""Random codes: what image i of a condition is made from, and how labels are drawn. Numpy only, no torch.

Every draw comes from numpy's counter-based Philox, keyed by a sha256 of what it is for. So an image's codes
depend on (seed, condition, index) and on nothing else: not on batch size, shard, order, or device.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float


def draw_noise(
    seed: int, condition: Mapping[str, str], indices: Sequence[int], content_dim: int, style_dim: int
) -> tuple[Float[np.ndarray, "batch content_dim"], Float[np.ndarray, "batch style_dim"]]:
    """Standard normal noise for the content and style of some images of one condition, float32.

    Args:
        seed: The job's seed, any integer.
        condition: Attribute values as the data has them; attributes left out are missing.
        indices: Which images, each at least 0.
        content_dim: Entries of the content code.
        style_dim: Entries of the style code.
    """
    prefix = _key_prefix(seed, condition)
    noise = np.empty((len(indices), content_dim + style_dim), np.float32)
    for row, index in enumerate(indices):
        noise[row] = _generator(f"{prefix}{index}]").standard_normal(content_dim + style_dim)
    return noise[:, :content_dim], noise[:, content_dim:]


def draw_label_counts(seed: int, weights: Mapping[str, float], n: int) -> dict[str, int]:
    """How many of `n` images each label gets, in proportion to its weight.

    Systematic sampling: one uniform offset, then every n-th part of the cumulated weights. A label's expected
    count is exactly its share of `n`, and its count is that rounded up or down.

    Raises:
        ValueError: No weight is above 0.
    """
    total = sum(weights.values())
    if not total > 0 or min(weights.values()) < 0:
        raise ValueError(f"weights {dict(weights)}")
    offset = _generator(json.dumps(["labels", seed])).random()
    ends = np.cumsum(list(weights.values())) / total * n
    reached = np.minimum(np.floor(ends + offset), n).astype(np.int64)
    reached[-1] = n  # rounding must neither add nor lose one
    return dict(zip(weights, np.diff(reached, prepend=0).tolist(), strict=True))


def _key_prefix(seed: int, condition: Mapping[str, str]) -> str:
    """The start of a JSON list `[seed, [[name, value], ...], index]`: no two keys read alike."""
    return json.dumps([seed, sorted(condition.items())], ensure_ascii=True)[:-1] + ", "


def _generator(key: str) -> np.random.Generator:
    digest = hashlib.sha256(key.encode("ascii")).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
