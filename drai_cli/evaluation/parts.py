"""The parts of one report: measured or taken from what is stored, and written as they end."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from drai_cli import __version__
from drai_cli.errors import InputError
from drai_cli.evaluation.clock import Clock, show_clock
from drai_cli.evaluation.conditions import CONDITIONS
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.disentanglement import DISENTANGLEMENT
from drai_cli.evaluation.estimates import estimate_seconds
from drai_cli.evaluation.fidelity import FIDELITY
from drai_cli.evaluation.measured import MeasuredPart
from drai_cli.evaluation.privacy import PRIVACY
from drai_cli.evaluation.quick import ADD, LEFT_OUT
from drai_cli.evaluation.scorecard import smd_card
from drai_cli.evaluation.usefulness import USEFULNESS
from drai_cli.io.files import BROKEN, atomic_writer, read_json
from drai_cli.metrics.threads import faster_threads
from drai_cli.output.folder import make_folder
from drai_cli.report.evaluation_html import report_html
from drai_cli.report.findings import Figure, Part, Report
from drai_cli.settings.model_options import EVALUATION_PARTS, EvaluateOptions

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
MEASURED = "measured"
_TRIAL_EVERY_S = 60.0  # of the number of threads: it costs half a second, and other processes come and go
_SETTINGS = "measured_with"  # beside the numbers of a part
ANOTHER_OUT = "choose another --out"
PARTS: dict[str, MeasuredPart] = dict(
    zip(EVALUATION_PARTS, (FIDELITY, DISENTANGLEMENT, CONDITIONS, USEFULNESS, PRIVACY), strict=True)
)


class Parts:
    """The parts of one report: each is measured or taken from what is stored, and the page is written after each.

    Args:
        options: Those of the command.
        evaluation: What is evaluated, on which images.
        subject: The same as plain data.
        table: How each part is made; those that are not in it cannot be asked for.
    """

    def __init__(
        self,
        options: EvaluateOptions,
        evaluation: Evaluation,
        subject: Mapping[str, Any],
        table: Mapping[str, MeasuredPart] = PARTS,
    ) -> None:
        self.options, self.evaluation, self.subject = options, evaluation, subject
        self.table = table
        self.done: dict[str, Part] = {}
        self.headlines: dict[str, Any] = {}
        self.figures: list[Figure] = []
        self.tried_threads_at = time.monotonic()  # before the real images were read

    def measure(self, wanted: Sequence[str]) -> None:
        """Measures the wanted parts, and keeps those that an earlier evaluation has stored in the same folder."""
        evaluation, reporter = self.evaluation, self.evaluation.reporter
        if not self.options.metrics:
            wanted = [name for name in wanted if not self.table[name].is_left_out(evaluation)]
        left_out = LEFT_OUT if self.options.quick and not self.options.metrics else ()
        wanted, asked = [name for name in wanted if name not in left_out], wanted
        self._keep_others(wanted)
        for name in asked:
            if name not in wanted and name not in self.done:
                self.done[name] = Part(
                    self.table[name].key_of(name), self.table[name].title, not_measured=(ADD,)
                )
        stages = [
            name
            for name in wanted
            if not self.table[name].refuse(evaluation) and self._stored(name, self.table[name]) is None
        ]
        if not stages:
            return self._measure_all(wanted, stages, Clock({}))
        with reporter.stage("estimating how long the report takes", None, ""):
            clock = Clock(estimate_seconds(evaluation, stages))
        reporter.info(f"this report takes about {_about(clock.left_s())}")
        with show_clock(clock, reporter):
            self._measure_all(wanted, stages, clock)

    def _measure_all(self, wanted: Sequence[str], stages: Collection[str], clock: Clock) -> None:
        evaluation, reporter = self.evaluation, self.evaluation.reporter
        for number, name in enumerate(wanted, 1):
            measured = self.table[name]
            if reason := measured.refuse(evaluation):
                reporter.warn(f"{name} is not measured: {reason}")
                self.done[name] = Part(measured.key_of(name), measured.title, not_measured=(reason,))
                continue
            clock.start(name)
            if name in stages:
                self._choose_threads()
            left = f", about {_about(clock.left_s())} left in all" if name in stages else ""
            reporter.info(f"measuring {name} ({number} of {len(wanted)}{left})")
            self._take(name, measured, self._numbers(name, measured))
            clock.end()
            self.write([each for each in wanted if each not in self.done])
        evaluation.features.save()
        self.write()

    def _choose_threads(self) -> None:
        """Tries again how many threads are faster, if the last trial is long ago."""
        now = time.monotonic()
        if self.evaluation.device.type == "cpu" and now - self.tried_threads_at >= _TRIAL_EVERY_S:
            torch.set_num_threads(faster_threads())
            self.tried_threads_at = now

    def _keep_others(self, wanted: Sequence[str]) -> None:
        """Keeps stored parts that are not asked for now; says which of the existing report's parts are lost."""
        evaluation = self.evaluation
        for name in EVALUATION_PARTS:
            if name in wanted or name not in self.table or self.table[name].refuse(evaluation):
                continue
            numbers = self._stored(name, self.table[name])
            if numbers is not None:
                self._take(name, self.table[name], numbers)
            elif self.table[name].key_of(name) in _parts_before(self.options.out):
                evaluation.reporter.warn(
                    f"{name} of the existing report was measured with other settings and is left out: "
                    "add it to --metrics, or choose another --out"
                )

    def _take(self, name: str, measured: MeasuredPart, numbers: Mapping[str, Any]) -> None:
        evaluation = self.evaluation
        part = measured.describe(evaluation, numbers)
        part = replace(part, settings=numbers[_SETTINGS])
        self.done[name] = part
        self.headlines[name] = {"measured_with": dict(part.settings), **headline(part)}
        if self.options.figures:
            self.figures += measured.draw(evaluation, numbers)

    def _stored(self, name: str, part: MeasuredPart) -> Mapping[str, Any] | None:
        """A part's numbers as an earlier evaluation stored them, if they can be described; None without any."""
        for key in self.evaluation.keys(name, part.depends_on):
            path = self._path(name, key)
            if not path.exists():
                continue
            try:
                numbers: Mapping[str, Any] = read_json(path)
                part.describe(
                    self.evaluation, {**numbers, _SETTINGS: dict(numbers[_SETTINGS])}
                ).check_numbers()
                return numbers
            except (InputError, *BROKEN):
                self.evaluation.reporter.warn(
                    f"the stored numbers of {name} are damaged: it is measured again"
                )
                path.unlink(missing_ok=True)
        return None

    def _numbers(self, name: str, part: MeasuredPart) -> Mapping[str, Any]:
        """A part's numbers, stored by an earlier evaluation or measured now."""
        stored = self._stored(name, part)
        if stored is not None:
            return stored
        path = self._path(name, self.evaluation.keys(name, part.depends_on)[0])
        # Fresh numbers go through JSON too, so that they cannot differ from stored ones.
        measured = part.measure(self.evaluation)
        settings = self.evaluation.measured_with(part.depends_on, measured)
        text = json.dumps({**measured, _SETTINGS: settings})
        make_folder(path.parent, ANOTHER_OUT, inside=self.options.out)
        with atomic_writer(path) as file:
            file.write(text.encode())
        numbers: Mapping[str, Any] = json.loads(text)
        return numbers

    def _path(self, name: str, key: str) -> Path:
        return self.options.out / MEASURED / f"{name}-{key[:16]}.json"

    def report(self, pending: Sequence[str] = ()) -> Report:
        """The report of the parts that are done; `pending` ones are named as being measured."""
        waiting = {
            name: Part(self.table[name].key_of(name), self.table[name].title, is_pending=True)
            for name in pending
        }
        parts = {**self.done, **waiting}
        evaluation = self.evaluation
        return Report(
            self.subject,
            evaluation.data_json(),
            evaluation.settings_json(
                any(part.measures and part.key != "usefulness" for part in self.done.values())
            ),
            tuple(parts[name] for name in EVALUATION_PARTS if name in parts),
            __version__,
            cautions=evaluation.real.cautions,
            date=self.options.report_date or "",
            card=smd_card(evaluation, self.done) if self.options.card == "smd" else (),
        )

    def write(self, pending: Sequence[str] = ()) -> None:
        """Writes report.json and report.html."""
        write_report(self.options.out, self.report(pending), self.figures)


def write_report(out: Path, report: Report, figures: Sequence[Figure]) -> None:
    """Writes report.json and report.html."""
    make_folder(out, ANOTHER_OUT)
    for name, text in (
        (REPORT_JSON, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"),
        (REPORT_HTML, report_html(report, figures)),
    ):
        with atomic_writer(out / name) as file:
            file.write(text.encode("utf-8", "surrogateescape"))


def _about(seconds: float) -> str:
    """A time to wait in words, as exact as it can be known."""
    return f"{max(1, round(seconds / 60))} min" if seconds >= 90 else f"{max(5, round(seconds / 5) * 5)} s"


def _parts_before(out: Path) -> Collection[str]:
    """Parts that the existing report has measures of."""
    try:
        parts = read_json(out / REPORT_JSON)["parts"]
        return [name for name, part in parts.items() if part["measures"]]
    except (InputError, *BROKEN):
        return ()


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
