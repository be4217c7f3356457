"""`drai swap-style`, also `drai style-transfer`: the content of one image in the style of another."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.pictures import show_files, shows_pixels
from drai_cli.errors import printable
from drai_cli.settings.image_options import SwapOptions


@command(
    "swap-style",
    "style-transfer",
    group=options.GENERATE,
    parameters=[
        *make_options(
            SwapOptions, panels={options.OUTPUT: ("size",)}, arguments={"content": "A", "style": "B"}
        ),
        options.SHOW,
    ],
    examples=(
        "drai swap-style a.png b.png",
        "drai swap-style --pairs pairs.csv --weights runs/lesions --out swaps/",
        "drai swap-style a.png a.png --weights runs/chest --to-label Effusion --without Mass",
        "drai style-transfer a.png b.png",
    ),
)
def swap_style(output: Output, dry_run: bool, settings: Settings) -> None:
    """Swap the styles of two images: a's content in b's style and the reverse (alias: style-transfer).

    OUT holds both images and figure.png, a labelled figure of all four. With --pairs (columns content, style), OUT
    holds one image per row and metadata.csv.
    """
    chosen = SwapOptions(**collect_given(SwapOptions, settings))
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.swap_style import check_swap
        from drai_cli.workflows.swap_style import swap_style as run

    result = run_or_preview(output, dry_run, chosen, check_swap, run)
    written = [name for name in (*result.images, *result.sidecars, result.figure, result.metadata) if name]
    output.result(result.to_json(), "\n".join(printable(str(result.out / name)) for name in written))
    if settings["show"]:
        has_figure = bool(result.figure) and shows_pixels()
        show_files(output, [result.out / name for name in ([result.figure] if has_figure else result.images)])
