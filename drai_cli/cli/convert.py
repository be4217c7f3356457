"""`drai convert`: any image that drai reads as any kind that it writes."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.errors import printable
from drai_cli.settings.image_options import ConvertOptions


@command(
    "convert",
    group=options.DATA,
    parameters=make_options(ConvertOptions, arguments={"source": "IN", "out": "OUT"}),
    examples=(
        "drai convert scan.dcm scan.nii.gz",
        "drai convert series/ slices/ --format png --window 40,400",
    ),
)
def convert(output: Output, dry_run: bool, settings: Settings) -> None:
    """Convert images to another file format; values, spacing and orientation are kept.

    A folder is written to one file as one series or, with --format, to a folder with one file per frame. Patient
    attributes are removed unless --keep-patient is given. A synthetic image keeps its mark as synthetic.
    """
    chosen = ConvertOptions(**collect_given(ConvertOptions, settings))
    from drai_cli.workflows.convert import check_convert
    from drai_cli.workflows.convert import convert as run

    result = run_or_preview(output, dry_run, chosen, check_convert, run)
    output.result(result.to_json(), "\n".join(printable(name) for name in result.files))
