"""`drai interpolate`: walks between two images or labels, and grids."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.pictures import show_files
from drai_cli.errors import printable
from drai_cli.settings.image_options import InterpolateOptions


@command(
    "interpolate",
    group=options.GENERATE,
    parameters=[*make_options(InterpolateOptions, arguments={"images": "IMG"}), options.SHOW],
    examples=(
        "drai interpolate a.png b.png --along style --steps 8 --even",
        "drai interpolate --from-label nv --to-label mel --out walk.gif",
        "drai interpolate --grid a.png b.png c.png --style d.png --out grid.png",
    ),
)
def interpolate(output: Output, dry_run: bool, settings: Settings) -> None:
    """Interpolate between two images or labels, or make a grid of contents (columns) and styles (rows).

    The first and last frame are the model's reconstructions of the two images. Content is interpolated linearly, style
    spherically. OUT is a strip (.png), an animation (.gif, .mp4), or a folder of frames with metadata.csv.
    """
    chosen = InterpolateOptions(**collect_given(InterpolateOptions, settings))
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.interpolate import check_interpolate
        from drai_cli.workflows.interpolate import interpolate as run

    result = run_or_preview(output, dry_run, chosen, check_interpolate, run)
    written = (
        [result.out / name for name in (*result.images, "metadata.csv")] if result.images else [result.out]
    )
    output.result(result.to_json(), "\n".join(printable(str(path)) for path in written))
    if settings["show"]:
        show_files(output, [result.out / name for name in result.images] or [result.out])
