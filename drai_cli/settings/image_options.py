"""Options of the commands that make, read and check images, with defaults. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from drai_cli.settings.typed import MAX_SEED, setting

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16")

Runtime = Literal["torch", "onnx"]
RUNTIMES: tuple[Runtime, ...] = ("torch", "onnx")

Along = Literal["style", "content", "both"]
Compression = Literal["none", "rle", "jpeg2000"]

# Formats that images are written in, and the suffixes of one image's files: the image first, then what lies next to it.
IMAGE_SUFFIXES: dict[str, tuple[str, ...]] = {
    "png": (".png",),
    "tiff": (".tif",),
    "dicom": (".dcm",),
    "nifti": (".nii.gz", ".json"),
}
if TYPE_CHECKING:
    ImageFormat = str
else:
    ImageFormat = Literal[tuple(IMAGE_SUFFIXES)]

SAMPLE_SUFFIXES: dict[str, tuple[str, ...]] = {
    **{name: suffixes for name, suffixes in IMAGE_SUFFIXES.items() if name != "tiff"},
    "npz": ("",),  # a row of one file
    "webdataset": (".png", ".json", ".cls"),  # in a tar file
}
SAMPLE_FORMATS = tuple(SAMPLE_SUFFIXES)
PACKED_FORMATS = ("npz", "webdataset")
MASK_FORMATS = ("png", "nifti")
"""Formats with a place for the masks that a model makes."""
"""Formats in which many images share a file, so that there is no choice of folders."""

SampleLayout = Literal["folders", "flat", "isic", "bids"]
SAMPLE_LAYOUTS: tuple[SampleLayout, ...] = ("folders", "flat", "isic", "bids")
TAR_IMAGES = 10_000
"""Images in a tar file of WebDataset: some 100 MB at 64 px."""


class SharedOptions:
    """Fields that several commands have, documented once.

    Attributes:
        weights: A model file, run directory, bundled name or Hub name.
        fit: How to make images square: crop the centre, or pad; None: as in training (crop if the model does not record
            it).
        frame: Index of the frame or slice to use, counted from 0, if a file has several.
        window: Range of values shown from black to white: CENTRE,WIDTH, the NAME of a window in the file, `full`, or
            `auto` (the range of the model if its values have a unit, otherwise a range chosen by modality).
        compression: Lossless compression of DICOM pixels; jpeg2000 needs the extra `drai-cli[dicom]`.
        precision: Arithmetic of the networks; only fp32 guarantees equal bytes.
        device: Device to compute on (cuda, mps, cpu); None: the first available of these.
        overwrite: Replace existing output.
    """


@dataclass(frozen=True)
class SampleOptions:
    """What to sample and where to. Fields that are not listed: see `SharedOptions`.

    Attributes:
        out: Folder for the images: new, empty, or with unfinished output of the same command, which is resumed.
        label: Label of all images, or an alias of it. For findings: names joined by `|`, for exactly this set; with
            `|*` at the end (`A|B|*`) the other findings are drawn as often as in the training data.
        label_not: For findings: a finding that no image shows; the other findings are drawn as often as in the training
            data. May be given several times.
        count: Total number of images (instead of --per-class). Without --label, the labels are drawn in the proportions
            of the training data.
        per_class: Number of images per label.
        per_finding: For findings: minimum number of images that show each finding.
        like: CSV table with a label column: generate one image per row (or --count images, spread over the rows), with
            the label and attributes of the row.
        attributes: Value of a further attribute, as NAME=VALUE; may be given several times. Attributes that are not set
            count as unknown.
        style_from: Image whose style all generated images get.
        frame: Index of the frame or slice to use, counted from 0, if the --style-from file has several.
        window: Range of values shown from black to white: CENTRE,WIDTH, the NAME of a window in the file, `full`, or
            `auto` (the range of the model if its values have a unit, otherwise a range chosen by modality). Applies to
            --style-from.
        truncation: Factor by which the distance of the codes from their means is multiplied; 1 = no truncation, below 1
            = more typical and less varied images.
        move_content: Numbers, separated by commas, that are added to the content code of every image, one per
            dimension. `drai explore` finds directions and prints the command.
        move_style: Numbers, separated by commas, that are added to the style code of every image, one per dimension.
        format: File format, one of `SAMPLE_FORMATS`. npz: one file in MedMNIST's layout. webdataset: tar files of
            images with their labels.
        layout: Folders and tables, for formats with one file per image. folders: one folder per label. flat: one folder
            for all images (a Hugging Face imagefolder). isic: numbered images, and a table with one column per label as
            in ISIC 2018. bids: a BIDS derivative with one participant per image (png or nifti).
        masks: Also write the masks of a model that makes them, to masks/ in OUT.
        shard_size: Images per tar file of a webdataset; None: 10000. (Not related to --shard.)
        sheet: Also draw a contact sheet of the first images of each label to this .png file, outside of OUT. If the
            output is complete, only the sheet is drawn.
        seed: Random seed. The same seed, condition and index give the same image.
        shard: Part of the job to run, as I/N, with I from 1. The N parts may run at the same time into one OUT, or be
            copied together later. Under torchrun, each process runs a share of the part. Parts of a webdataset are
            whole tar files.
        batch_size: Maximum number of images computed at once. Affects speed and memory, never the images.
        reject_copies: Leave out copies of training images: an image is a copy if its distance in pixels to the nearest
            training image, mirrored and rotated ones included, is smaller than for 99 % of held-out real images.
            Nothing is generated in its place, so fewer images are written. Needs --train-data.
        select: Leave out images that are wrong or too easy according to the judge, a classifier trained on the training
            part of --train-data: wrong if the judge predicts another label; too easy if the judge is more certain of it
            than of 90 % of the real images with that label. Nothing is generated in their place, so fewer images are
            written; their number is printed, and manifest.json lists them with the reason. Needs --train-data.
        train_data: With --reject-copies or --select: the data set that the model was trained on. If WEIGHTS is a run
            directory, only the training part of its split is used.
        runtime: Runtime of the model: torch, or onnx for an exported .onnx file, which works without torch (needs the
            extra `drai-cli[onnx]`).
    """

    documented_by: ClassVar[type] = SharedOptions

    out: Path = setting(flag="-o --out")
    weights: str | None = None
    label: str | None = setting(None, flag="-l --label")
    label_not: tuple[str, ...] = ()
    count: int | None = setting(None, 1, 1_000_000_000, flag="-n --count")
    per_class: int | None = setting(None, 1)
    per_finding: int | None = setting(None, 1, 1_000_000_000)
    like: Path | None = None
    attributes: tuple[str, ...] = setting((), flag="--set")
    style_from: Path | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    truncation: float = setting(1.0, 0)
    move_content: str = ""
    move_style: str = ""
    format: str = "png"
    layout: SampleLayout = "folders"
    masks: bool = True
    shard_size: int | None = setting(None, 1)
    compression: Compression = "none"
    sheet: Path | None = None
    seed: int = setting(0, 0, MAX_SEED)
    shard: str | None = None
    batch_size: int = setting(256, 1)
    precision: Precision = "fp32"
    reject_copies: bool = False
    select: bool = False
    train_data: Path | None = None
    runtime: Runtime = "torch"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class SwapOptions:
    """Which images swap their styles. Fields that are not listed: see `SharedOptions`.

    Attributes:
        content: First image, a.
        style: Second image, b.
        pairs: CSV table with the columns `content` and `style`, instead of two images; with a model that infers no
            content also the column `content_label`.
        label_a: Label of the first image, or an alias of it; needed only with a model that infers no content (cinfogan,
            cavae).
        label_b: Label of the second image, or an alias of it; needed only with a model that infers no content.
        to_label: New label of the content images, or an alias of it. If labels are sets of findings: findings to add
            (`Effusion|Mass`); the findings that an image already shows stay.
        without: If labels are sets of findings: findings to remove from the content images (`Effusion|Mass`).
        out: Folder for the images; None: `swap_<a>_<b>` or `swap_<pairs>` in the current folder.
        format: File format; None: that of the content image, or PNG for JPEG, BMP and GIF.
        size: Size of the images: `model` (the size of the model) or `input` (scaled to the size of the content image).
    """

    documented_by: ClassVar[type] = SharedOptions

    content: Path | None = None
    style: Path | None = None
    pairs: Path | None = None
    label_a: str | None = None
    label_b: str | None = None
    to_label: str | None = None
    without: str | None = None
    out: Path | None = setting(None, flag="-o --out")
    weights: str | None = None
    format: ImageFormat | None = None
    compression: Compression = "none"
    size: Literal["model", "input"] = "model"
    fit: Literal["crop", "pad"] | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    precision: Precision = "fp32"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class InterpolateOptions:
    """What to interpolate between, or which grid to make. Fields that are not listed: see `SharedOptions`.

    Attributes:
        images: Two images to interpolate between; with --grid any number of images, one column each.
        along: Code that changes: style, content, or both.
        from_label: Label to start from, or an alias of it, instead of an image.
        to_label: Label to end at, or an alias of it.
        style_from: Between two labels: image whose style all frames have; None: the style of the first image that
            `drai sample` generates for the first label with this seed.
        grid: Make a grid: one column per content, one row per style.
        style: With --grid: image whose style all images of one row have; may be given several times; None: the styles
            of the images.
        steps: Number of frames, including both ends; None: 8, or 30 in an animation.
        even: Space the frames evenly by visual distance (distance of features) instead of by distance of codes.
        out: Output: a .png file for a strip or grid, a .gif or .mp4 file for an animation (needs the extra
            `drai-cli[video]`), or a folder for the frames; None: a .png file named after the images, in the current
            folder.
        format: File format of frames in a folder; None: that of the first image, or PNG for JPEG, BMP and GIF.
        fps: Frames per second of .gif and .mp4 files. The animation runs forwards and then backwards.
        seed: Random seed; used between two labels only.
    """

    documented_by: ClassVar[type] = SharedOptions

    images: tuple[Path, ...] = ()
    along: Along = "both"
    from_label: str | None = None
    to_label: str | None = None
    style_from: Path | None = None
    grid: bool = False
    style: tuple[Path, ...] = ()
    steps: int | None = setting(None, 2, 10_000)
    even: bool = False
    out: Path | None = setting(None, flag="-o --out")
    format: ImageFormat | None = None
    compression: Compression = "none"
    fps: float = setting(10.0, 0.01, 100)
    weights: str | None = None
    fit: Literal["crop", "pad"] | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    seed: int = setting(0, 0, MAX_SEED)
    precision: Precision = "fp32"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class EncodeOptions:
    """Which images to encode. Fields that are not listed: see `SharedOptions`.

    Attributes:
        images: Image files, or folders of them.
        out: Output file, .npz.
        masks: Also write the mask of each image to this folder, new or empty, as <name>_mask.png of the image's size;
            for models that make masks.
    """

    documented_by: ClassVar[type] = SharedOptions

    images: tuple[Path, ...]
    out: Path = setting(flag="-o --out")
    masks: Path | None = None
    weights: str | None = None
    fit: Literal["crop", "pad"] | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    precision: Precision = "fp32"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class ConvertOptions:
    """What to convert, and to what. Fields that are not listed: see `SharedOptions`.

    Attributes:
        source: Image file, or folder of images.
        out: Output file, whose suffix decides the format, or output folder.
        format: File format, if OUT is a folder.
        window: Range of values shown from black to white: CENTRE,WIDTH, full, auto, or the NAME of a window in the
            file. PNG and TIFF files then have 8 bits per value.
        keep_patient: Keep the patient and study attributes of a DICOM image.
        series: Which DICOM series of a folder, zip or DICOMDIR with several: its SeriesNumber or SeriesInstanceUID.
    """

    documented_by: ClassVar[type] = SharedOptions

    source: Path
    out: Path
    format: ImageFormat | None = None
    window: str | None = None
    keep_patient: bool = False
    series: str | None = None
    compression: Compression = "none"
    overwrite: bool = False


@dataclass(frozen=True)
class VerifyOptions:
    """Which output of `sample` to check, and how thoroughly. Fields that are not listed: see `SharedOptions`.

    Attributes:
        out: Folder that drai sample wrote.
        regenerate: Number of images to generate again from the weights and compare; 0 = none.
        style_from: Image that was given as --style-from when the output was made, if one was.
    """

    documented_by: ClassVar[type] = SharedOptions

    out: Path
    regenerate: int = setting(0, 0)
    weights: str | None = None
    style_from: Path | None = None
    device: str | None = None
