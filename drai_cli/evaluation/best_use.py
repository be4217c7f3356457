"""Which use of synthetic images is the best one, and the command that makes the data set for it."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.measured import Raw
from drai_cli.evaluation.selected import share_kept
from drai_cli.metrics.power import half_width
from drai_cli.metrics.training_sets import PRETRAINED, REAL, SELECTED, SYNTHETIC


@dataclass(frozen=True)
class BestUse:
    """What the comparison of uses says.

    Attributes:
        name: The use that helped most, by balanced accuracy with the built-in classifier; empty where none helped.
        objections: Where another classifier or another test set says otherwise.
        harmful: Uses that did worse than real images alone.
        rare: Labels that gained in recall, where no use helped over all labels.
        rare_use: The use with which they gained.
        resolution: Half width of the median interval of a gain: what cannot be seen.
    """

    name: str
    objections: tuple[str, ...]
    harmful: tuple[str, ...]
    rare: tuple[int, ...]
    rare_use: str
    resolution: float


def best_use(numbers: Raw) -> BestUse:
    """The best use among the measured ones, `synthetic` alone left out: it replaces real images."""
    uses = {name: gain for name, gain in numbers["differences"].items() if name != SYNTHETIC}
    helped = numbers["helped"]
    good = [name for name in uses if helped[name]["balanced_accuracy"] == "helped"]
    name = max(good, key=lambda each: uses[each]["balanced_accuracy"]["value"]) if good else ""
    harmful = tuple(each for each in uses if helped[each]["balanced_accuracy"] == "harmed")
    # Of many labels and uses some gain by chance: only the labels of the use with the highest gain are named.
    rare_use = max(uses, key=lambda each: uses[each]["balanced_accuracy"]["value"])
    rare = tuple(
        int(label) for label, effect in helped[rare_use]["recall"].items()
        if effect == "helped" and int(label) in numbers["small_labels"]
    )  # fmt: skip
    return BestUse(
        name,
        _objections(numbers, name) if name else (),
        harmful,
        rare,
        rare_use,
        half_width([gain["balanced_accuracy"] for gain in uses.values()]),
    )


def _objections(numbers: Raw, name: str) -> tuple[str, ...]:
    """Other classifiers and test sets that do not confirm the gain of a use."""
    found = []
    heads = numbers["heads"] or ()
    others = {"on the images from elsewhere": numbers["outside"]}
    for of_head, where in zip(heads, ("", " on the images from elsewhere"), strict=False):
        others[f"with a linear head on pretrained features{where}"] = of_head
    for where, other in others.items():
        if other is None or name not in other["differences"]:
            continue
        gain = other["differences"][name]["balanced_accuracy"]["value"]
        effect = other["helped"][name]["balanced_accuracy"]
        if effect == "harmed":
            found.append(f"{where} it harms ({gain:+.3f})")
        elif effect != "helped":
            found.append(f"{where} no gain is shown ({gain:+.3f})")
    return tuple(found)


def command_for(evaluation: Evaluation, numbers: Raw, name: str) -> str:
    """Commands that make the synthetic images of a use; empty for a folder of images, or for real images alone."""
    weights = evaluation.options.weights
    if evaluation.subject.model is None or name == REAL:
        return ""
    labels, counts = evaluation.real.schema.labels, numbers["arms"][name]["synthetic"]
    start = "drai sample" + (f" --weights {shlex.quote(weights)}" if weights else "")
    wanted = {labels[int(index)]: int(count) for index, count in counts.items() if count}
    if name in (PRETRAINED, SYNTHETIC):
        line = f"`{start} --per-class {max(wanted.values())} --out synthetic/`"
        return f"{line}, trained on first, real images afterwards." if name == PRETRAINED else f"{line}."
    if name == SELECTED:
        drawn = sum(math.ceil(count / share_kept(numbers, index)) for index, count in counts.items() if count)
        data = shlex.quote(str(evaluation.options.data))
        return (
            f"`{start} -n {drawn} --select --train-data {data} --out synthetic/`, which keeps about "
            f"{sum(wanted.values())}."
        )
    if name.startswith("real + "):
        return f"`{start} -n {sum(wanted.values())} --out synthetic/` (labels as frequent as in training)."
    lines = [
        f"`{start} --label {shlex.quote(label)} -n {count} --out {shlex.quote(f'synthetic/{label}')}`"
        for label, count in wanted.items()
    ]
    return f"{'; '.join(lines)}."
