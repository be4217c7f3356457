"""The report of a model whose label is a set of findings: each finding by itself, and how they occur together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int8

from drai_cli.conditions.findings import PRESENT, UNKNOWN
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.finding_parts import fidelity_part, usefulness_part
from drai_cli.evaluation.measured import Described
from drai_cli.io.durable import make_private_folders
from drai_cli.metrics.finding_judge import FindingJudge, load_finding_judge, train_finding_judge
from drai_cli.metrics.finding_set import FindingsConfig, FindingSet
from drai_cli.metrics.findings import measure_findings
from drai_cli.metrics.generation import style_dim_of
from drai_cli.metrics.judge import judge_config
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.report.findings import Measure, Part

_REAL = "the judge on real images"
_AREA = Described(
    "finding_auc", "Finding shown where asked for, AUC", "higher",
    "Area under the ROC curve of the judge (a network trained on real images) on samples, for what was asked: 0.5 is "
    "chance.",
    _REAL,
)  # fmt: skip
_BALANCED = Described(
    "finding_balanced", "Finding shown where asked for, balanced", "higher",
    "Mean of two shares: samples with the finding in which the judge sees it, and samples without in which it does "
    "not.",
    _REAL,
)  # fmt: skip
_ALL_RIGHT = Described(
    "all_findings", "All findings as asked for", "higher",
    "Share of samples in which the judge sees each finding that was asked for, and no other.",
    _REAL,
)  # fmt: skip
_TOGETHER = Described(
    "co_occurrence", "Findings occur together as in real images", "higher",
    "Correlation of two matrices: how the judge's findings go together in samples, and in real images.",
    "two halves of the real images",
)  # fmt: skip
_KEPT = Described(
    "finding_kept", "Swap keeps the content image's finding", "higher",
    "Balanced share of the swaps G(content of a, style of b) in which the judge sees a's state of the finding, where "
    "b's differs.",
    "real content images",
)  # fmt: skip
_LEAKED = Described(
    "finding_leaked", "Swap takes the style image's finding", "lower",
    "How much more often the finding is seen in swaps whose style image has it than in those whose style image has "
    "not: the aim is 0.",
)  # fmt: skip
_IN_STYLE = Described(
    "finding_in_style", "Finding in style", "lower",
    "Balanced accuracy of a classifier that predicts the finding from the style code, which should not contain it.",
    "true style (place, size, light)",
)  # fmt: skip
_FOLLOWED = Described(
    "followed", "Colour correlation with the style image", "higher",
    "Correlation between the mean colour of the frame (background, light) of a swap and of its style image.",
)  # fmt: skip


FINDING_PARTS = ("fidelity", "disentanglement", "usefulness")
"""The parts that there are for sets of findings; what is said of each finding is in place of `disentanglement`."""


def measure_model_with_findings(
    evaluation: Evaluation, wanted: Sequence[str], folder: Path
) -> tuple[Part, ...]:
    """The parts of the report.

    Args:
        evaluation: What is evaluated, on which images.
        wanted: Those of `FINDING_PARTS` to measure.
        folder: Where the judge is kept for later evaluations.
    """
    real, reporter = evaluation.real, evaluation.reporter
    data = FindingSet(
        real.images, _states(evaluation), real.parts, real.groups, real.conditions, real.schema.labels
    )
    parts = []
    needs_judge = "disentanglement" in wanted or (
        "fidelity" in wanted and evaluation.options.features is None
    )
    judge, judge_images = _judge(evaluation, data, folder) if needs_judge else (None, 0)
    if "disentanglement" in wanted and judge is not None:
        reporter.info("measuring each finding")
        parts.append(_findings_part(evaluation, data, judge, judge_images))
    if "fidelity" in wanted:
        reporter.info("measuring fidelity")
        parts.append(fidelity_part(evaluation, judge))
    if "usefulness" in wanted:
        reporter.info("measuring usefulness")
        parts.append(usefulness_part(evaluation, data, FindingsConfig.least))
    return tuple(parts)


def _findings_part(evaluation: Evaluation, data: FindingSet, judge: FindingJudge, judge_images: int) -> Part:
    """What is said of each finding."""
    options, networks = evaluation.options, evaluation.networks
    assert networks is not None
    config = FindingsConfig(samples=max(options.samples * len(data.names) // 2, 200))
    style_dim = style_dim_of(networks, data.images[:1], evaluation.device)
    numbers = measure_findings(
        data, networks, judge, style_dim, config,
        part=options.part, seed=options.seed, device=evaluation.device,
    )  # fmt: skip
    settings = {"seed": options.seed, "judge_images": judge_images, **asdict(config)}
    return replace(describe(numbers, data.names), settings=settings)


def describe(numbers: dict[str, Any], names: tuple[str, ...]) -> Part:
    """The numbers of `measure_findings` as a part of a report."""
    agreement, together, swaps = numbers["agreement"], numbers["co_occurrence"], numbers["swaps"]
    probe = numbers["label_in_style"]
    means = agreement["mean"]
    measures: list[Measure] = [
        _AREA.of(means["auc"], means["auc_real"], is_headline=True),
        _BALANCED.of(means["balanced"], means["balanced_real"]),
        _ALL_RIGHT.of(agreement["all_right"], agreement["all_right_real"]),
    ]
    if together["correlation"] is not None:
        measures.append(_TOGETHER.of(together["correlation"], together["correlation_real"], is_headline=True))
    verdict = (
        f"The judge recognises what was asked for with a mean AUC of {means['auc']:.2f} in samples and "
        f"{means['auc_real']:.2f} in real images"
    )
    if swaps and swaps["by_finding"]:
        measures += [
            _KEPT.of(swaps["mean"]["kept"], swaps["mean"]["kept_of_a"], is_headline=True),
            _LEAKED.of(swaps["mean"]["leaked"], is_headline=True),
            _FOLLOWED.of(swaps["followed"]),
        ]
        verdict += (
            f"; swaps keep {swaps['mean']['kept']:.0%} of the content image's findings "
            f"({swaps['mean']['kept_of_a']:.0%} in the real images)"
        )
    if probe and probe["by_finding"]:
        measures.append(_IN_STYLE.of(probe["mean"]["value"], probe["mean"]["floor"], is_headline=True))
    for name in numbers["findings"]:
        of_samples = agreement["by_finding"][name]
        measures += [
            _AREA.of(of_samples["auc"], of_samples["auc_real"], label=name),
            _BALANCED.of(of_samples["balanced"], of_samples["balanced_real"], label=name),
        ]
        if swaps and name in swaps["by_finding"]:
            of_swaps = swaps["by_finding"][name]
            measures += [
                _KEPT.of(of_swaps["kept"], of_swaps["kept_of_a"], label=name),
                _LEAKED.of(of_swaps["leaked"], label=name),
            ]
        if probe and name in probe["by_finding"]:
            of_style = probe["by_finding"][name]
            measures.append(_IN_STYLE.of({**of_style}, of_style["floor"], label=name))
    rare = [name for name in names if name not in numbers["findings"]]
    not_measured = ["privacy: it needs one label per image"]
    if rare:
        not_measured.append(f"findings that too few of these images show: {', '.join(rare)}")
    if swaps is None:
        not_measured.append("swaps and findings in style: they need a model with an encoder")
    caution = "The judge makes errors too: compare every number with its baseline on real images."
    return Part("findings", "Findings", tuple(measures), f"{verdict}.", caution, tuple(not_measured))


def _states(evaluation: Evaluation) -> Int8[np.ndarray, "n findings"]:
    """The findings of the real images, from their conditions: a value and a flag for each."""
    pairs = evaluation.real.conditions[:, : 2 * len(evaluation.real.schema.labels)].reshape(
        len(evaluation.real.conditions), -1, 2
    )
    return np.where(pairs[..., 1] == 1, UNKNOWN, (pairs[..., 0] == 1) * PRESENT).astype(np.int8)


def _judge(evaluation: Evaluation, data: FindingSet, folder: Path) -> tuple[FindingJudge, int]:
    """The judge, trained or as an earlier evaluation stored it, and the images that it saw at most."""
    options, real, reporter = evaluation.options, evaluation.real, evaluation.reporter
    config = judge_config(real.images.shape[1], real.symmetry)
    if options.judge_images is not None:
        config = replace(config, fit=replace(config.fit, images=options.judge_images))
    images = config.fit.images
    file = folder / f"finding-judge-{real.training_key[:16]}-{images}-{options.seed}.safetensors"
    if file.exists():
        try:
            tensors, stored = load_state(file)
            judge = load_finding_judge(stored, tensors, evaluation.device)
            if judge.fits(real.images, len(data.names)):
                return judge, images
        except UNFIT:
            reporter.warn(f"{file} is damaged: the judge is trained again")
    with reporter.task("training the judge of findings", images, "images") as task:
        judge = train_finding_judge(
            data.images, data.states, real.labels, data.parts, config,
            seed=options.seed, device=evaluation.device, progress=task.advance,
        )  # fmt: skip
    make_private_folders(folder)
    save_state(file, judge.state(), judge.config_json())
    return judge, images
