"""`drai evaluate`: fidelity, disentanglement, usefulness and privacy of a model or a folder, in one report.

Each part is measured once for the same images, generator and settings, and its numbers are stored; the report is made
from what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from drai_cli.data.cache import default_cache_dir
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.data_settings import data_options
from drai_cli.evaluation.extractors.chosen import check_independent
from drai_cli.evaluation.findings import FINDING_PARTS
from drai_cli.evaluation.measured import MeasuredPart
from drai_cli.evaluation.outside import read_outside
from drai_cli.evaluation.parts import (
    ANOTHER_OUT,
    MEASURED,
    PARTS,
    REPORT_HTML,
    REPORT_JSON,
    Parts,
    write_report,
)
from drai_cli.evaluation.real import NO_TRAINING_DATA, evaluation_set
from drai_cli.evaluation.remembered import LazyFeatures
from drai_cli.evaluation.runs import part_of_runs
from drai_cli.evaluation.shadow import check_attack
from drai_cli.evaluation.subject import find_subject
from drai_cli.evaluation.synthetic import own_size, with_images
from drai_cli.inference.torch_model import choose_device
from drai_cli.io.files import check_inside, read_json, remove_left_over
from drai_cli.io.locks import hold_folder
from drai_cli.metrics.rules import Rule
from drai_cli.metrics.threads import faster_threads
from drai_cli.progress import SILENT, Reporter
from drai_cli.report.findings import Report
from drai_cli.run.directory import RunDirectory
from drai_cli.run.instruments import INSTRUMENTS, Instruments
from drai_cli.settings.model_options import EVALUATION_PARTS, QUICK, EvaluateOptions
from drai_cli.settings.typed import check_ranges

_RUNS = "runs"


@dataclass(frozen=True)
class EvaluateResult:
    """The result of an evaluation.

    Attributes:
        report: The report.
        out: Folder that it was written to.
    """

    report: Report
    out: Path

    def to_json(self) -> dict[str, Any]:
        return {"out": str(self.out), **self.report.to_json()}


def evaluate(options: EvaluateOptions, reporter: Reporter = SILENT) -> EvaluateResult:
    """Measures the requested parts and writes the report.

    Raises:
        InputError: The data or the synthetic images cannot be used, or evaluated images were trained on.
        WeightsError, NetworkError: No such model, or it cannot be used.
        UsageError: Options that contradict each other.
        OverwriteError: OUT holds something else, or another process writes to it.
    """
    wanted = check_evaluate(options)
    options = quickly(options)
    with hold_folder(options.out, "drai evaluate"):
        remove_left_over(options.out)
        check_inside(options.out, options.out / MEASURED)
        remove_left_over(options.out / MEASURED)
        return _evaluate_runs(options, reporter) if options.runs else _evaluate(options, wanted, reporter)


def check_evaluate(options: EvaluateOptions) -> Sequence[str]:
    """Checks the options and OUT as `evaluate` does before its work; raises its UsageError and OverwriteError.

    Returns:
        The parts to measure.
    """
    check_ranges(options)
    wanted = options.metrics or EVALUATION_PARTS
    if unknown := [name for name in wanted if name not in EVALUATION_PARTS]:
        raise UsageError(f"--metrics {unknown[0]}", "no such part", f"one of: {', '.join(EVALUATION_PARTS)}")
    if options.part == "held-out" and set(wanted) != {"usefulness"}:
        raise UsageError(
            "--part held-out",
            "it is for usefulness only: other measures use a judge that was selected on validation images",
            "add --metrics usefulness, or use --part test",
        )
    if options.runs and (options.weights is not None or options.synthetic is not None):
        raise UsageError("--runs", "contradicts --weights and --synthetic", "evaluate one of them")
    if len(set(options.runs)) < len(options.runs) or len(options.runs) == 1:
        raise UsageError("--runs", "expected two different runs or more", "use --weights for a single one")
    for text in options.rules:
        try:
            Rule.parse(text)
        except ValueError as error:
            raise UsageError(f"--rule {text}", str(error), "--rule radius=0.05..0.45") from error
    _check_out(options.out, options.overwrite)
    return wanted


def quickly(options: EvaluateOptions) -> EvaluateOptions:
    """With `--quick`, the options with smaller numbers; those that were given keep their values."""
    if not options.quick:
        return options
    usual = {field.name: field.default for field in fields(EvaluateOptions)}
    smaller: dict[str, Any] = {
        name: value for name, value in QUICK.items() if getattr(options, name) == usual[name]
    }
    return replace(options, **smaller)


def judge_of_run(options: EvaluateOptions, run: RunDirectory | None) -> Path | None:
    """The run's own judge, for a quick report in which no other length of the judge's training was asked for."""
    is_asked = options.judge_images != QUICK["judge_images"]
    return None if run is None or not options.quick or is_asked else run.judge


def preview_evaluate(options: EvaluateOptions, reporter: Reporter = SILENT) -> None:
    """Checks options, OUT, model and data, without decoding an image; raises what `evaluate` raises."""
    check_evaluate(options)
    if options.runs:
        options = replace(options, weights=options.runs[0], runs=())
    subject = find_subject(options, choose_device(options.device), reporter)
    check_attack(options, subject)
    if options.synthetic is not None and options.size is None:
        options = replace(options, size=own_size(options.synthetic))
    data_options(options, subject, reporter)


def _evaluate_runs(options: EvaluateOptions, reporter: Reporter) -> EvaluateResult:
    """Evaluates each run in a folder of its own, and the spread between them."""
    names = [Path(run).resolve().name for run in options.runs]
    results = []
    for number, (run, name) in enumerate(zip(options.runs, names, strict=True), 1):
        reporter.info(f"{name} ({number} of {len(names)})")
        each = replace(options, runs=(), weights=run, out=options.out / _RUNS / f"{number}-{name}")
        results.append(evaluate(each, reporter))
    reports = [result.report for result in results]
    subject = {"kind": "set of runs", "name": ", ".join(names), "sha256": reports[0].subject["sha256"]}
    first = reports[0]
    report = replace(first, subject=subject, parts=(part_of_runs(reports, names), *first.parts))
    write_report(options.out, report, ())
    return EvaluateResult(report, options.out)


def _evaluate(options: EvaluateOptions, wanted: Sequence[str], reporter: Reporter) -> EvaluateResult:
    """Measures into a folder that this process has locked."""
    device = choose_device(options.device)
    reporter.info(f"device: {device}")
    if device.type == "cpu":
        torch.set_num_threads(faster_threads())
    subject = find_subject(options, device, reporter)
    check_attack(options, subject)
    if options.synthetic is not None and options.size is None:
        options = replace(options, size=own_size(options.synthetic))
        reporter.info(f"compared at {options.size} px, the synthetic images' size; change it with --size")
    real = evaluation_set(options, subject, reporter)
    if not real.is_training_known:
        reporter.warn(f"the evaluated images may have been trained on: {NO_TRAINING_DATA}")
    for label in options.small_labels:
        real.schema.label.resolve(label)  # an unknown label is an error now, not after an hour
    outside = (
        None if options.external is None else read_outside(options.external, options.maps, real, reporter)
    )
    if options.synthetic is not None:
        subject = with_images(subject, options.synthetic, real, reporter)
    beside = default_cache_dir() / INSTRUMENTS
    borrowed = judge_of_run(options, subject.run)
    states = None if real.schema.label.findings is None else real.finding_states
    instruments = Instruments(
        real, beside, options.judge_images, options.seed, device, reporter, borrowed, states
    )
    features = LazyFeatures(options, real, instruments, beside)
    if options.features is not None and subject.model is not None:
        check_independent(features.extractor, options.features, subject.model.header)
    evaluation = Evaluation(options, real, subject, instruments, features, device, reporter, outside)
    report_subject = evaluation.subject_json()
    _check_same(options.out, report_subject, options.overwrite)
    table = _table(evaluation)
    parts = Parts(options, evaluation, report_subject, table)
    parts.measure([name for name in EVALUATION_PARTS if name in wanted and name in table])
    _tell_of_pictures(options.out, parts.figures, reporter)
    if subject.run is not None and options.part == "test" and parts.headlines:
        dropped = subject.run.write_measures(
            subject.sha256, evaluation.settings_key, options.part, parts.headlines
        )
        reporter.info(_card_message(subject.run.measures, list(parts.headlines), dropped))
    return EvaluateResult(parts.report(), options.out)


def _tell_of_pictures(out: Path, figures: Sequence[object], reporter: Reporter) -> None:
    """Says that the report shows patients, where it does: it may be passed on."""
    if figures:
        reporter.info(f"{out / REPORT_HTML} shows real images of the data set; --no-figures leaves them out")


def _table(evaluation: Evaluation) -> Mapping[str, MeasuredPart]:
    """The parts that there are for one label per image, or for sets of findings.

    Raises:
        UsageError: A part is asked for that needs one label per image.
    """
    if evaluation.real.schema.label.findings is None:
        return PARTS
    if others := [name for name in evaluation.options.metrics if name not in FINDING_PARTS]:
        raise UsageError(
            f"--metrics {others[0]}",
            "is for models with one label per image, not for sets of findings",
            f"one of: {', '.join(FINDING_PARTS)}",
        )
    options = evaluation.options
    given = {"--external": options.external, "--subgroup": options.subgroups, "--rule": options.rules}
    if unused := [name for name, value in given.items() if value]:
        raise UsageError(
            unused[0], "is for models with one label per image, not for sets of findings", "leave it out"
        )
    return FINDING_PARTS


def _card_message(file: Path, parts: Sequence[str], dropped: Sequence[str]) -> str:
    """Says which numbers the model's card gained and lost."""
    message = (
        f"the model's card, `drai info` and `push` now have {', '.join(parts)} from this evaluation ({file})"
    )
    if dropped:
        message += f"; {', '.join(dropped)} removed: measured on other data, or with another judge or seed"
    return message


def _check_out(out: Path, overwrite: bool) -> None:
    """Raises OverwriteError unless OUT is new, empty, or has a report."""
    if out.is_dir() and not overwrite and not (out / REPORT_JSON).exists() and not (out / MEASURED).is_dir():
        others = [path for path in out.iterdir() if not path.name.startswith(".")]
        if others:
            raise OverwriteError(out, f"the folder holds other files ({others[0].name})", ANOTHER_OUT)


def _check_same(out: Path, subject: Mapping[str, Any], overwrite: bool) -> None:
    """Raises OverwriteError if OUT has the report of another generator."""
    path = out / REPORT_JSON
    if overwrite or not path.exists():
        return
    try:
        before = read_json(path)["subject"]["sha256"]
    except (InputError, KeyError, TypeError):
        before = None
    if before != subject["sha256"]:
        raise OverwriteError(
            path, "the existing report is of another generator", "choose another --out, or --overwrite"
        )
