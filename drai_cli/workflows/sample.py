"""`drai sample`: labelled images from a model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.errors import UsageError
from drai_cli.hub.locate import locate_weights
from drai_cli.inference.sampler import open_sampler
from drai_cli.io.files import file_sha256
from drai_cli.io.room import check_room
from drai_cli.machine.launch import read_place
from drai_cli.model_file.header import ModelHeader, model_intensity
from drai_cli.output.mask_file import MASKS
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.asked import check_layout
from drai_cli.sampling.draw import encode_style
from drai_cli.sampling.job import Job, PixelOptions, resolve_options
from drai_cli.sampling.move import Move
from drai_cli.sampling.output import SampleOutput
from drai_cli.sampling.pipeline import Check, SamplePipeline
from drai_cli.sampling.plan import plan_samples
from drai_cli.sampling.rendering import check_compression
from drai_cli.sampling.shards import part_of
from drai_cli.sampling.sheet import check_sheet, write_sheet
from drai_cli.settings.image_options import SAMPLE_FORMATS, SampleOptions
from drai_cli.settings.typed import check_ranges

_BLOCK_BYTES = 4096


@dataclass(frozen=True)
class SampleResult:
    """What a `sample` command did.

    Attributes:
        out: The folder.
        images: Images of this part of the job.
        made: Of these, made by this command.
        found: Of these, made before by the same command.
        rejected: Of these, left out: copies of training images, or wrong or trivial ones.
        left_out: Of these, by label and reason.
        labels: Images of each label in the whole job.
        is_complete: Whether all parts of the job are done.
        seed: Random seed.
        shard: `i/n`: the part of the job that this process made; None: all of it.
        device: Where the images were computed.
        precision: Arithmetic of the networks.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    out: Path
    images: int
    made: int
    found: int
    rejected: int
    left_out: Mapping[str, Mapping[str, int]]
    labels: Mapping[str, int]
    is_complete: bool
    seed: int
    shard: str | None
    device: str
    precision: str
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        left_out = {label: dict(reasons) for label, reasons in self.left_out.items()}
        return {**asdict(self), "out": str(self.out), "labels": dict(self.labels), "left_out": left_out}

    def list_images(self, suffix: str) -> list[Path]:
        """Files of images on disk, in any layout, masks aside; none of formats that pack them."""
        found = self.out.rglob(f"*{suffix}") if suffix else ()
        return sorted(path for path in found if path.relative_to(self.out).parts[0] != MASKS)


def sample(options: SampleOptions, reporter: Reporter = SILENT) -> SampleResult:
    """Samples images into a folder; the same command resumes an interrupted one.

    Raises:
        UsageError: Options that contradict each other or the model.
        InputError: A table or image that cannot be used, or a folder that cannot be written.
        WeightsError, NetworkError: A model that cannot be found or used.
        OverwriteError: The folder holds anything but images of this job.
    """
    part = check_sample(options)
    sampler = open_sampler(options.weights, options.device, options.precision, options.runtime, reporter)
    plan = plan_samples(options, sampler.header, reporter)
    Move.parse(options.move_content, options.move_style, sampler.header)
    resolved = resolve_options(options, plan)
    style = None
    if options.style_from is not None:
        style = encode_style(sampler, options.style_from, PixelOptions.from_json(resolved), reporter)
    checks: list[Check] = []
    if options.reject_copies:
        from drai_cli.sampling.copy_filter import load_training_copies

        checks.append(load_training_copies(options, sampler.header, reporter))
        resolved["reject_copies"] = checks[-1].key
    if options.select:
        from drai_cli.sampling.selection import load_selection

        checks.append(load_selection(options, sampler.header, reporter))
        resolved["select"] = checks[-1].key
    job = Job(__version__, sampler.sha256, resolved, sampler.origin)
    output = SampleOutput(options.out, plan, job, options.seed, part)
    images = output.stop - output.start
    if images == 0 and plan.tar_images is not None:
        reporter.warn(
            f"part {part[0]} of {part[1]} is empty: the job has fewer tar files of {plan.tar_images} images "
            "than parts; --shard-size sets the images per tar file"
        )
    if not output.is_begun or options.overwrite:
        _check_room(options.out, images, options.format, sampler.header, reporter)
    if output.open(overwrite=options.overwrite):
        reporter.info(f"{options.out}: all {images} images exist already, nothing to do")
        made, is_complete = 0, (options.out / "manifest.json").exists()
    else:
        try:
            made = SamplePipeline(sampler, plan, output, job, options.batch_size, style, checks).run(reporter)
            is_complete = output.finish()
        finally:
            output.close()
    left_out = output.count_rejected() if checks else {}
    rejected = sum(reasons.total() for reasons in left_out.values())
    if checks:
        _tell_of_left_out(left_out, images, reporter)
    if options.sheet is not None and is_complete:
        pixels, missing = PixelOptions.from_json(resolved), output.list_rejected()
        write_sheet(options.sheet, sampler, plan, pixels, style, missing, overwrite=options.overwrite)
    elif options.sheet is not None:
        reporter.info(f"{options.sheet}: drawn by the command that completes the job")
    return SampleResult(
        out=options.out,
        images=images,
        made=made,
        found=images - made,
        rejected=rejected,
        left_out=left_out,
        labels=plan.counts,
        is_complete=is_complete,
        seed=options.seed,
        shard=None if part[1] == 1 else f"{part[0]}/{part[1]}",
        device=sampler.place,
        precision=options.precision,
        weights_sha256=sampler.sha256,
    )


_REASONS: dict[str, str] = {
    "copy": "copies of training images", "wrong": "wrong (another label is likelier)",
    "trivial": "trivial (too sure)",
}  # fmt: skip


def _tell_of_left_out(left_out: Mapping[str, Counter[str]], images: int, reporter: Reporter) -> None:
    """Says how many images were drawn and kept, and why the others were left out, in all and by label."""
    in_all: Counter[str] = sum(left_out.values(), Counter())
    if not in_all:
        reporter.info(f"{images} images drawn, none left out")
        return
    kept = images - in_all.total()
    why = ", ".join(f"{in_all[reason]} {text}" for reason, text in _REASONS.items() if in_all[reason])
    more = f"; for {images} kept, draw about {math.ceil(images**2 / kept):,}" if kept else ""
    reporter.warn(f"{images} images drawn, {kept} kept; left out: {why}{more}")
    for label, reasons in sorted(left_out.items()) if len(left_out) > 1 else ():
        reporter.info(
            f"left out of {label}: {', '.join(f'{count} {reason}' for reason, count in reasons.items())}"
        )


@dataclass(frozen=True)
class SamplePreview:
    """What would run.

    Attributes:
        weights: The model file that would be used.
        images: Images in all, whatever the shard.
        labels: Images of each label.
        options: As resolved.
    """

    weights: Path
    images: int
    labels: Mapping[str, int]
    options: SampleOptions


def preview_sample(options: SampleOptions, reporter: Reporter = SILENT) -> SamplePreview:
    """The plan of a sample command, checked against the model and OUT.

    Training images for `--reject-copies` and `--select` are not read: whether they fit, and then OUT, only the command
    itself checks.

    Raises:
        UsageError: Options that contradict each other or the model.
        InputError: A table or image that cannot be used.
        WeightsError, NetworkError: A model that cannot be found or used.
        OverwriteError: OUT holds other files than this job's.
    """
    part = check_sample(options)
    if options.runtime == "onnx":
        sampler = open_sampler(options.weights, options.device, options.precision, options.runtime, reporter)
        path, header, sha256 = Path(str(options.weights)), sampler.header, sampler.sha256
    else:
        from drai_cli.inference.torch_model import choose_device  # imports torch
        from drai_cli.model_file.checkpoint import read_header

        path = locate_weights(options.weights, reporter)
        choose_device(options.device)
        header, sha256 = read_header(path), file_sha256(path)
    plan = plan_samples(options, header, reporter)
    Move.parse(options.move_content, options.move_style, header)
    settled = resolve_options(options, plan)  # reads the image of --style-from
    output = SampleOutput(options.out, plan, Job(__version__, sha256, settled), options.seed, part)
    if not output.is_begun or options.overwrite:
        _check_room(options.out, output.stop - output.start, options.format, header, reporter)
    if not (options.reject_copies or options.select):
        output.check(overwrite=options.overwrite)
    return SamplePreview(path, plan.total, plan.counts, options)


def _check_room(out: Path, images: int, format: str, header: ModelHeader, reporter: Reporter) -> None:
    """Checks that the images fit on the disk.

    Compression saves at most 19 of 20 parts of 16 bits per value; a file takes whole blocks. Rows of an npz file are
    not compressed, and are on the disk twice while it is written.
    """
    shape = header.architecture
    values = shape.image_size**2 * (shape.image_channels + shape.mask_channels)
    if format == "npz":
        least = most = images * 2 * values * (2 if model_intensity(header).dtype == "uint16" else 1)
    else:
        # In a tar file each of three members takes a header and fills its last block of 512 bytes.
        most = images * (2 * values + (8 * 512 if format == "webdataset" else 2 * _BLOCK_BYTES))
        least = most // 20
    check_room(out, f"{images} images", least, most, "free space, or choose another --out", reporter)


def check_sample(options: SampleOptions) -> tuple[int, int]:
    """Checks what can be checked without the model, for `sample` and its preview.

    Returns:
        The part of the job to make, as number and count.

    Raises:
        UsageError: A number out of its range, or options that contradict each other.
    """
    check_ranges(options)
    if options.format not in SAMPLE_FORMATS:
        raise UsageError(
            f"--format {options.format}", "no such format", f"there is: {', '.join(SAMPLE_FORMATS)}"
        )
    check_layout(options)
    check_sheet(options)
    check_compression(options.format, options.compression)
    if options.style_from is None:
        for option, value in {"--frame": options.frame, "--window": options.window}.items():
            if value is not None:
                raise UsageError(
                    f"{option} {value}",
                    "needs --style-from, whose image it applies to",
                    "--style-from IMAGE",
                )
    needs = "--reject-copies" if options.reject_copies else "--select" if options.select else ""
    if needs and options.train_data is None:
        raise UsageError(
            needs,
            "expected --train-data: samples are compared with training images",
            f"sample {needs} --train-data PATH",
        )
    if not needs and options.train_data is not None:
        raise UsageError(
            "--train-data",
            "expected --reject-copies or --select, which compare samples with training images",
            "sample --reject-copies --train-data PATH",
        )
    if not math.isfinite(options.truncation):
        raise UsageError(f"--truncation {options.truncation}", "expected a finite number", "--truncation 0.7")
    return part_of(options.shard, read_place())
