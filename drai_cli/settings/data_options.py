"""What can be said about a data set, and the kinds there are. Standard library only, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from drai_cli.settings.config import IMAGE_SIZES
from drai_cli.settings.typed import setting

Channels = Literal["auto", 1, 3]


@dataclass(frozen=True)
class Kind:
    """A kind of data set and what it looks like."""

    name: str
    looks: str


KINDS: tuple[Kind, ...] = (
    Kind("class-folders", "one folder of images a class: lesions/melanoma/*.png"),
    Kind("csv", "images below a folder and a table: --metadata FILE --image-column COLUMN --label COLUMN"),
    Kind("ham10000", "images and a table with the columns image_id, dx, lesion_id, age, sex, localization"),
    Kind("dicom", "a tree of DICOM files, labels by a table or a keyword: --label BodyPartExamined"),
    Kind("nifti", "NIfTI volumes, cut into slices, in class folders or with a table"),
    Kind("medmnist", "one .npz with train_images, train_labels, val_images, …"),
)
KIND_NAMES: tuple[str, ...] = tuple(kind.name for kind in KINDS)


@dataclass(frozen=True)
class SourceOptions:
    """How a data set is to be understood, where that cannot be seen.

    Attributes:
        metadata: Table (CSV) that says what the images are.
        image_column: Its column that names the images, with or without suffix.
        label: Its column with the label; of DICOM without a table a keyword, such as BodyPartExamined, or `folder`.
        group: Its column whose value keeps images together in a split (patient, lesion); of DICOM a keyword too.
        group_pattern: In its place a regular expression, searched in each file's path below PATH: its first capture
            group, or else all it matches, keeps images together, as LIDC-[0-9]+ does of LIDC-0001_n2.png.
        kind: Which kind of set it is, where two are possible.
        window: Values that become black and white: NAME of the files' own, CENTRE,WIDTH, full, or auto (CT alone:
            -1000 to 1000 HU for the whole set; else each file's own window, else its percentiles).
        axis: Of NIfTI volumes: across which axis slices are cut: `axial`, `coronal` or `sagittal`; None: axial.
        slices: Of NIfTI volumes: `all`, `central`, `nonempty` or the INDEX of a slice; None: all.
    """

    metadata: Path | None = None
    image_column: str | None = None
    label: str | None = None
    group: str | None = None
    group_pattern: str | None = None
    kind: str | None = None
    window: str | None = None
    axis: Literal["axial", "coronal", "sagittal"] | None = None
    slices: str | None = None


@dataclass(frozen=True)
class DataOptions:
    """Which images, what is known of them, and how they are read.

    Attributes:
        path: Folder of images, or an npz file in MedMNIST's layout.
        metadata: Table (CSV) that says what the images are.
        image_column: Its column that names the images, with or without suffix.
        label: Its column with the label; of DICOM without a table a keyword, such as BodyPartExamined, or `folder`.
        conditions: Further columns to condition on.
        group: Its column whose value keeps images together in a split (patient, lesion); of DICOM a keyword too.
        group_pattern: In its place a regular expression, searched in each file's path below PATH: its first capture
            group, or else all it matches, keeps images together, as LIDC-[0-9]+ does of LIDC-0001_n2.png.
        kind: Which kind of set it is, where two are possible.
        size: Height and width of the images in pixels.
        channels: Of the images: 1 (grey), 3 (RGB), or auto: 1 if every image is grey.
        fit: How an image is made square: `crop` its centre or `pad` it.
        cache_dir: Folder for decoded images; None: `$DRAI_CACHE` or the user's cache folder.
        aliases: Further names for labels, each as ALIAS=LABEL.
        window: Values that become black and white: NAME of the files' own, CENTRE,WIDTH, full, or auto (CT alone:
            -1000 to 1000 HU for the whole set; else each file's own window, else its percentiles).
        axis: Of NIfTI volumes: across which axis slices are cut: `axial`, `coronal` or `sagittal`; None: axial.
        slices: Of NIfTI volumes: `all`, `central`, `nonempty` or the INDEX of a slice; None: all.
    """

    path: Path = setting(flag="--data")
    metadata: Path | None = None
    image_column: str | None = None
    label: str | None = None
    conditions: tuple[str, ...] = setting((), flag="--condition")
    group: str | None = None
    group_pattern: str | None = None
    kind: str | None = None
    size: int = setting(64, *IMAGE_SIZES)
    channels: Channels = "auto"
    fit: Literal["crop", "pad"] = "crop"
    cache_dir: Path | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "--alias"})
    window: str | None = None
    axis: Literal["axial", "coronal", "sagittal"] | None = None
    slices: str | None = None


@dataclass(frozen=True)
class PhantomOptions:
    """Which phantoms to draw.

    Attributes:
        out: Folder for the images; it must be new or empty.
        count: Number of images; the labels alternate.
        size: Height and width in pixels.
        seed: Random seed; seed and index decide each image.
        overwrite: Write into a folder that holds files.
    """

    out: Path = setting(flag="-o --out")
    count: int = setting(2000, 1, flag="-n --count")
    size: int = setting(64, *IMAGE_SIZES)
    seed: int = setting(0, 0)
    overwrite: bool = False
