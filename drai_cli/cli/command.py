"""A command of the prompt: its options, the ones that every command has, and its place in `drai --help`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

from drai_cli.cli import options
from drai_cli.cli.output import Output
from drai_cli.cli.short_help import HELP_ALL, make_command_class
from drai_cli.cli.text import show_fields, show_table, to_plain

Settings = Mapping[str, Any]
Chosen = TypeVar("Chosen")
Result = TypeVar("Result")
Run = Callable[[Output, bool, Settings], None]
_COMMON = {
    "as_json": (options.Json, False), "config": (options.Config, None), "dry_run": (options.DryRun, False),
    "quiet": (options.Quiet, False), "verbose": (options.Verbose, False),
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        run: Called with the output, whether it is a dry run, and the options by name; its docstring is the help.
        names: Its name, and further ones that the help does not list.
        group: Its group in `drai --help`.
        parameters: Its own options and arguments.
        epilog: The end of its help.
        common: Options that `--help` shows, where there are many; empty: all. `--help-all` shows all.
    """

    run: Run
    names: Sequence[str]
    group: str
    parameters: Sequence[inspect.Parameter]
    epilog: str
    common: Sequence[str] = ()

    def register(self, app: typer.Typer) -> None:
        """Adds it to the program."""

        def callback(context: typer.Context, **given: Any) -> None:
            shown = {name: given.pop(name) for name in ("quiet", "verbose", "as_json")}
            output = options.open_output(context, **shown)
            given.pop("config", None)
            given.pop("help_all", None)
            self.run(output, given.pop("dry_run", False), given)

        context, _ = inspect.signature(callback, eval_str=True).parameters.values()
        signature = inspect.Signature(
            [
                context.replace(kind=inspect.Parameter.KEYWORD_ONLY),
                *([HELP_ALL] if self.common else []),
                *self.parameters,
            ]
        )
        callback.__signature__ = signature  # type: ignore[attr-defined]
        paragraphs = (self.run.__doc__ or "").split("\n\n")
        callback.__doc__ = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        for name in self.names:
            is_hidden = name != self.names[0]
            kind = make_command_class(self.common) if self.common else None
            app.command(name, cls=kind, hidden=is_hidden, rich_help_panel=self.group, epilog=self.epilog)(
                callback
            )


def command(
    *names: str,
    group: str,
    parameters: Sequence[inspect.Parameter],
    examples: Sequence[str],
    more: str = "",
    lacks: Sequence[str] = (),
    common: Sequence[str] = (),
) -> Callable[[Run], Command]:
    """Makes a command of a function.

    Args:
        names: Its name, and further ones that the help does not list.
        group: Its group in `drai --help`.
        parameters: Its own options and arguments.
        examples: Command lines that end its help.
        more: What follows them.
        lacks: Of the options that every command has, those that this one has not.
        common: See `Command`.

    Raises:
        TypeError: Two options have one name.
    """
    everywhere = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _COMMON.items()
        if name not in lacks
    ]
    all_names = [parameter.name for parameter in (*parameters, *everywhere)]
    if doubled := sorted({name for name in all_names if all_names.count(name) > 1}):
        raise TypeError(f"options given twice: {doubled}")
    return lambda run: Command(
        run, names, group, [*parameters, *everywhere], options.format_examples(*examples) + more, common
    )


def run_or_preview(
    output: Output,
    dry_run: bool,
    chosen: Chosen,
    check: Callable[[Chosen, Output], Any],
    run: Callable[[Chosen, Output], Result],
) -> Result:
    """Runs a workflow; a dry run makes the workflow's checks, prints the options and ends the command."""
    if not dry_run:
        return run(chosen, output)
    check(chosen, output)
    output.result({"dry_run": True, "options": to_plain(chosen)}, show_table(show_fields(chosen)))
    raise typer.Exit
