"""What may take seconds on a large set or a busy machine is done while a stage says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drai_cli.data import name_groups, prepared, sources
from drai_cli.data.overview import describe_set
from drai_cli.evaluation import parts, subject
from drai_cli.progress import Reporter, Task
from drai_cli.settings.data_options import SourceOptions
from drai_cli.settings.model_options import EvaluateOptions
from drai_cli.workflows.evaluate import evaluate


class Watched(Reporter):
    """Knows how many tasks are open; names the watched functions that were called while none was."""

    def __init__(self) -> None:
        self.open, self.called, self.silent = 0, set[str](), set[str]()

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Task]:
        self.open += 1
        yield Task()
        self.open -= 1

    task = stage

    def watch(self, patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        """Watches the calls of a function."""
        function = getattr(module, name)

        def call(*args: Any, **more: Any) -> Any:
            self.called.add(name)
            if not self.open:
                self.silent.add(name)
            return function(*args, **more)

        patch.setattr(module, name, call)


LISTING = ((sources, "walk"), (sources, "_find_in_tree"), (name_groups, "find_likely_groups"))


class MeasuringBeginsError(Exception):
    """Ends an evaluation before its first part."""


def test_an_evaluation_says_what_it_does_before_its_first_part(
    lesions: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_: object) -> None:
        raise MeasuringBeginsError

    monkeypatch.setattr(parts.Parts, "_measure_all", begin)
    watched = Watched()
    before = ((prepared, "choose_parts"), (subject, "load_model"), (parts, "estimate_seconds"))
    for module, name in (*LISTING[:2], *before):
        watched.watch(monkeypatch, module, name)
    with pytest.raises(MeasuringBeginsError):
        evaluate(EvaluateOptions(lesions, str(run), out=tmp_path / "report"), watched)
    assert watched.called == {name for _, name in (*LISTING[:2], *before)}
    assert not watched.silent


def test_inspect_says_what_it_does_before_it_decodes(lesions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    for module, name in LISTING[:2]:
        watched.watch(monkeypatch, module, name)
    describe_set(lesions, SourceOptions(), watched)
    assert len(watched.called) == 2
    assert not watched.silent
