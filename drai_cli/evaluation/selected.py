"""Which synthetic images of usefulness the judge finds neither wrong nor trivial, and why it drops others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge
from drai_cli.evaluation.measured import Described, Raw
from drai_cli.evaluation.quick import SELECTED
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.selection import Selection, count_reasons
from drai_cli.report.findings import Measure

_REAL = "real images of the evaluated part"
_KEPT = Described(
    "selected", "Samples kept by selection", "higher",
    "Share of samples that the judge finds neither wrong nor trivial: `drai sample --select` keeps these.", _REAL,
)  # fmt: skip
_DROPPED = Described(
    "dropped", "Samples dropped by selection", "baseline",
    "Wrong: another label is likelier. Trivial: the judge is surer of the label than of 90 % of the held-out real "
    "images of it.",
    _REAL,
)  # fmt: skip
_HELD_OUT = "selected samples: the judge was chosen by validation images, which this part tests on"


@dataclass(frozen=True, eq=False)
class Selected:
    """What was selected.

    Attributes:
        is_kept: Which samples are kept; None where nothing was selected.
        numbers: As JSON: `samples` and `real`, by label index as `selection.count_reasons` gives them, and `judge`.
        missing: Why nothing was selected; empty where it was.
    """

    is_kept: Bool[np.ndarray, " m"] | None
    numbers: Raw
    missing: str


def select(evaluation: Evaluation, made: Images, made_labels: Int64[np.ndarray, " m"]) -> Selected:
    """Selects among samples by the judge; not where it has seen the evaluated images, or cannot tell the labels."""
    if evaluation.options.part == "held-out":
        return Selected(None, {}, _HELD_OUT)
    if evaluation.options.quick:
        return Selected(None, {}, SELECTED)
    judged = evaluation.judge_on_real()
    if doubt := doubt_of_judge(evaluation, judged):
        return Selected(None, judged, f"selected samples: {doubt.why}")
    real, held = evaluation.real, evaluation.rows("validation")
    selection = Selection.calibrated(
        evaluation.instruments.judge, real.images[held], real.labels[held], len(real.schema.labels)
    )
    rows = evaluation.rows(evaluation.options.part)
    reasons = selection.reasons(made, made_labels)
    numbers = {
        **judged,
        "selection": {
            "samples": count_reasons(reasons, made_labels),
            "real": count_reasons(selection.reasons(real.images[rows], real.labels[rows]), real.labels[rows]),
        },
    }
    return Selected(np.array([reason is None for reason in reasons]), numbers, "")


def describe_selection(numbers: Raw, labels: Sequence[str]) -> Iterator[Measure]:
    """Shares of samples that were kept, wrong and trivial, beside those of real images; nothing without a selection."""
    if not (selection := numbers.get("selection")):
        return
    made, real = (_in_all(selection[side]) for side in ("samples", "real"))
    yield _KEPT.of(made["kept"] / made["drawn"], real["kept"] / real["drawn"], n=made["drawn"])
    for why in ("wrong", "trivial"):
        yield _DROPPED.of(made[why] / made["drawn"], real[why] / real["drawn"], n=made["drawn"], variant=why)
    for index, of in selection["samples"].items():
        of_real = selection["real"].get(index)
        yield _KEPT.of(
            of["kept"] / of["drawn"], of_real and of_real["kept"] / of_real["drawn"], n=of["drawn"],
            label=labels[int(index)],
        )  # fmt: skip


def share_kept(numbers: Raw, index: str) -> float:
    """The share of a label's samples that were kept; at least one in a hundred."""
    of: Mapping[str, Any] = numbers["selection"]["samples"][index]
    return float(max(0.01, of["kept"] / of["drawn"]))


def _in_all(by_label: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(of[name] for of in by_label.values()) for name in ("drawn", "kept", "wrong", "trivial")}
