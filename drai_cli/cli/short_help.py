"""`--help` of commands with many options: examples and the common ones. `--help-all` shows the rest too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import Parameter
from itertools import takewhile
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from drai_cli.cli.output import write_stdout

_ALWAYS = ("help", "help_all", "config", "dry_run", "quiet", "verbose", "as_json")


def make_command_class(common: Sequence[str]) -> type[TyperCommand]:
    """A class of commands whose `--help` shows the examples, then these parameters alone.

    Raises:
        TypeError: There is no such parameter; when a command is made.
    """

    class ShortCommand(TyperCommand):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            if unknown := set(common) - {parameter.name for parameter in self.params}:
                raise TypeError(f"no such parameters: {sorted(unknown)}")

        def format_help(self, ctx: Any, formatter: Any) -> None:
            shows_all = ctx.meta.get(HELP_ALL.name, False)
            with self._shortened(() if shows_all else (*common, *_ALWAYS)):
                super().format_help(ctx, formatter)

        @contextmanager
        def _shortened(self, shown: Sequence[str]) -> Iterator[None]:
            if not shown:
                yield
                return
            hidden = [p for p in self.params if p.name not in shown and not getattr(p, "hidden", True)]
            help, epilog = self.help or "", self.epilog or ""
            summary, _, rest = help.partition("\n\n")
            title, *lines = epilog.split("\n\n")
            examples = "\n\n".join([title, *takewhile(lambda line: line.startswith("  "), lines)])
            self.help = f"{summary}\n\n{examples}\n\n{rest}"
            self.epilog = f"{len(hidden)} further options: drai {self.name} --help-all"
            for parameter in hidden:
                parameter.hidden = True  # type: ignore[attr-defined]
            try:
                yield
            finally:
                self.help, self.epilog = help, epilog
                for parameter in hidden:
                    parameter.hidden = False  # type: ignore[attr-defined]

    return ShortCommand


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        context.meta[HELP_ALL.name] = True
        write_stdout(f"{context.get_help()}\n")
        raise typer.Exit


HELP_ALL = Parameter(
    "help_all",
    Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option("--help-all", is_eager=True, callback=_show_all, help="Show all options and exit."),
    ],
)
"""The option of commands with a short help."""
