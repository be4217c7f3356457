"""Which synthetic images a classifier of real images finds wrong or trivial, so that neither is trained on.

Arrays in, reasons out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.metrics.judge import Judge
from drai_cli.metrics.mapping import Images

Fault = Literal["wrong", "trivial"]
WRONG: Fault = "wrong"
TRIVIAL: Fault = "trivial"
_SURE = 0.9
_FEWEST = 10


@dataclass(frozen=True, eq=False)
class Selection:
    """Tells why an image is dropped.

    *Wrong*: the judge finds another label more likely than the requested one. *Trivial*: it is surer of the label
    than of 90 % of the held-out real images of this label that it recognises, so the image adds nothing new.

    Attributes:
        judge: Trained on real training images.
        limits: Log-odds of each label above which an image of it is trivial.
    """

    judge: Judge
    limits: Float[np.ndarray, " labels"]

    @classmethod
    def calibrated(
        cls, judge: Judge, images: Images, labels: Int64[np.ndarray, " n"], label_count: int
    ) -> Selection:
        """A selection whose limits come from real images that did not train the judge.

        A label with fewer than ten recognised images has the limit of all labels together.

        Raises:
            ValueError: The judge recognises none of the images.
        """
        odds = log_odds(judge.logits(images), labels)
        is_known = odds > 0
        if not is_known.any():
            raise ValueError("the judge recognises no real image")
        of_all = np.quantile(odds[is_known], _SURE)
        limits = np.full(label_count, of_all)
        for label in range(label_count):
            own = odds[is_known & (labels == label)]
            if len(own) >= _FEWEST:
                limits[label] = np.quantile(own, _SURE)
        return cls(judge, limits)

    def reasons(self, images: Images, labels: Int64[np.ndarray, " n"]) -> list[Fault | None]:
        """Why each image is dropped: `wrong`, `trivial`, or None if it is kept."""
        odds = log_odds(self.judge.logits(images), labels)
        is_trivial = odds > self.limits[labels]
        return [
            WRONG if odds_of <= 0 else TRIVIAL if trivial else None
            for odds_of, trivial in zip(odds.tolist(), is_trivial.tolist(), strict=True)
        ]


def log_odds(
    logits: Float[np.ndarray, "n labels"], labels: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """How much likelier an image's label is than the most likely other one, as a logarithm; above 0 it is first."""
    rows = np.arange(len(labels))
    others = np.asarray(logits, np.float64).copy()
    own = others[rows, labels].copy()
    others[rows, labels] = -np.inf
    out: np.ndarray = own - others.max(1)
    return out


def count_reasons(
    reasons: Sequence[str | None], labels: Int64[np.ndarray, " n"]
) -> dict[str, dict[str, Any]]:
    """By label index: how many images were `drawn`, and of these `kept`, `wrong` and `trivial`."""
    out = {}
    for label in np.unique(labels).tolist():
        own = [reason for reason, of in zip(reasons, labels.tolist(), strict=True) if of == label]
        out[str(label)] = {
            "drawn": len(own),
            "kept": own.count(None),
            "wrong": own.count(WRONG),
            "trivial": own.count(TRIVIAL),
        }
    return out
