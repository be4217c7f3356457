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
    Kind("analyze", "Analyze or NIfTI pairs (.hdr and .img); otherwise as nifti"),
    Kind("mgh", "FreeSurfer volumes (.mgz, .mgh); otherwise as nifti"),
    Kind("mha", "MetaImage volumes (.mha, .mhd), with the extra drai-cli[itk]; otherwise as nifti"),
    Kind("nrrd", "NRRD volumes (.nrrd, .nhdr), with the extra drai-cli[itk]; otherwise as nifti"),
    Kind("medmnist", "one .npz with train_images, train_labels, val_images, …"),
)
KIND_NAMES: tuple[str, ...] = tuple(kind.name for kind in KINDS)


class Repeatable:
    """A single path as `metadata`, or a single name as `label`, counts as a sequence of one."""

    def __post_init__(self) -> None:
        for name, kind in (("metadata", Path), ("label", str)):
            given = getattr(self, name, ())
            if not isinstance(given, tuple):
                is_one = isinstance(given, str | Path)
                object.__setattr__(self, name, (kind(given),) if is_one else tuple(given or ()))


@dataclass(frozen=True)
class SourceOptions(Repeatable):
    """How to read a data set, where its files leave it open.

    Attributes:
        metadata: Table that describes the images: CSV (also .tsv, .csv.gz), JSON lines, or an Excel workbook (.xlsx,
            needs the extra `drai-cli[xlsx]`). May be given several times: tables are joined on the image names or on a
            shared column.
        header: The first line of a table holds the column names (the default). With --no-header, the columns are called
            `column 1`, `column 2`, …
        image_column: Column of the table with the names of the image files, of their folders, or DICOM UIDs; suffixes
            and leading folders need not match. If a row names several images, separate the columns by commas:
            left,right.
        label: Column of the table that holds the label; or the word `folder` (the label is the name of the top-level
            folder inside DATA) or `subfolder` (the name of the folder one level below). For DICOM without a table also
            a DICOM keyword, such as BodyPartExamined. For findings in several columns of 0 and 1 (1: present), repeat
            the option, once per column.
        label_kind: What a label is: categorical (one name), or findings (a set of names, joined in one cell by `|`, `;`
            or `,`); None: findings if cells of the column hold several names.
        uncertain: Meaning of -1 in columns of 0 and 1.
        least_count: Leave out findings that fewer than N images show.
        group: Column whose value identifies a group (patient, lesion). The images of a group stay in one part of the
            split. For DICOM without a table: a DICOM keyword.
        group_pattern: Instead of --group: regular expression that is searched for in each file's path inside DATA. Its
            first capture group, or the whole match if it has none, identifies the group: LIDC-[0-9]+ finds LIDC-0001 in
            LIDC-0001_n2.png.
        split: Split to use: own (the one that the data set defines by a table column, by folders or in its file), or
            new (drawn at random); None: own if the data set defines one.
        split_column: Column of the table that assigns each image to train, validation or test. If it holds other
            values, such as fold numbers, add their meaning: fold:0=test,1=validation (all other values: train); None: a
            column that holds only these three names, or a flag such as `is_train`, is used if there is one.
        rows: Which values to use if several rows describe the same image and disagree: first (those of the first row),
            majority (the most frequent value in each column), or all (the label is the set of all their labels); None:
            an error.
        missing: Text that marks a missing value; may be given several times. It replaces the usual list (unknown, NA,
            nan, none, -1 and similar). An empty cell always counts as missing.
        kind: Kind of data set; needed only where more than one is possible.
        window: Range of values shown from black to white: CENTRE,WIDTH, the NAME of a window in the file, `full`, or
            `auto`. auto uses -1000 to 1000 HU if all images are CT; otherwise each file's own window, or percentiles of
            its values if it has none. For grey PNG, TIFF and npz of more than 8 bits, auto is one range for the whole
            data set; if the images use at least half of the possible values, they are not rescaled.
        hu_offset: For PNG, TIFF and npz: number to add to the grey values of the files to get Hounsfield units: -32768
            for DeepLesion, -1024 for many CT slices in 16-bit PNG. --window is then in HU.
        axis: Orientation of the slices that are cut from volumes; None: axial.
        slices: Slices to use of each volume: `all`, `central` (only the middle one), `nonempty`, or the INDEX of one
            slice; None: all.
    """

    metadata: tuple[Path, ...] = ()
    header: bool | None = None
    image_column: str | None = None
    label: tuple[str, ...] = ()
    label_kind: Literal["categorical", "findings"] | None = None
    uncertain: Literal["unknown", "present", "absent"] = "unknown"
    least_count: int | None = setting(None, 1)
    group: str | None = None
    group_pattern: str | None = None
    split: Literal["own", "new"] | None = None
    split_column: str | None = None
    rows: Literal["first", "majority", "all"] | None = None
    missing: tuple[str, ...] = ()
    kind: str | None = None
    window: str | None = None
    hu_offset: float | None = setting(None, -100_000, 100_000)
    axis: Literal["axial", "coronal", "sagittal"] | None = None
    slices: str | None = None


@dataclass(frozen=True)
class DataOptions(Repeatable):
    """Which images to use, and how to read them. Fields that are not listed: see `SourceOptions`.

    Attributes:
        path: Data set: a folder of images, or an .npz file in MedMNIST's layout.
        conditions: Further column to condition the model on, such as age (`drai sample --set age=60`); may be given
            several times.
        size: Height and width of the images in pixels, a multiple of 16.
        channels: Number of image channels: 1 (grey), 3 (RGB), or auto (1 if every image is grey, otherwise 3).
        fit: How to make images square: crop the centre, or pad.
        cache_dir: Folder for the cache of decoded images; None: $DRAI_CACHE, or the user's cache folder.
        aliases: Alternative name of a label, as ALIAS=LABEL; may be given several times.
        masks: Folder with a mask (segmentation) for each image. The model then generates a mask with every image. A
            mask file has the name of its image, optionally followed by _mask, _segmentation, _seg, _gt or _label, and
            by the number of a reader.
        mask_names: Name of a mask; may be given several times. If one file holds several masks as label values:
            VALUE=NAME (VALUE= leaves a value out). Otherwise NAME; several NAMEs are the folders in --masks.
        mask_bits: A mask file holds the outlines of several readers: bit r (counted from 0) of a pixel is 1 inside
            the outline of reader r.
        mask_readers: Pixels that are inside a mask which several readers have outlined: inside at least half of the
            outlines (majority), at least one (any), or every one (all).
        missing_masks: What to do with images without a mask: leave-out, or empty (use an empty mask: the object is not
            there).
    """

    documented_by: ClassVar[type] = SourceOptions

    path: Path = setting(flag="--data")
    metadata: tuple[Path, ...] = ()
    header: bool | None = None
    image_column: str | None = None
    label: tuple[str, ...] = ()
    label_kind: Literal["categorical", "findings"] | None = None
    uncertain: Literal["unknown", "present", "absent"] = "unknown"
    least_count: int | None = setting(None, 1)
    conditions: tuple[str, ...] = setting((), flag="--condition")
    group: str | None = None
    group_pattern: str | None = None
    split: Literal["own", "new"] | None = None
    split_column: str | None = None
    rows: Literal["first", "majority", "all"] | None = None
    missing: tuple[str, ...] = ()
    kind: str | None = None
    size: int = setting(64, *IMAGE_SIZES)
    channels: Channels = "auto"
    fit: Literal["crop", "pad"] = "crop"
    cache_dir: Path | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "--alias"})
    window: str | None = None
    hu_offset: float | None = setting(None, -100_000, 100_000)
    axis: Literal["axial", "coronal", "sagittal"] | None = None
    slices: str | None = None
    masks: Path | None = None
    mask_names: tuple[str, ...] = ()
    mask_bits: bool = False
    mask_readers: Literal["majority", "any", "all"] = "majority"
    missing_masks: Literal["leave-out", "empty"] = "leave-out"


@dataclass(frozen=True)
class PhantomOptions:
    """Which phantoms to draw.

    Attributes:
        out: Folder for the images; it must be new or empty.
        count: Number of images; the labels alternate.
        size: Height and width in pixels.
        seed: Random seed; seed and index decide each image.
        findings: Draw phantoms whose label is a set of findings: a disc with any of five marks.
        masks: Also write the true shape of each lesion, to masks/ in the folder.
        overwrite: Write into a folder that holds files.
    """

    out: Path = setting(flag="-o --out")
    count: int = setting(2000, 1, 10_000_000, flag="-n --count")
    size: int = setting(64, *IMAGE_SIZES)
    seed: int = setting(0, 0, MAX_SEED)
    findings: bool = False
    masks: bool = False
    overwrite: bool = False
