"""What the commands that make and look at images can be told, with defaults. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drai_cli.settings.typed import setting

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16")

Runtime = Literal["torch", "onnx"]
RUNTIMES: tuple[Runtime, ...] = ("torch", "onnx")

Along = Literal["style", "content", "both"]
Compression = Literal["none", "rle", "jpeg2000"]

# The files of one image in each kind that is written: the image first, then what lies beside it.
IMAGE_SUFFIXES: dict[str, tuple[str, ...]] = {
    "png": (".png",),
    "tiff": (".tif",),
    "dicom": (".dcm",),
    "nifti": (".nii.gz", ".json"),
}
SAMPLE_SUFFIXES: dict[str, tuple[str, ...]] = {
    **{name: IMAGE_SUFFIXES[name] for name in ("png", "dicom", "nifti")},
    "npz": (".npz",),
    "webdataset": (".png", ".json", ".cls"),  # in a tar file
}
SAMPLE_FORMATS = tuple(SAMPLE_SUFFIXES)
TAR_IMAGES = 10_000
"""Images in a tar file of WebDataset: some 100 MB at 64 px."""


@dataclass(frozen=True)
class SampleOptions:
    """What to sample and where to.

    Attributes:
        out: Folder for the images; new, empty, or that of the same command begun before.
        weights: A model file, run directory, bundled name or Hub name.
        label: Label of all images, or an alias of it.
        count: Images in all; without a label they are drawn in the training proportions.
        per_class: Images of every label.
        like: CSV with a label column; one image a row, with the row's label and attributes.
        attributes: Further attributes, each as NAME=VALUE; the rest are missing.
        style_from: An image whose style all images get.
        frame: Of a `--style-from` with several frames or slices: which one, from 0.
        window: Of a `--style-from`, values that become black and white: NAME of the file's own, CENTRE,WIDTH, full, or
            auto (a model of values with a unit takes its own, else by modality).
        truncation: Scale of both codes' deviations from their means, at least 0; 1 leaves them.
        format: Kind of file, one of `SAMPLE_FORMATS`. A webdataset is tar files of images with their labels.
        shard_size: Images in each tar file of a webdataset, 10000 if it is not said; `--shard` is something else, the
            part of the job.
        compression: How DICOM pixels are packed, always without loss; jpeg2000 needs the extra `drai-cli[dicom]`.
        seed: With the condition and the index, decides each image.
        shard: Which part of the job to make, as I/N with I from 1; all N make one folder, at once or copied together.
            Under torchrun each process makes a part of it. Of a webdataset a part is whole tar files.
        batch_size: Images computed at once, at most; changes speed and memory, never an image.
        precision: Arithmetic of the networks; anything but fp32 ends the promise of equal bytes.
        reject_copies: Leave out images that are copies of a training image: nearer to one in pixels, mirrored or turned
            as may be, than 99 % of unseen real images are. Their places stay empty.
        train_data: With `--reject-copies`, the data set that the model was trained on; of a run, its split says which
            part.
        runtime: What runs the model: torch, or onnx for an exported .onnx file, without torch (needs the extra
            `drai-cli[onnx]`).
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        overwrite: Replace what is already there.
    """

    out: Path = setting(flag="-o --out")
    weights: str | None = None
    label: str | None = setting(None, flag="-l --label")
    count: int | None = setting(None, 1, flag="-n --count")
    per_class: int | None = setting(None, 1)
    like: Path | None = None
    attributes: tuple[str, ...] = setting((), flag="--set")
    style_from: Path | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    truncation: float = setting(1.0, 0)
    format: str = "png"
    shard_size: int | None = setting(None, 1)
    compression: Compression = "none"
    seed: int = setting(0, 0)
    shard: str | None = None
    batch_size: int = setting(256, 1)
    precision: Precision = "fp32"
    reject_copies: bool = False
    train_data: Path | None = None
    runtime: Runtime = "torch"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class SwapOptions:
    """Which images swap their styles.

    Attributes:
        content: The first image, a.
        style: The second image, b.
        pairs: CSV with the columns `content` and `style`, instead of two images; where labels are needed also
            `content_label`.
        label_a: Label of the first image, or an alias of it, for a model that infers no content (`cinfogan`, `cavae`).
        label_b: Label of the second image, likewise.
        out: Folder for the images; None: `swap_<a>_<b>` or `swap_<pairs>` here.
        weights: A model file, run directory, bundled name or Hub name.
        format: Kind of file; None: the content image's own, PNG for JPEG, BMP and GIF.
        compression: How DICOM pixels are packed, always without loss; jpeg2000 needs the extra `drai-cli[dicom]`.
        size: `model`: images of the model's size; `input`: scaled back to that of the content image.
        fit: How an image is made square: `crop` its centre or `pad` it; None: as in training, else crop.
        frame: Of files with several frames or slices: which one, from 0.
        window: Values that become black and white: NAME of the file's own, CENTRE,WIDTH, full, or auto (a model of
            values with a unit takes its own, else by modality).
        precision: Arithmetic of the networks.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        overwrite: Replace what is already there.
    """

    content: Path | None = None
    style: Path | None = None
    pairs: Path | None = None
    label_a: str | None = None
    label_b: str | None = None
    out: Path | None = setting(None, flag="-o --out")
    weights: str | None = None
    format: Literal["png", "tiff", "dicom", "nifti"] | None = None
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
    """From where to where to walk, or which grid to make.

    Attributes:
        images: Two images to walk between; with `grid` the images whose contents go across.
        along: Which code changes: style, content, or both.
        from_label: Label, or alias of it, to walk from instead of an image.
        to_label: Label, or alias of it, to walk to.
        style_from: Of a walk between labels, an image whose style all frames have; None: the style of image 0 that
            `drai sample` makes of FROM_LABEL with this seed.
        grid: Make a grid: contents of the images across, styles down.
        style: An image whose style goes down in a grid, once for each; without any, those of the images.
        steps: Frames of a walk, both ends included.
        even: Space the frames evenly in what one sees, by distance of features, not in the codes.
        out: A strip or grid as .png, a walk as .gif or .mp4 (needs the extra `drai-cli[video]`), or a folder for the
            frames; None: a .png named after the images, here.
        format: Kind of file of frames in a folder; None: the first image's own, PNG for JPEG, BMP and GIF.
        compression: How DICOM pixels are packed, always without loss; jpeg2000 needs the extra `drai-cli[dicom]`.
        fps: Frames a second of .gif and .mp4.
        weights: A model file, run directory, bundled name or Hub name.
        fit: How an image is made square: `crop` its centre or `pad` it; None: as in training, else crop.
        frame: Of files with several frames or slices: which one, from 0.
        window: Values that become black and white: NAME of the file's own, CENTRE,WIDTH, full, or auto (a model of
            values with a unit takes its own, else by modality).
        seed: Of a walk between labels.
        precision: Arithmetic of the networks.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        overwrite: Replace what is already there.
    """

    images: tuple[Path, ...] = ()
    along: Along = "both"
    from_label: str | None = None
    to_label: str | None = None
    style_from: Path | None = None
    grid: bool = False
    style: tuple[Path, ...] = ()
    steps: int = setting(8, 2)
    even: bool = False
    out: Path | None = setting(None, flag="-o --out")
    format: Literal["png", "tiff", "dicom", "nifti"] | None = None
    compression: Compression = "none"
    fps: float = setting(8.0, 0.01, 100)
    weights: str | None = None
    fit: Literal["crop", "pad"] | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    seed: int = setting(0, 0)
    precision: Precision = "fp32"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class EncodeOptions:
    """Which images to encode.

    Attributes:
        images: Image files, or folders of them.
        out: The `.npz` to write.
        weights: A model file, run directory, bundled name or Hub name.
        fit: How an image is made square: `crop` its centre or `pad` it; None: as in training, else crop.
        frame: Of files with several frames or slices: which one, from 0.
        window: Values that become black and white: NAME of the file's own, CENTRE,WIDTH, full, or auto (a model of
            values with a unit takes its own, else by modality).
        precision: Arithmetic of the networks.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        overwrite: Replace what is already there.
    """

    images: tuple[Path, ...]
    out: Path = setting(flag="-o --out")
    weights: str | None = None
    fit: Literal["crop", "pad"] | None = None
    frame: int | None = setting(None, 0)
    window: str | None = None
    precision: Precision = "fp32"
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class ConvertOptions:
    """What to convert, and to what.

    Attributes:
        source: An image file, or a folder.
        out: A file whose suffix says its kind, or a folder.
        format: Kind of file, where OUT is a folder.
        window: What grey is shown through, as CENTRE,WIDTH, full, auto or a window's name in the file; for PNG and TIFF
            values become 8 bits by it.
        keep_patient: Keep the attributes of patient and study of a DICOM image.
        compression: How DICOM pixels are packed, always without loss; jpeg2000 needs the extra `drai-cli[dicom]`.
        overwrite: Replace what is already there.
    """

    source: Path
    out: Path
    format: Literal["png", "tiff", "dicom", "nifti"] | None = None
    window: str | None = None
    keep_patient: bool = False
    compression: Compression = "none"
    overwrite: bool = False


@dataclass(frozen=True)
class VerifyOptions:
    """Which output of `sample` to check, and how far.

    Attributes:
        out: The folder.
        regenerate: Images to make again from the weights and compare; 0: none.
        weights: A model file, run directory, bundled name or Hub name.
        style_from: The image whose style all images got, where they got one.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
    """

    out: Path
    regenerate: int = setting(0, 0)
    weights: str | None = None
    style_from: Path | None = None
    device: str | None = None
