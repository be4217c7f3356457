"""One criterion of a scorecard, as data. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One criterion of a scorecard for synthetic medical data.

    Attributes:
        name: Of the criterion.
        meaning: What it asks for.
        answers: Numbers and facts that answer it, one a sentence.
        not_measured: What of it was not measured, and how it would be.
    """

    name: str
    meaning: str
    answers: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
