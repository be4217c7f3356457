"""`drai inspect`: shows what a path holds, before a model is trained on it."""

from __future__ import annotations

from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.pictures import MOST, can_show, show_files, show_images
from drai_cli.cli.text import show_table
from drai_cli.errors import printable
from drai_cli.settings.data_options import KIND_NAMES, SourceOptions

if TYPE_CHECKING:
    from drai_cli.workflows.inspect import ImageReport, LabelCandidates, SetReport

PATH = Parameter(
    "path",
    Parameter.KEYWORD_ONLY,
    annotation=Annotated[Path, typer.Argument(metavar="PATH", help="Folder, MedMNIST .npz file, or image.")],
)
FIGURE = Parameter(
    "figure",
    Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(
            "--figure",
            metavar="PATH",
            help="Draw images of each class, as a model sees them, one row per class, to this new PNG file.",
            rich_help_panel=options.OUTPUT,
        ),
    ],
)
LISTED = 20


@command(
    "inspect",
    group=options.DATA,
    parameters=[
        PATH,
        *make_options(SourceOptions, choices={"kind": KIND_NAMES}),
        FIGURE,
        options.SHOW,
    ],
    examples=(
        "drai inspect lesions/",
        "drai inspect scans/ --metadata scans.csv --image-column file --label diagnosis --json",
    ),
    lacks=("dry_run",),
    common=(
        "path",
        "metadata",
        "image_column",
        "label",
        "group",
        "group_pattern",
        "window",
        "figure",
        "show",
    ),
)
def inspect(output: Output, dry_run: bool, settings: Settings) -> None:
    """Summarise a data set or an image. Reads every image and changes no file.

    For a data set: its kind, classes with counts, groups, the split that train makes and groups that are in several
    parts of it, window, cropping, duplicates, what is left out, and the drai train command. For DICOM files without
    --label: the folders and DICOM attributes that could be labels, with counts.
    """
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.inspect import ImageReport, LabelCandidates, SetReport, pick_images
        from drai_cli.workflows.inspect import inspect as look

    chosen = SourceOptions(**collect_given(SourceOptions, settings))
    report = look(settings["path"], chosen, output, settings["figure"])
    limit = None if output.verbose else LISTED
    if isinstance(report, LabelCandidates):
        output.result(report.to_json(), _candidates_page(report, limit))
        output.info("the label is not known: give one of these, or a column of --metadata FILE, as --label")
        return
    text = _set_page(report, limit) if isinstance(report, SetReport) else _image_page(report)
    output.result(report.to_json(), text)
    if settings["show"] and isinstance(report, ImageReport):
        show_files(output, [settings["path"]])
    elif settings["show"] and can_show(output):
        show_images(output, pick_images(settings["path"], chosen, MOST))


def _candidates_page(report: LabelCandidates, limit: int | None) -> str:
    rows = [
        ("data set", report.path),
        ("images", f"{report.files} DICOM files of {report.patients} patients"),
    ]
    for name, counts in report.found.items():
        rows.append(
            (f"--label {name}", _counts({value or "(none)": n for value, n in counts.items()}, limit))
        )
    return show_table(rows)


def _image_page(report: ImageReport) -> str:
    rows: list[tuple[str, object]] = [
        ("image", report.path),
        ("kind", report.kind),
        ("shape", " × ".join(map(str, report.shape))),
        ("samples", f"{report.dtype}, stored with {report.bits} bits"),
        ("range", f"{report.min:g} to {report.max:g}{' ' + report.unit if report.unit else ''}"),
    ]
    if report.spacing_mm is not None:
        rows.append(("spacing", " × ".join(f"{spacing:g}" for spacing in report.spacing_mm) + " mm"))
    if report.orientation is not None:
        rows.append(("orientation", report.orientation))
    rows.append(("sha256", report.sha256))
    if report.marks.get("synthetic") == "yes":
        own = {name: text for name, text in report.marks.items() if name not in ("synthetic", "version")}
        rows.append(("synthetic", ", ".join(f"{name} {printable(text)}" for name, text in own.items())))
    return show_table(rows)


def _set_page(report: SetReport, limit: int | None) -> str:
    grouped = f"{report.groups} of {report.group}, at most {report.largest_group} images each"
    rows: list[tuple[str, object]] = [
        ("data set", report.path),
        ("kind", report.kind),
        ("images", report.count),
        ("groups", grouped if report.group else "none: each image is its own group"),
        ("sizes", _counts(report.sizes, 5)),
        ("channels", _counts(report.channels)),
        ("bits", _counts(report.bits)),
        ("window", report.window),
        ("split", _split(report)),
        ("on both sides", _both_sides(report)),
        ("--fit crop", _cropping(report.cropped)),
    ]
    if report.problem:
        rows.append(("train stops", report.problem))
    if report.altered:
        rows.append(("altered in decoding", _counts(report.altered)))
    rows += [
        (
            "duplicates",
            f"{len(report.duplicates)} sets of equal images, {len(report.contradictions)} with two labels",
        ),
        ("unreadable", len(report.unreadable)),
    ]
    parts = [show_table(rows), show_table(list(report.classes.items()), (report.label, "images"))]
    if report.duplicates:
        marked = set(report.contradictions)
        shown = [
            " = ".join(names) + ("  (labels differ)" if names in marked else "")
            for names in report.duplicates
        ]
        parts.append(_list("duplicates", shown, limit))
    if report.unreadable:
        parts.append(_list("unreadable", [f"{name}: {reason}" for name, reason in report.unreadable], limit))
    if report.notes:
        parts.append(_list("noticed", list(report.notes), limit))
    parts.append(report.train)
    return "\n\n".join(parts)


def _split(report: SetReport) -> str:
    how = "the set's own" if report.split == "as given" else report.split
    shown = []
    for part, images in report.parts.items():
        groups = report.part_groups[part]
        shown.append(f"{part} {images}" + (f" ({groups} groups)" if report.group and images else ""))
    return f"{how}: {', '.join(shown)}"


def _both_sides(report: SetReport) -> str:
    count, examples = report.groups_across
    groups = f"{count} groups"
    if examples:
        groups += f" (such as that of {examples[0]}; add --split new, which keeps groups together)"
    equal = f"{len(report.duplicates_across)} sets of equal images"
    return f"{groups}, {equal}" if report.group else f"{equal}; groups are not known"


def _cropping(cropped: tuple[float, float]) -> str:
    mean, largest = cropped
    if largest == 0:
        return "cuts nothing away: all images are square"
    return f"cuts away {mean:.0%} of an image on average, {largest:.0%} at most (--fit pad keeps all)"


def _counts(counts: dict[str, int], limit: int | None = None) -> str:
    shown = [f"{name} ({count})" for name, count in list(counts.items())[:limit]]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} others" if rest > 0 else "")


def _list(title: str, lines: list[str], limit: int | None) -> str:
    shown = lines[:limit]
    rest = len(lines) - len(shown)
    more = [f"… and {rest} more (-v lists all)"] if rest > 0 else []
    return "\n".join([f"{title}:", *(show_table([[f"  {line}"]]) for line in shown), *more])
