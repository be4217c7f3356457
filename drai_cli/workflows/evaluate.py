"""`drai evaluate`: fidelity, disentanglement, usefulness and privacy of a model or a folder, in one report.

Each part is measured once for the same images, generator and settings, and its numbers are stored; the report is made
from what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from drai_cli import __version__
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.data_settings import data_options
from drai_cli.evaluation.disentanglement import DISENTANGLEMENT
from drai_cli.evaluation.extractors.chosen import check_independent, load_extractor
from drai_cli.evaluation.fidelity import FIDELITY
from drai_cli.evaluation.instruments import Instruments
from drai_cli.evaluation.measured import MeasuredPart
from drai_cli.evaluation.privacy import PRIVACY
from drai_cli.evaluation.real import NO_TRAINING_DATA, evaluation_set
from drai_cli.evaluation.subject import Subject, find_subject
from drai_cli.evaluation.synthetic import own_size, with_images
from drai_cli.evaluation.usefulness import USEFULNESS
from drai_cli.inference.torch_model import choose_device
from drai_cli.io.files import BROKEN, atomic_writer, check_inside, read_json, remove_left_over
from drai_cli.io.locks import hold_folder
from drai_cli.metrics.samples import Extractor
from drai_cli.metrics.threads import faster_threads
from drai_cli.output.folder import make_folder
from drai_cli.progress import SILENT, Reporter
from drai_cli.report.evaluation_html import report_html
from drai_cli.report.findings import Figure, Part, Report
from drai_cli.settings.model_options import EVALUATION_PARTS, EvaluateOptions
from drai_cli.settings.typed import check_ranges

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
_MEASURED = "measured"
_ANOTHER_OUT = "choose another --out"
_PARTS: dict[str, MeasuredPart] = dict(
    zip(EVALUATION_PARTS, (FIDELITY, DISENTANGLEMENT, USEFULNESS, PRIVACY), strict=True)
)


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
    with hold_folder(options.out, "drai evaluate"):
        remove_left_over(options.out)
        remove_left_over(options.out / _MEASURED)
        return _evaluate(options, wanted, reporter)


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
    _check_out(options.out, options.overwrite)
    return wanted


def preview_evaluate(options: EvaluateOptions, reporter: Reporter = SILENT) -> None:
    """Checks options, OUT, model and data, without decoding an image; raises what `evaluate` raises."""
    check_evaluate(options)
    subject = find_subject(options, choose_device(options.device), reporter)
    if options.synthetic is not None and options.size is None:
        options = replace(options, size=own_size(options.synthetic))
    data_options(options, subject, reporter)


def _evaluate(options: EvaluateOptions, wanted: Sequence[str], reporter: Reporter) -> EvaluateResult:
    """Measures into a folder that this process has locked."""
    check_inside(options.out, options.out / _MEASURED)
    device = choose_device(options.device)
    reporter.info(f"device: {device}")
    if device.type == "cpu":
        torch.set_num_threads(faster_threads())
    subject = find_subject(options, device, reporter)
    if options.synthetic is not None and options.size is None:
        options = replace(options, size=own_size(options.synthetic))
        reporter.info(f"compared at {options.size} px, the synthetic images' size; change it with --size")
    real = evaluation_set(options, subject, reporter)
    if not real.is_training_known:
        reporter.warn(f"the evaluated images may have been trained on: {NO_TRAINING_DATA}")
    for label in options.small_labels:
        real.schema.label.resolve(label)  # an unknown label is an error now, not after an hour
    if options.synthetic is not None:
        subject = with_images(subject, options.synthetic, real, reporter)
    instruments = Instruments(
        real,
        options.tools or options.out / _MEASURED,
        options.judge_images,
        options.seed,
        device,
        reporter,
        () if options.tools is None else (options.tools / _MEASURED, options.out / _MEASURED),
    )
    evaluation = Evaluation(
        options, real, subject, instruments, _features(options, subject, instruments), device, reporter
    )
    report_subject = evaluation.subject_json()
    _check_same(options.out, report_subject, options.overwrite)
    parts: list[Part] = []
    headlines: dict[str, Any] = {}
    figures: list[Figure] = []
    chosen = [name for name in EVALUATION_PARTS if name in wanted]
    for name in chosen:
        measured = _PARTS[name]
        if reason := measured.refuse(evaluation):
            reporter.warn(f"{name} is not measured: {reason}")
            parts.append(Part(name, measured.title, not_measured=(reason,)))
            continue
        reporter.info(f"measuring {name} ({chosen.index(name) + 1} of {len(chosen)})")
        numbers, part = _measure_part(options.out, name, measured, evaluation)
        parts.append(part)
        headlines[name] = {
            "measured_with": evaluation.measured_with(measured.depends_on, numbers),
            **headline(part),
        }
        if options.figures:
            figures += measured.draw(evaluation, numbers)
    report = Report(
        report_subject,
        evaluation.data_json(),
        evaluation.settings_json(any(part.measures and part.key != "usefulness" for part in parts)),
        tuple(parts),
        __version__,
        cautions=real.cautions,
    )
    _write(options.out, report, figures)
    _tell_of_pictures(options.out, figures, reporter)
    if subject.run is not None and options.part == "test" and headlines:
        dropped = subject.run.write_measures(subject.sha256, evaluation.settings_key, options.part, headlines)
        reporter.info(_card_message(subject.run.measures, list(headlines), dropped))
    return EvaluateResult(report, options.out)


def headline(part: Part) -> dict[str, Any]:
    """What a model card quotes from a part: the headline numbers and their baselines by name, and cautions.

    Numbers that are not informative are left out; the cautions say why.
    """
    numbers: dict[str, float] = {}
    for measure in part.measures:
        if measure.is_headline and not measure.doubt:
            name = " ".join(word for word in (measure.name, measure.label, measure.variant) if word)
            numbers[name] = round(measure.value, 4)
            if measure.baseline is not None:
                numbers[f"{name}, {measure.baseline.what}"] = round(measure.baseline.value, 4)
    return {"numbers": numbers, **({"cautions": list(part.doubts)} if part.doubts else {})}


def _card_message(file: Path, parts: Sequence[str], dropped: Sequence[str]) -> str:
    """Says which numbers the model's card gained and lost."""
    message = (
        f"the model's card, `drai info` and `push` now have {', '.join(parts)} from this evaluation ({file})"
    )
    if dropped:
        message += f"; {', '.join(dropped)} removed: measured on other data, or with another judge or seed"
    return message


def _features(
    options: EvaluateOptions, subject: Subject, instruments: Instruments
) -> Callable[[], Extractor]:
    """Returns the extractor: a file is loaded and checked now, the judge is trained at its first use."""
    if options.features is None:
        return lambda: instruments.judge
    extractor = load_extractor(options.features, None, instruments.device)
    assert extractor is not None
    if subject.model is not None:
        check_independent(extractor, options.features, subject.model.header)
    return lambda: extractor


def _check_out(out: Path, overwrite: bool) -> None:
    """Raises OverwriteError unless OUT is new, empty, or has a report."""
    if out.is_dir() and not overwrite and not (out / REPORT_JSON).exists() and not (out / _MEASURED).is_dir():
        others = [path for path in out.iterdir() if not path.name.startswith(".")]
        if others:
            raise OverwriteError(out, f"the folder holds other files ({others[0].name})", _ANOTHER_OUT)


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


def _measure_part(
    out: Path, name: str, part: MeasuredPart, evaluation: Evaluation
) -> tuple[Mapping[str, Any], Part]:
    """A part's numbers, stored by an earlier evaluation or measured now, and the report's part made from them."""
    path = out / _MEASURED / f"{name}-{evaluation.key(name, part.depends_on)[:16]}.json"
    if path.exists():
        try:
            numbers = read_json(path)
            described = part.describe(evaluation, numbers)
            described.check_numbers()
            return numbers, described
        except (InputError, *BROKEN):
            evaluation.reporter.warn(f"the stored numbers of {name} are damaged: it is measured again")
    # Fresh numbers go through JSON too, so that they cannot differ from stored ones.
    text = json.dumps(part.measure(evaluation))
    make_folder(path.parent, _ANOTHER_OUT, inside=out)
    with atomic_writer(path) as file:
        file.write(text.encode())
    numbers = json.loads(text)
    return numbers, part.describe(evaluation, numbers)


def _tell_of_pictures(out: Path, figures: Sequence[object], reporter: Reporter) -> None:
    """Says that the report shows patients, where it does: it may be passed on."""
    if figures:
        reporter.info(f"{out / REPORT_HTML} shows real images of the data set; --no-figures leaves them out")


def _write(out: Path, report: Report, figures: list[Figure]) -> None:
    make_folder(out, _ANOTHER_OUT)
    for name, text in (
        (REPORT_JSON, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"),
        (REPORT_HTML, report_html(report, figures)),
    ):
        with atomic_writer(out / name) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
