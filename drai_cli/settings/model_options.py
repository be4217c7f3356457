"""What the commands that train, measure and share models can be told, with defaults. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drai_cli.settings.config import IMAGE_SIZES, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.typed import setting

ExportKind = Literal["onnx", "torch-export", "hub-folder"]
EVALUATION_PARTS = ("fidelity", "disentanglement", "usefulness", "privacy")


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate, against what, and how thoroughly.

    Attributes:
        data: The real images, a data set of any kind. Of a run with its own split the test part is looked at.
        weights: A model file, run directory, bundled name or Hub name.
        synthetic: A folder of synthetic images, in one folder a label or with a table, instead of a model: anybody's.
        train_data: The data set that the generator was trained on, where there is no split; DATA is then all held out.
        split: A run's split.csv that says which images of DATA were trained on; a run directory brings its own.
        out: Folder for report.json and report.html; what was measured before is kept in it and not measured again.
        tools: Folder where judge and regressor are kept, for several evaluations on the same data; an earlier OUT will
            do; None: in OUT.
        metrics: Parts to measure: fidelity, disentanglement, usefulness, privacy; all if not given.
        features: What distances are measured in: an Inception file (published FID; needs the extra `drai-cli[fid]`), a
            SqueezeNet or ResNet of torchvision as .safetensors, or an .onnx file; None: the judge, a small network
            trained on DATA's own training images.
        part: The part of the split that is looked at; test is for numbers to report. held-out is test and validation
            together, for usefulness alone: its classifiers are then chosen by a fifth of the training groups.
        samples: Synthetic images a label, for label agreement and spread.
        pairs: Pairs of images whose styles are swapped.
        draws: Independent draws for the Fréchet distance.
        judge_images: Images that judge and factor regressor are shown in training; None: what suits the image size.
        usefulness_images: Images each classifier of usefulness is shown in training; None: 24,000.
        usefulness_seeds: Classifiers trained of each kind.
        usefulness_ratios: Synthetic images a real one that real images are tried with; may be given several times.
        small_labels: Labels whose recall is also taken together; may be given several times; those with less than half
            the mean count if not given.
        privacy_samples: Synthetic images compared with every training image.
        metadata: Table (CSV) that says what the images are.
        image_column: Its column that names the images, with or without suffix.
        label: Its column with the label; of DICOM without a table a keyword, such as BodyPartExamined, or `folder`.
        group: Its column whose value keeps images together (patient, lesion); intervals resample groups.
        group_pattern: In its place a regular expression, searched in each file's path below DATA: its first capture
            group, or else all it matches, keeps images together, as LIDC-[0-9]+ does of LIDC-0001_n2.png.
        kind: Which kind of set it is, where two are possible.
        size: With a folder of synthetic images, the side at which both are compared; None: the synthetic images' own.
        figures: Put pictures into report.html. They show real images beside synthetic ones, so a report that is to be
            shared does without.
        seed: Of samples, pairs, probes, classifiers and bootstrap.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        overwrite: Replace a report that is already there and not this command's.
    """

    data: Path
    weights: str | None = None
    synthetic: Path | None = None
    train_data: Path | None = None
    split: Path | None = None
    out: Path = setting(Path("report"), flag="-o --out")
    tools: Path | None = None
    metrics: tuple[str, ...] = ()
    features: Path | None = None
    part: Literal["test", "validation", "held-out"] = "test"
    samples: int = setting(200, 1)
    pairs: int = setting(1050, 1)
    draws: int = setting(3, 1)
    judge_images: int | None = setting(None, 1)
    usefulness_images: int | None = setting(None, 1)
    usefulness_seeds: int = setting(3, 1)
    usefulness_ratios: tuple[float, ...] = setting((0.5, 1.0, 2.0), 0.001, 100, flag="--usefulness-ratio")
    small_labels: tuple[str, ...] = setting((), flag="--small-label")
    privacy_samples: int = setting(1000, 1)
    metadata: Path | None = None
    image_column: str | None = None
    label: str | None = None
    group: str | None = None
    group_pattern: str | None = None
    kind: str | None = None
    size: int | None = setting(None, *IMAGE_SIZES)
    figures: bool = True
    seed: int = setting(0, 0)
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class TrainRun:
    """One `drai train`.

    Attributes:
        data: What is trained on.
        training: How.
        out: The run directory.
        init: WEIGHTS to start from; None: fresh.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        licence: SPDX expression for the model; None: what is known of the data set or of `init`.
        tensorboard: Also write the terms and measures as TensorBoard events, in `OUT/tensorboard`.
    """

    data: DataOptions
    training: TrainOptions
    out: Path = setting(flag="-o --out")
    init: str | None = None
    device: str | None = None
    licence: str | None = None
    tensorboard: bool = False


@dataclass(frozen=True)
class CompareOptions:
    """Which methods to compare, on what.

    Attributes:
        data: What is trained on.
        training: How; method and seed are each run's own, the seed being the first of all.
        methods: Names of methods; `all` for every one.
        seeds: Runs of each method, with seeds that follow one another.
        out: Folder for runs, reports and the table; one that was begun is gone on with.
        devices: Where to compute: cpu, cuda, cuda:1, mps; given several times, runs go side by side, one a device.
        features: What distances are measured in, as `evaluate` takes it.
        judge_images: Images that judge and factor regressor are shown in training; None: what suits the image size.
        part: The part of the split that is looked at.
    """

    data: DataOptions
    training: TrainOptions
    methods: tuple[str, ...] = ("all",)
    seeds: int = setting(1, 1)
    out: Path = setting(Path("compare"), flag="-o --out")
    devices: tuple[str, ...] = setting((), flag="--device")
    features: Path | None = None
    judge_images: int | None = setting(None, 1)
    part: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class ExportOptions:
    """Which model to export, and as what.

    Attributes:
        out: The file, .onnx or .pt2, or the folder.
        to: onnx: one file from condition and codes to images, beside it .encoder.onnx and .swap.onnx. torch-export:
            .pt2 files for PyTorch programs; loading one can run code, so drai never takes it as WEIGHTS. hub-folder:
            the files that push would send.
        weights: A model file, run directory, bundled name or Hub name.
        name: What the card of a hub-folder calls the model; None: as OUT is called.
        overwrite: Replace what is already there.
    """

    out: Path = setting(flag="-o --out")
    to: ExportKind = setting()
    weights: str | None = None
    name: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class InfoOptions:
    """Which model to show.

    Attributes:
        weights: A .safetensors file, a run directory, a bundled model's name, or a Hub owner/name[@revision].
        list_all: List the available models: bundled, in the Hub cache, and in runs/ of the current folder.
    """

    weights: str | None = None
    list_all: bool = setting(False, flag="--list")


@dataclass(frozen=True)
class PullOptions:
    """Which model to fetch.

    Attributes:
        repository: Hub name, owner/name or owner/name@revision.
        to: Folder to copy it to, to carry it where there is no network; WEIGHTS is then that folder.
        overwrite: Replace what is already there.
    """

    repository: str
    to: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class PushOptions:
    """Which model to send where.

    Attributes:
        weights: A model file, run directory, bundled name or Hub name.
        repository: Hub name, owner/name or owner/name@branch; made if it is not there.
        message: Of the commit.
        private: Make a new repository private.
        dry_run: Make and list the files, and send nothing.
    """

    weights: str
    repository: str
    message: str | None = None
    private: bool = False
    dry_run: bool = False
