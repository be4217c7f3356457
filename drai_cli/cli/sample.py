"""`drai sample`: labelled images from a model."""

from __future__ import annotations

from typing import Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.cli.text import show_fields, show_table, to_plain
from drai_cli.settings.image_options import SAMPLE_FORMATS, SampleOptions

FLAGS = {"count": "-n --count", "label": "-l --label", "out": "-o --out", "attributes": "--set"}
PARAMETERS = field_options(
    SampleOptions,
    {
        options.INPUT: (
            "label",
            "count",
            "per_class",
            "like",
            "attributes",
            "style_from",
            "frame",
            "window",
            "truncation",
            "reject_copies",
            "train_data",
        ),
        options.OUTPUT: ("out", "format", "shard_size", "compression", "overwrite"),
        options.MODEL: ("weights",),
        options.RUN: ("seed", "shard", "device", "precision", "runtime", "batch_size"),
    },
    flags=FLAGS,
    choices={"format": SAMPLE_FORMATS},
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "sample",
        rich_help_panel=options.USE,
        epilog=options.examples(
            "drai sample --label melanoma -n 1000 --out aug/",
            "drai sample --per-class 500 --weights runs/lesions --set age=60 --out balanced/",
            "drai sample -n 1000000 --format webdataset --out million/",
        ),
    )(sample)


@with_options(PARAMETERS)
def sample(
    context: typer.Context,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Make labelled images with a model.

    Image i depends on the seed, its label and attributes, i and the weights only. The same command goes on where it
    was interrupted. OUT holds a folder a label (or tar files), metadata.csv and manifest.json.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = SampleOptions(**given_fields(SampleOptions, settings, flags=FLAGS))
    if dry_run:
        from drai_cli.workflows.sample import preview_sample

        preview = preview_sample(chosen, output)
        counts = show_table([*preview.labels.items(), ("in all", preview.images)], ("label", "images"))
        settled = show_table([("model file", preview.weights), *show_fields(chosen, skip=("weights",))])
        output.result({"dry_run": True, **to_plain(preview)}, f"{settled}\n\n{counts}")
        return
    from drai_cli.workflows.sample import sample as run

    try:
        result = run(chosen, output)
    except KeyboardInterrupt:
        output.interrupted("interrupted: the same command goes on from there")
        raise
    output.result(result.to_json(), str(result.out))
