"""Options of data sets, and the kinds of data sets. Standard library only, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from drai_cli.settings.config import IMAGE_SIZES
from drai_cli.settings.typed import MAX_SEED, setting

Channels = Literal["auto", 1, 3]


@dataclass(frozen=True)
class Kind:
    """A kind of data set and what it looks like."""

    name: str
    looks: str


KINDS: tuple[Kind, ...] = (
    Kind("class-folders", "one folder of images per class: lesions/melanoma/*.png"),
    Kind("csv", "images below a folder and a table: --metadata FILE --image-column COLUMN --label COLUMN"),
    Kind("ham10000", "images and a table with the columns image_id, dx, lesion_id, age, sex, localization"),
    Kind("dicom", "a tree of DICOM files, labels by a table or a keyword: --label BodyPartExamined"),
    Kind("nifti", "NIfTI volumes, cut into slices, in class folders or with a table"),
    Kind("medmnist", "one .npz with train_images, train_labels, val_images, …"),
)
KIND_NAMES: tuple[str, ...] = tuple(kind.name for kind in KINDS)


@dataclass(frozen=True)
class SourceOptions:
    """How to read a data set, where its files leave it open.

    Attributes:
        metadata: CSV table that describes the images.
        image_column: Column of the table with the names of the image files; suffixes may be left out.
        label: Column of the table that holds the label. For DICOM without a table: a DICOM keyword, such as
            BodyPartExamined, or `folder` for the name of the top folder.
        group: Column whose value identifies a group (patient, lesion). The images of a group stay in one part of the
            split. For DICOM without a table: a DICOM keyword.
        group_pattern: Instead of --group: regular expression to search for in the path of each file below the data
            folder. Its first capture group, or else the whole match, identifies the group: LIDC-[0-9]+ finds LIDC-0001
            in LIDC-0001_n2.png.
        split: Which split to use: own (the one that the data set brings along, in a column of its table, in its folders
            or in its file), or new (one drawn at random); None: own where there is one.
        split_column: Column of the table with the part of each image: train, validation or test; None: a column called
            split, set, subset, partition or the like that holds nothing else.
        kind: Kind of data set; needed only where more than one is possible.
        window: Range of values shown from black to white: CENTRE,WIDTH, the NAME of a window in the file, `full`, or
            `auto`. auto uses -1000 to 1000 HU if all images are CT, and otherwise the window of each file, or its
            percentiles where it has none.
        axis: Orientation of the slices that are cut from NIfTI volumes; None: axial.
        slices: Slices to use of each NIfTI volume: `all`, `central`, `nonempty`, or the INDEX of one slice; None: all.
    """

    metadata: Path | None = None
    image_column: str | None = None
    label: str | None = None
    group: str | None = None
    group_pattern: str | None = None
    split: Literal["own", "new"] | None = None
    split_column: str | None = None
    kind: str | None = None
    window: str | None = None
    axis: Literal["axial", "coronal", "sagittal"] | None = None
    slices: str | None = None


@dataclass(frozen=True)
class DataOptions:
    """Which images to use, and how to read them. Fields that are not listed: see `SourceOptions`.

    Attributes:
        path: Data set: a folder of images, or an .npz file in MedMNIST's layout.
        conditions: Further column to condition on; may be given several times.
        size: Height and width of the images in pixels, a multiple of 16.
        channels: Number of image channels: 1 (grey), 3 (RGB), or auto (1 if every image is grey, otherwise 3).
        fit: How to make images square: crop the centre, or pad.
        cache_dir: Folder for the cache of decoded images; None: $DRAI_CACHE, or the user's cache folder.
        aliases: Alternative name of a label, as ALIAS=LABEL; may be given several times.
    """

    documented_by: ClassVar[type] = SourceOptions

    path: Path = setting(flag="--data")
    metadata: Path | None = None
    image_column: str | None = None
    label: str | None = None
    conditions: tuple[str, ...] = setting((), flag="--condition")
    group: str | None = None
    group_pattern: str | None = None
    split: Literal["own", "new"] | None = None
    split_column: str | None = None
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
    count: int = setting(2000, 1, 10_000_000, flag="-n --count")
    size: int = setting(64, *IMAGE_SIZES)
    seed: int = setting(0, 0, MAX_SEED)
    overwrite: bool = False
