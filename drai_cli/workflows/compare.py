"""`drai compare`: trains several methods with several seeds, evaluates each, and writes one table.

Every method has the same data, split, budget and networks. Finished runs are not trained again and existing reports are
not measured again, so the same command resumes where it stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.errors import DraiError, InputError, UsageError, exit_code_of
from drai_cli.evaluation.comparison import compare_reports
from drai_cli.evaluation.parts import REPORT_JSON
from drai_cli.io.files import atomic_writer, check_inside, open_regular, remove_left_over
from drai_cli.io.locks import hold_folder
from drai_cli.progress import SILENT, Reporter
from drai_cli.report.comparison_html import comparison_html
from drai_cli.report.comparison_tables import to_csv, to_latex, to_markdown
from drai_cli.report.findings import Comparison, Figure
from drai_cli.settings.config import check_image_size
from drai_cli.settings.methods import METHODS
from drai_cli.settings.model_options import CompareOptions, EvaluateOptions, TrainRun
from drai_cli.settings.typed import check_ranges
from drai_cli.workflows.evaluate import evaluate
from drai_cli.workflows.train import preview_train, train

_MEASURED = ("fidelity", "disentanglement")


@dataclass(frozen=True)
class Job:
    """One run: a method and a seed."""

    method: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.method}-{self.seed}"


@dataclass(frozen=True)
class CompareResult:
    """The result of a comparison.

    Attributes:
        comparison: The table.
        out: The folder with comparison.md, .csv, .tex, .json and .html.
        stopped_by: The signal that stopped it before all runs were finished; empty where none did.
    """

    comparison: Comparison
    out: Path
    stopped_by: str

    def to_json(self) -> dict[str, Any]:
        finished = {"is_finished": not self.stopped_by}
        return {"out": str(self.out), **finished, **self.comparison.to_json()}


def compare(options: CompareOptions, reporter: Reporter = SILENT) -> CompareResult:
    """Trains and evaluates every method with every seed, and writes the table.

    Raises:
        InputError: The data cannot be used, or a training diverges.
        UsageError: An unknown method, no budget, or a run in OUT with other settings.
        OverwriteError: Another process writes to OUT.
    """
    methods = check_compare(options)
    # Seed by seed, so that at any time all methods can be compared.
    first = options.training.seed
    jobs = [Job(method, seed) for seed in range(first, first + options.seeds) for method in methods]
    with hold_folder(options.out, "drai compare"):
        for folder in ("tools", *(f"{kind}/{job.name}" for kind in ("runs", "reports") for job in jobs)):
            check_inside(options.out, options.out / folder)
        remove_left_over(options.out)
        stopped_by = _run_all(options, jobs, reporter)
        reports: dict[str, list[Path]] = {method: [] for method in methods}
        for job in jobs:
            reports[job.method].append(options.out / "reports" / job.name / REPORT_JSON)
        comparison = compare_reports(reports)
        _write(options, comparison, _figures(options, methods, jobs))
    return CompareResult(comparison, options.out, stopped_by)


def check_compare(options: CompareOptions) -> tuple[str, ...]:
    """Checks the options as `compare` does before its work; raises its UsageError.

    Returns:
        The names of the methods.
    """
    check_ranges(options)
    check_image_size(options.data.size)
    methods = tuple(METHODS) if "all" in options.methods else options.methods
    if unknown := [name for name in methods if name not in METHODS]:
        raise UsageError(
            f"--methods {unknown[0]}", "no such method", f"all, or some of: {', '.join(METHODS)}"
        )
    if options.training.kimg is None:
        raise UsageError("compare", "expected a length of training, the same for all methods", "add --kimg N")
    return methods


def preview_compare(options: CompareOptions, reporter: Reporter = SILENT) -> list[str]:
    """Checks the options, and with the first method the data and the run; raises what `compare` raises.

    Returns:
        How many runs there are and how long one of them takes, in sentences.
    """
    methods = check_compare(options)
    job = Job(methods[0], options.training.seed)
    plan: Sequence[str] = ()
    for device in options.devices or (None,):
        plan = preview_train(_training(options, job, device), reporter, tries=not plan).plan or plan
    runs = len(methods) * options.seeds
    at_once = min(runs, max(1, len(options.devices)))
    order = "one after the other" if at_once == 1 else f"{at_once} at once"
    return [
        f"{runs} runs ({len(methods)} methods, seeds: {options.seeds}), {order}",
        *(f"a run of {methods[0]}: {sentence}" for sentence in plan[:1]),
        "after each run an evaluation, which says how long it takes when it begins",
    ]


def run_job(options: CompareOptions, job: Job, device: str | None, reporter: Reporter) -> str:
    """Trains and evaluates one run; returns the signal that stopped it, empty for none."""
    trained = train(_training(options, job, device), reporter)
    if not trained.is_finished:
        return trained.stopped_by
    evaluate(_evaluation(options, job, device), reporter)
    return ""


def _training(options: CompareOptions, job: Job, device: str | None) -> TrainRun:
    # One split, and so one judge and one test part for all: what differs between runs is then the training alone.
    training, split_seed = options.training, options.training.split_seed
    split_seed = training.seed if split_seed is None else split_seed
    training = replace(training, method=job.method, seed=job.seed, split_seed=split_seed)
    out = options.out / "runs" / job.name
    return TrainRun(options.data, training, out, feature_network=options.feature_network, device=device)


def _evaluation(options: CompareOptions, job: Job, device: str | None) -> EvaluateOptions:
    return EvaluateOptions(
        options.data.path,
        str(options.out / "runs" / job.name),
        out=options.out / "reports" / job.name,
        metrics=_MEASURED,
        features=options.features,
        judge_images=options.judge_images,
        part=options.part,
        device=device,
    )


def _run_all(options: CompareOptions, jobs: Sequence[Job], reporter: Reporter) -> str:
    """Runs all jobs, on one device in this process, on several in parallel; returns the signal that stopped it."""
    devices = options.devices or (None,)
    if len(devices) == 1:
        for number, job in enumerate(jobs, 1):
            reporter.info(f"{job.name} ({number} of {len(jobs)})")
            if stopped_by := run_job(options, job, devices[0], reporter):
                return stopped_by
        return ""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    failures: list[str] = []
    running: set[SpawnProcess] = set()
    workers = [
        threading.Thread(target=_work, args=(options, waiting, device, failures, running, reporter))
        for device in devices
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except BaseException:  # a signal: no further job starts, and running ones save and end
        with suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        for process in tuple(running):
            process.terminate()
        for worker in workers:
            worker.join()
        raise
    if failures:
        raise InputError(
            "compare", f"{len(failures)} runs failed, first {failures[0]}", "see its messages above"
        )
    return ""


def _work(
    options: CompareOptions,
    waiting: queue.SimpleQueue[Job],
    device: str | None,
    failures: list[str],
    running: set[SpawnProcess],
    reporter: Reporter,
) -> None:
    """Runs waiting jobs one after another on this worker's device, each in its own process."""
    context = multiprocessing.get_context("spawn")
    while True:
        try:
            job = waiting.get_nowait()
        except queue.Empty:
            return
        reporter.info(f"{job.name} on {device}")
        process = context.Process(target=_run_alone, args=(options, job, device))
        process.start()
        running.add(process)
        process.join()
        running.discard(process)
        if process.exitcode and process.exitcode < 0:
            failures.append(f"{job.name} (ended by signal {-process.exitcode}: perhaps memory ran out)")
        elif process.exitcode:
            failures.append(job.name)


def _run_alone(options: CompareOptions, job: Job, device: str | None) -> None:
    """Runs a job as its own process; its errors go to stderr in one line, as in the command."""
    import sys

    try:
        stopped_by = run_job(options, job, device, SILENT)
    except DraiError as error:
        sys.stderr.write(f"drai: error: {job.name}: {error}\n")
        raise SystemExit(int(error.exit_code)) from None
    raise SystemExit(exit_code_of(stopped_by) if stopped_by else 0)


def _figures(options: CompareOptions, methods: Sequence[str], jobs: Sequence[Job]) -> list[Figure]:
    """The last grid of each method's first run: samples, reconstructions and swaps, side by side."""
    figures = []
    for method in methods:
        first = next(job for job in jobs if job.method == method)
        grids = sorted((options.out / "runs" / first.name / "grids").glob("*.png"))
        if grids and not grids[-1].is_symlink():  # the page would show another file
            caption = "Real images, reconstructions, swaps and samples of the last tick."
            with open_regular(grids[-1]) as file:
                figures.append(Figure("Samples, reconstructions and swaps", method, caption, file.read()))
    return figures


def _write(options: CompareOptions, comparison: Comparison, figures: Sequence[Figure]) -> None:
    settings = {
        "data": options.data.path.name, "image size": options.data.size,
        "images seen": f"{options.training.kimg:g} thousand", "seeds": options.seeds, "part": options.part,
    }  # fmt: skip
    texts: dict[str, Callable[[], str]] = {
        "comparison.md": lambda: to_markdown(comparison),
        "comparison.csv": lambda: to_csv(comparison),
        "comparison.tex": lambda: to_latex(comparison),
        "comparison.json": lambda: json.dumps(comparison.to_json(), indent=2) + "\n",
        "comparison.html": lambda: comparison_html(
            "Methods compared", comparison, figures, settings=settings, version=__version__
        ),
    }
    for name, text in texts.items():
        with atomic_writer(options.out / name) as file:
            file.write(text().encode())
