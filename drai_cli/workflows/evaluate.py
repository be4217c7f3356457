"""`drai evaluate`: fidelity, disentanglement, usefulness and privacy of a model or a folder, in one report.

Each part is measured once for the same images, generator and settings, and kept; the report is made of what is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.data_options import data_options
from drai_cli.evaluation.disentanglement import DISENTANGLEMENT
from drai_cli.evaluation.extractors.chosen import load_extractor
from drai_cli.evaluation.fidelity import FIDELITY
from drai_cli.evaluation.instruments import Instruments
from drai_cli.evaluation.measured import MeasuredPart
from drai_cli.evaluation.privacy import PRIVACY
from drai_cli.evaluation.real import NO_TRAINING_DATA, evaluation_set
from drai_cli.evaluation.subject import find_subject
from drai_cli.evaluation.synthetic import own_size, with_images
from drai_cli.evaluation.usefulness import USEFULNESS
from drai_cli.inference.torch_model import choose_device
from drai_cli.io.files import BROKEN, atomic_writer, read_json, remove_left_over
from drai_cli.io.locks import alone_in
from drai_cli.metrics.samples import Extractor
from drai_cli.progress import SILENT, Reporter
from drai_cli.report.evaluation_html import report_html
from drai_cli.report.findings import Figure, Part, Report
from drai_cli.settings.model_options import EVALUATION_PARTS, EvaluateOptions
from drai_cli.settings.typed import check_ranges

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
_KEPT = "measured"
_PARTS: dict[str, MeasuredPart] = dict(
    zip(EVALUATION_PARTS, (FIDELITY, DISENTANGLEMENT, USEFULNESS, PRIVACY), strict=True)
)


@dataclass(frozen=True)
class EvaluateResult:
    """What was found.

    Attributes:
        report: The report.
        out: Folder that it was written to.
    """

    report: Report
    out: Path

    def to_json(self) -> dict[str, Any]:
        return {"out": str(self.out), **self.report.to_json()}


def evaluate(options: EvaluateOptions, reporter: Reporter = SILENT) -> EvaluateResult:
    """Measures what is asked for and writes the report.

    Raises:
        InputError: The data or the synthetic images cannot be used, or images to look at were trained on.
        WeightsError, NetworkError: No such model, or it cannot be used.
        UsageError: Options that contradict each other.
        OverwriteError: OUT holds something else, or another process writes to it.
    """
    wanted = check_evaluate(options)
    with alone_in(options.out, "drai evaluate"):
        remove_left_over(options.out)
        remove_left_over(options.out / _KEPT)
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
            "it is for usefulness alone: all else is measured with a judge that validation images choose",
            "add --metrics usefulness, or look at test",
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
    """Measures into a folder that is this process's alone."""
    device = choose_device(options.device)
    reporter.info(f"device: {device}")
    subject = find_subject(options, device, reporter)
    if options.synthetic is not None and options.size is None:
        options = replace(options, size=own_size(options.synthetic))
        reporter.info(f"compared at {options.size} px, the synthetic images' size; --size takes another")
    real = evaluation_set(options, subject, reporter)
    if not real.is_training_known:
        reporter.warn(f"the images that are looked at may have been trained on: {NO_TRAINING_DATA}")
    for label in options.small_labels:
        real.schema.label.resolve(label)  # one that there is not stops here, not after an hour
    if options.synthetic is not None:
        subject = with_images(subject, options.synthetic, real, reporter)
    instruments = Instruments(
        real,
        options.tools or options.out / _KEPT,
        options.judge_images,
        options.seed,
        device,
        reporter,
        () if options.tools is None else (options.tools / _KEPT, options.out / _KEPT),
    )
    evaluation = Evaluation(
        options, real, subject, instruments, _features(options, instruments), device, reporter
    )
    report_subject = evaluation.subject_json()
    _check_same(options.out, report_subject, options.overwrite)
    parts: list[Part] = []
    headlines: dict[str, Any] = {}
    pictures: list[Figure] = []
    chosen = [name for name in EVALUATION_PARTS if name in wanted]
    for name in chosen:
        measured = _PARTS[name]
        if reason := measured.refuse(evaluation):
            reporter.warn(f"{name} is not measured: {reason}")
            parts.append(Part(name, measured.title, not_measured=(reason,)))
            continue
        reporter.info(f"measuring {name} ({chosen.index(name) + 1} of {len(chosen)})")
        found, part = _described(options.out, name, measured, evaluation)
        parts.append(part)
        headlines[name] = {
            "measured_with": evaluation.measured_with(measured.depends_on, found),
            **headline(part),
        }
        if options.figures:
            pictures += measured.draw(evaluation, found)
    report = Report(
        report_subject,
        evaluation.data_json(),
        evaluation.settings_json(any(part.measures and part.key != "usefulness" for part in parts)),
        tuple(parts),
        __version__,
        cautions=real.cautions,
    )
    _write(options.out, report, pictures)
    if subject.run is not None and options.part == "test" and headlines:
        gone = subject.run.write_measures(subject.sha256, evaluation.settings_key, options.part, headlines)
        reporter.info(_said_of_card(subject.run.measures, list(headlines), gone))
    return EvaluateResult(report, options.out)


def headline(part: Part) -> dict[str, Any]:
    """What a model card quotes of a part: numbers of the summary and what they stand beside, by name, and cautions.

    Numbers that say nothing are left to the report; the cautions say why.
    """
    numbers: dict[str, float] = {}
    for measure in part.measures:
        if measure.is_headline and not measure.doubt:
            name = " ".join(word for word in (measure.name, measure.label, measure.variant) if word)
            numbers[name] = round(measure.value, 4)
            if measure.baseline is not None:
                numbers[f"{name}, {measure.baseline.what}"] = round(measure.baseline.value, 4)
    return {"numbers": numbers, **({"cautions": list(part.doubts)} if part.doubts else {})}


def _said_of_card(file: Path, parts: Sequence[str], gone: Sequence[str]) -> str:
    """What became of the numbers that stand in the model's card."""
    said = (
        f"the model's card, `drai info` and `push` now have {', '.join(parts)} from this evaluation ({file})"
    )
    if gone:
        said += f"; {', '.join(gone)} went, measured on other data or with another judge or seed"
    return said


def _features(options: EvaluateOptions, instruments: Instruments) -> Callable[[], Extractor]:
    """The extractor, loaded or trained when it is first asked for; a file that is none is refused at once."""
    if options.features is None:
        return lambda: instruments.judge
    extractor = load_extractor(options.features, None, instruments.device)
    assert extractor is not None
    return lambda: extractor


def _check_out(out: Path, overwrite: bool) -> None:
    """Whether a report may be written to OUT: new, empty, or one that holds a report."""
    if out.is_dir() and not overwrite and not (out / REPORT_JSON).exists() and not (out / _KEPT).is_dir():
        others = [path for path in out.iterdir() if not path.name.startswith(".")]
        if others:
            raise OverwriteError(
                out, f"the folder holds other files ({others[0].name})", "choose another --out"
            )


def _check_same(out: Path, subject: Mapping[str, Any], overwrite: bool) -> None:
    """Whether the report that is there is one of the same generator."""
    path = out / REPORT_JSON
    if overwrite or not path.exists():
        return
    try:
        before = read_json(path)["subject"]["sha256"]
    except (InputError, KeyError, TypeError):
        before = None
    if before != subject["sha256"]:
        raise OverwriteError(
            path, "the report there is of another generator", "choose another --out, or --overwrite"
        )


def _described(
    out: Path, name: str, part: MeasuredPart, evaluation: Evaluation
) -> tuple[Mapping[str, Any], Part]:
    """A part measured before on the same things, or now, and as the report has it."""
    path = out / _KEPT / f"{name}-{evaluation.key(name, part.depends_on)[:16]}.json"
    if path.exists():
        try:
            found = read_json(path)
            described = part.describe(evaluation, found)
            described.check_numbers()
            return found, described
        except (InputError, *BROKEN):
            evaluation.reporter.warn(f"what is kept of {name} is damaged: it is measured again")
    # Through JSON either way, so that what is kept and what is fresh cannot differ.
    text = json.dumps(part.measure(evaluation))
    _make(path.parent)
    with atomic_writer(path) as file:
        file.write(text.encode())
    found = json.loads(text)
    return found, part.describe(evaluation, found)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(folder, f"cannot be made ({reason})", "choose another --out") from error


def _write(out: Path, report: Report, pictures: list[Figure]) -> None:
    _make(out)
    for name, text in (
        (REPORT_JSON, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"),
        (REPORT_HTML, report_html(report, pictures)),
    ):
        with atomic_writer(out / name) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
