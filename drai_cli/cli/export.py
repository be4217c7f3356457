"""`drai export`: a model for other programs."""

from __future__ import annotations

from typing import Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.cli.text import show_table
from drai_cli.settings.model_options import ExportOptions

FLAGS = {"out": "-o --out"}
PARAMETERS = field_options(
    ExportOptions,
    {options.OUTPUT: ("to", "out", "name", "overwrite"), options.MODEL: ("weights",)},
    flags=FLAGS,
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "export",
        rich_help_panel=options.SHARE,
        epilog=options.examples(
            "drai export --to onnx --out lesions.onnx",
            "drai sample --runtime onnx --weights lesions.onnx --label melanoma -n 8 --out few/",
            "drai export --weights runs/lesions --to hub-folder --out carried/",
        ),
    )(export)


@with_options(PARAMETERS)
def export(
    context: typer.Context,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Write a model for other programs; each file is compared with the model first, and kept only if it agrees.

    ONNX files carry labels, aliases, intensity convention and provenance in their metadata, and need nothing but an
    ONNX runtime. A .pt2 is for PyTorch programs: loading one can run code, so only load those that you wrote.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = ExportOptions(**given_fields(ExportOptions, settings, flags=FLAGS))
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.export import export as run

    result = run(chosen, output)
    compared = [
        (name, f"{found.largest:.2g}", f"{found.mean:.2g}")
        for name, found in result.files.items()
        if found is not None
    ]
    table = show_table(compared, ("file", "largest difference", "mean"))
    output.result(result.to_json(), table if compared else "\n".join(result.files))
