"""`drai export`: a model for other programs."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.text import show_table
from drai_cli.settings.model_options import ExportOptions


@command(
    "export",
    group=options.SHARE,
    parameters=make_options(ExportOptions),
    examples=(
        "drai export --to onnx --out lesions.onnx",
        "drai sample --runtime onnx --weights lesions.onnx --label melanoma -n 8 --out few/",
        "drai export --weights runs/lesions --to hub-folder --out carried/",
    ),
)
def export(output: Output, dry_run: bool, settings: Settings) -> None:
    """Write a model for other programs. A file is kept only if its outputs match the model's.

    ONNX files hold labels, aliases, intensity convention and provenance in their metadata and need only an ONNX
    runtime. A .pt2 file is for PyTorch programs: loading it can run code, so load only files that you wrote yourself.
    """
    chosen = ExportOptions(**collect_given(ExportOptions, settings))
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.export import check_export
        from drai_cli.workflows.export import export as run

    result = run_or_preview(output, dry_run, chosen, check_export, run)
    compared = [
        (name, f"{difference.largest:.2g}", f"{difference.mean:.2g}")
        for name, difference in result.files.items()
        if difference is not None
    ]
    table = show_table(compared, ("file", "largest difference", "mean"))
    output.result(result.to_json(), table if compared else "\n".join(result.files))
