"""`drai convert`: any image that drai reads as any kind that it writes."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, preview_options
from drai_cli.cli.fields import field_options, given_fields
from drai_cli.cli.output import Output
from drai_cli.errors import printable
from drai_cli.settings.image_options import ConvertOptions


@command(
    "convert",
    group=options.DATA,
    parameters=field_options(
        ConvertOptions,
        {
            options.INPUT: ("window",),
            options.OUTPUT: ("format", "keep_patient", "compression", "overwrite"),
        },
        arguments={"source": "IN", "out": "OUT"},
    ),
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
    chosen = ConvertOptions(**given_fields(ConvertOptions, settings))
    from drai_cli.workflows.convert import check_convert
    from drai_cli.workflows.convert import convert as run

    if dry_run:
        check_convert(chosen)
        preview_options(output, chosen)
        return
    result = run(chosen, output)
    output.result(result.to_json(), "\n".join(printable(name) for name in result.files))
