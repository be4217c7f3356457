"""What a run's ticks say in words: is it good, is it finished, what would help. Numbers in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Standing = Literal["good", "near", "poor"]

FEW_IMAGES = 5000
"""Below this number of training images, starting from another model helps."""
_RISING = 0.02  # of score between two thirds of a run; ticks differ by half of it without reason
_SHARES = {"agreement": (0.9, 0.7), "kept": (0.85, 0.6)}  # of the value on real images: good from, near from
_DISTANCES = (2.0, 4.0)  # times that between real images: good up to, near up to
_ENOUGH_IMAGES = 400  # per side, for a distance to be called good
_OF_JUDGE = ("agreement", "kept", "frechet_matched")
_FOLLOWED = (0.5, 0.25)
_FINE = (0.6, 1.6)  # power of the fine band, as a share of real images: outside of it is blur or dots
_FINE_NEAR = (0.2, 4.0)  # far outside of it no detail is left, or detail is all there is
_LEAST_KIMG = 20.0  # a shorter run is a trial: it is advised to be this long before it is doubled


@dataclass(frozen=True)
class RunFacts:
    """What a verdict has to know of a run besides its ticks.

    Attributes:
        train_images: Training images.
        kimg: Budget in thousands of images, if there is one.
        hours: Budget in hours, if there is one.
        symmetry: Flips and rotations that are used, `none` for none.
        has_init: Whether it started from another model.
        augments: Whether augmentation is adaptive.
    """

    train_images: int
    kimg: float | None
    hours: float | None
    symmetry: str
    has_init: bool
    augments: bool


@dataclass(frozen=True)
class Verdict:
    """Sentences about a run.

    Attributes:
        standing: Of the worst measure; None if nothing was measured.
        quality: Whether it is good, a sentence for each measure with its standing.
        progress: Whether it is finished.
        advice: What would help, the most promising first; empty if nothing is known.
    """

    standing: Standing | None
    quality: tuple[tuple[Standing, str], ...]
    progress: str
    advice: tuple[str, ...]


def give_verdict(ticks: Sequence[Mapping[str, Any]], facts: RunFacts, doubt: str = "") -> Verdict:
    """The verdict on the best snapshot so far.

    Args:
        ticks: As `stats.jsonl` has them.
        facts: Of the run.
        doubt: Why the judge's measures say nothing; empty if they do.
    """
    measured = [tick["validation"] for tick in ticks if tick["images_seen"] == ticks[-1]["best_images_seen"]]
    best: Mapping[str, float] = measured[-1] if measured else {}
    quality = _rate(best, doubt)
    order: tuple[Standing, ...] = ("poor", "near", "good")
    standing = next((each for each in order if any(each == own for own, _ in quality)), None)
    trend = _trend(ticks)
    return Verdict(
        standing, tuple(quality), _describe(trend, ticks), _advise(ticks, facts, best, trend, doubt, standing)
    )


def longer_budget(kimg: float | None, hours: float | None) -> tuple[str, float] | None:
    """The option and value with which a run of this budget goes on for twice as long; None without a budget."""
    if kimg is not None:
        return "kimg", max(2 * kimg, _LEAST_KIMG)
    return None if hours is None else ("hours", 2 * hours)


def _rate(best: Mapping[str, float], doubt: str) -> list[tuple[Standing, str]]:
    found: list[tuple[Standing, str]] = []
    if doubt:
        found.append(("poor", f"The judge's measures are not informative: {doubt}."))
        best = {name: value for name, value in best.items() if name not in _OF_JUDGE}
    for name, real, text in (
        ("agreement", "judge", "the judge sees the requested label in samples"),
        ("kept", "kept_of_a", "swaps keep the label of the content image"),
    ):
        if name in best and real in best:
            share = best[name] / max(best[real], 1e-9)
            good, near = _SHARES[name]
            sentence = f"{text}: {best[name]:.2f}, on real images {best[real]:.2f}."
            found.append((_grade(share, good, near), sentence[:1].upper() + sentence[1:]))
    if "frechet_matched" in best and "frechet_real" in best:
        times = best["frechet_matched"] / max(best["frechet_real"], 1e-9)
        good, near = _DISTANCES
        sentence = f"Samples are {times:.1f} times as far from real images as real images are from each other"
        standing, images = _grade(-times, -good, -near), best.get("frechet_images", _ENOUGH_IMAGES)
        if (
            images < _ENOUGH_IMAGES
        ):  # chance alone keeps them far apart: the ratio is near 1 for poor samples too
            sentence += f" ({images:.0f} images per side: too few to see more than large differences)"
            standing = "near" if standing == "good" else standing
        found.append((standing, f"{sentence}."))
    if "followed" in best and "leftover" in best:
        followed = best["followed"] - max(best["leftover"], 0.0)
        sentence = (
            f"Swaps follow the background of the style image: correlation {best['followed']:.2f}, "
            f"with the content image {best['leftover']:.2f}."
        )
        found.append((_grade(followed, *_FOLLOWED), sentence))
    if "power_fine" in best:
        low, high = _FINE
        is_good = low <= best["power_fine"] <= high
        what = "" if is_good else " (blurred)" if best["power_fine"] < low else " (dots or a checkerboard)"
        sentence = f"Fine detail has {best['power_fine']:.2f} times the power of real images{what}."
        is_near = _FINE_NEAR[0] <= best["power_fine"] <= _FINE_NEAR[1]
        found.append(("good" if is_good else "near" if is_near else "poor", sentence))
    return found


def _grade(value: float, good: float, near: float) -> Standing:
    return "good" if value >= good else "near" if value >= near else "poor"


def _trend(ticks: Sequence[Mapping[str, Any]]) -> float | None:
    """By how much the best score of the last third is above that before; None for fewer than four measured ticks."""
    scores = [t["validation"]["score"] for t in ticks if "score" in t.get("validation", {})]
    if len(scores) < 4:
        return None
    last = max(1, len(scores) // 3)
    return float(max(scores[-last:]) - max(scores[:-last]))


def _describe(trend: float | None, ticks: Sequence[Mapping[str, Any]]) -> str:
    best = ticks[-1]["best_images_seen"] / 1000
    if trend is None:
        return "There are too few measured ticks to say whether it still improves."
    where = f"The best snapshot is at {best:g} kimg."
    if trend > _RISING:
        return f"It still improves: the score rose by {trend:.2f} in the last third. {where}"
    return f"It no longer improves much: the score changed by {trend:+.2f} in the last third. {where}"


def _advise(
    ticks: Sequence[Mapping[str, Any]],
    facts: RunFacts,
    best: Mapping[str, float],
    trend: float | None,
    doubt: str,
    standing: Standing | None,
) -> tuple[str, ...]:
    advice = []
    recent = [warning for tick in ticks[-3:] for warning in tick.get("warnings", ())]
    has_memorised = any("memorised" in warning for warning in recent)
    if any("collapsed" in warning for warning in recent):
        advice.append(
            "The generator collapsed: start again with half the --learning-rate or twice the --r1-gamma."
        )
    is_unknown = trend is None and standing in ("poor", "near")  # too short to show a trend, and not good
    longer = longer_budget(facts.kimg, facts.hours)
    if longer and (is_unknown or (trend is not None and trend > _RISING)):
        option, value = longer
        advice.append(f"To train longer, repeat the command with --{option} {value:g}: the run continues.")
    if facts.symmetry == "none" and (has_memorised or facts.train_images < FEW_IMAGES):
        advice.append(
            "Add --symmetry flip or dihedral, if a mirrored or turned image is as plausible; in a new run."
        )
    if has_memorised:
        more = "" if facts.augments else ", or add --augment ada"
        advice.append(f"The discriminator has memorised the training images: use more images{more}.")
    if not facts.has_init and (has_memorised or facts.train_images < FEW_IMAGES):
        advice.append(
            f"With {facts.train_images:,} training images, start from a model of similar images: --init WEIGHTS."
        )
    if doubt:
        advice.append("Use more labelled images, or fewer labels: the judge cannot tell the labels apart.")
    if trend is None and not advice:
        advice.append("Train longer, until several ticks are measured.")
    return tuple(advice)
