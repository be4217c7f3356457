"""`drai encode`: the codes of real images."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.settings.image_options import EncodeOptions


@command(
    "encode",
    group=options.GENERATE,
    parameters=make_options(EncodeOptions, arguments={"images": "IMG"}),
    examples=(
        "drai encode a.png b.png --out codes.npz",
        "drai encode scans/ --weights runs/lesions --out codes.npz",
    ),
)
def encode(output: Output, dry_run: bool, settings: Settings) -> None:
    """Infer the content and style codes of images and write them to an .npz file."""
    chosen = EncodeOptions(**collect_given(EncodeOptions, settings))
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.encode import check_encode
        from drai_cli.workflows.encode import encode as run

    result = run_or_preview(output, dry_run, chosen, check_encode, run)
    output.result(result.to_json(), str(result.out))
