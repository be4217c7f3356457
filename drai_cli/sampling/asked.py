"""What the options of `sample` ask for, checked against each other and the model, before images are listed."""

from __future__ import annotations

from drai_cli.errors import UsageError
from drai_cli.model_file.header import ModelHeader
from drai_cli.output.mask_file import MASKS
from drai_cli.output.names import folder_names
from drai_cli.settings.image_options import (
    MASK_FORMATS,
    PACKED_FORMATS,
    SAMPLE_LAYOUTS,
    TAR_IMAGES,
    SampleOptions,
)


def check_layout(options: SampleOptions) -> None:
    """Checks that a layout goes with the format.

    Raises:
        UsageError: No such layout, or a format that has a layout of its own, or that BIDS does not have.
    """
    subject = f"--layout {options.layout}"
    if options.layout not in SAMPLE_LAYOUTS:
        raise UsageError(subject, "no such layout", f"one of: {', '.join(SAMPLE_LAYOUTS)}")
    if options.layout != "folders" and options.format in PACKED_FORMATS:
        raise UsageError(
            subject, f"expected a format with a file per image, got {options.format}", "--format png"
        )
    if options.layout == "bids" and options.format not in ("png", "nifti"):
        raise UsageError(subject, f"expected --format nifti or png, got {options.format}", "--format nifti")


def masks_to_write(options: SampleOptions, header: ModelHeader) -> tuple[str, ...]:
    """The masks to write: those that the model makes, unless they are not wanted.

    Raises:
        UsageError: A format or layout without a place for them, or a label whose folder has the name of theirs.
    """
    if not header.mask_names or not options.masks:
        return ()
    made, hint = f"the model makes masks ({', '.join(header.mask_names)})", "--no-masks leaves them out"
    if options.format not in MASK_FORMATS:
        expected = f"expected {' or '.join(MASK_FORMATS)}"
        raise UsageError(f"--format {options.format}", f"{made}: {expected}", hint)
    if options.layout == "bids":
        raise UsageError(
            "--layout bids", f"{made}, which have no place in it", f"--layout folders, or {hint}"
        )
    if options.layout == "folders" and MASKS in folder_names(header.schema.labels).values():
        raise UsageError(
            "--layout folders", f"{made}, and a label has their folder's name", f"--layout flat, or {hint}"
        )
    return header.mask_names


def images_per_tar(options: SampleOptions) -> int | None:
    """Images per tar file; None for a format without tar files."""
    if options.format != "webdataset":
        if options.shard_size is not None:
            raise UsageError(
                f"--shard-size {options.shard_size}", f"is for tar files, got {options.format}",
                "--format webdataset; a part of a job is --shard I/N",
            )  # fmt: skip
        return None
    return TAR_IMAGES if options.shard_size is None else options.shard_size


def check_counts(options: SampleOptions, label: str | None) -> None:
    """Checks that the options say exactly once how many images to make of what."""
    clashes = [
        (options.per_class, options.count, "--per-class", "-n"),
        (options.per_class, label, "--per-class", "a label"),
        (options.per_class, options.like, "--per-class", "--like"),
        (options.like, label, "--like", "a label"),
        (options.like, options.label_not or None, "--like", "--label-not"),
        *(
            (options.per_finding, other, "--per-finding", name)
            for other, name in (
                (options.count, "-n"),
                (label, "a label"),
                (options.like, "--like"),
                (options.label_not or None, "--label-not"),
            )
        ),
    ]
    for one, other, one_name, other_name in clashes:
        if one is not None and other is not None:
            raise UsageError(one_name, f"contradicts {other_name}", "give one of them")
    if not any((options.count, options.per_class, options.per_finding, options.like)):
        raise UsageError(
            "-n",
            "expected a number of images, got none",
            "-n 16, --per-class 16 (--per-finding 16 for findings) or --like real.csv",
        )
