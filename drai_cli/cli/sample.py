"""`drai sample`: generates labelled images."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.cli.pictures import show_files
from drai_cli.cli.text import show_fields, show_table, to_plain
from drai_cli.settings.image_options import PACKED_FORMATS, SAMPLE_FORMATS, SAMPLE_SUFFIXES, SampleOptions


@command(
    "sample",
    group=options.GENERATE,
    parameters=[*make_options(SampleOptions, choices={"format": SAMPLE_FORMATS}), options.SHOW],
    examples=(
        "drai sample --label melanoma -n 1000 --out aug/",
        "drai sample --per-class 500 --weights runs/lesions --set age=60 --out balanced/",
        "drai sample -n 1000000 --format webdataset --out million/",
        "drai sample --per-class 100 --format npz --out one-file/",
    ),
    common=(
        "label",
        "count",
        "per_class",
        "like",
        "set",
        "style_from",
        "truncation",
        "out",
        "format",
        "layout",
        "sheet",
        "overwrite",
        "weights",
        "seed",
        "device",
        "show",
    ),
)
def sample(output: Output, dry_run: bool, settings: Settings) -> None:
    """Generate labelled images with a model.

    Image i of a label depends only on the seed, the label, its attributes and i. An interrupted command
    is resumed by running it again. OUT holds one folder per label, metadata.csv and manifest.json; --layout and
    --format choose other forms.
    """
    chosen = SampleOptions(**collect_given(SampleOptions, settings))
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
        output.interrupted("interrupted: run the same command again to resume")
        raise
    output.result(result.to_json(), str(result.out))
    if settings["show"]:
        if chosen.format in PACKED_FORMATS:
            output.info(f"not shown: --format {chosen.format} packs the images; --sheet FILE.png draws them")
        show_files(output, result.list_images(SAMPLE_SUFFIXES[chosen.format][0]))
