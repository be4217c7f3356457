"""A reporter that keeps what it is told."""

from __future__ import annotations

from drai_cli.progress import Reporter


class Recorder(Reporter):
    """Keeps warnings and messages, in order."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.messages: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def info(self, message: str) -> None:
        self.messages.append(message)
