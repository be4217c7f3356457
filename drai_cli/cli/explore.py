"""`drai explore`: a page on this machine to try a model by hand."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.settings.data_options import KIND_NAMES
from drai_cli.settings.model_options import ExploreOptions


@command(
    "explore",
    group=options.GENERATE,
    parameters=make_options(
        ExploreOptions,
        panels={options.OUTPUT: ("open", "port")},
        arguments={"weights": "WEIGHTS"},
        choices={"kind": KIND_NAMES},
        defaults={"weights": options.WEIGHTS_DEFAULT, "port": "a free one"},
    ),
    examples=(
        "drai explore --open",
        "drai explore lesions-128 --images photos/ --metadata photos.csv --image-column file --label diagnosis",
        "drai explore runs/lesions",
    ),
    lacks=("dry_run",),
)
def explore(output: Output, dry_run: bool, settings: Settings) -> None:
    r"""Try a model by hand on a local web page, which no other machine can reach.

    Choose labels, move sliders along the directions in which content and style vary most, swap your own images, and
    write what you find as a data set. With a run directory the page follows the training. Ctrl-C ends it. Needs the
    extra drai-cli\[explore].
    """
    chosen = ExploreOptions(**collect_given(ExploreOptions, settings))
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.explore import explore as run

    def tell(address: str) -> None:
        output.result({"address": address}, address)
        output.info("open the address in a browser of this machine; Ctrl-C ends the page")

    try:
        run(chosen, output, tell)
    except KeyboardInterrupt:
        output.is_interrupt_told = True  # it is how the page ends
        output.info("the page has ended")
        raise
