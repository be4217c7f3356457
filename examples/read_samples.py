"""Reads what `drai sample` wrote: with the standard library, torchvision's ImageFolder, or Hugging Face datasets.

For tar files (`--format webdataset`) use `--with tar`; the package webdataset reads them too. For one file in
MedMNIST's layout (`--format npz`) use `--with npz`.

    drai sample --per-class 8 --out few/
    python examples/read_samples.py few/ --with csv
    python examples/read_samples.py few/ --with torchvision
    python examples/read_samples.py few/ --with datasets
    drai sample --per-class 8 --format webdataset --out packed/
    python examples/read_samples.py packed/ --with tar
    drai sample --per-class 8 --format npz --out one-file/
    python examples/read_samples.py one-file/ --with npz

Each prints the number of images of every label. If a library is missing, the message says how to install it.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tarfile
from collections import Counter
from pathlib import Path


def with_csv(folder: Path) -> Counter[str]:
    """metadata.csv names every image, its label, attributes, seed and index."""
    with open(folder / "metadata.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = [row["file_name"] for row in rows if not (folder / row["file_name"]).is_file()]
    if missing:
        sys.exit(f"{missing[0]}: in metadata.csv, but not there")
    return Counter(row["label"] for row in rows)


def with_torchvision(folder: Path) -> Counter[str]:
    """One folder a label is what ImageFolder wants; the two tables beside the folders do not disturb it."""
    try:
        from torchvision.datasets import ImageFolder
    except ImportError:
        sys.exit("torchvision is not installed: pip install torchvision")
    images = ImageFolder(str(folder))
    picture, target = images[0]
    print(f"first image: {picture.size}, {images.classes[target]}")
    return Counter(images.classes[target] for target in images.targets)


def with_datasets(folder: Path) -> Counter[str]:
    """metadata.csv is what the imagefolder builder wants: all its columns become features."""
    try:
        from datasets import load_dataset
    except ImportError:
        sys.exit("datasets is not installed: pip install datasets")
    images = load_dataset("imagefolder", data_dir=str(folder), split="train", drop_labels=True)
    first = images[0]
    print(
        f"first image: {first['image'].size}, {first['label']}, seed {first['seed']}, index {first['index']}"
    )
    return Counter(images["label"])


def with_tar(folder: Path) -> Counter[str]:
    """In a tar file each image is three members with one key: .png, .json and .cls, the label's number."""
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("images-*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                data = tar.extractfile(member).read()
                if kind == "json":
                    told = json.loads(data)
                    counts[told["label"]] += 1
                elif kind == "png" and not counts:
                    print(f"first image: {key}, {len(data)} bytes of PNG")
    return counts


def with_npz(folder: Path) -> Counter[str]:
    """Row k of metadata.csv is row k of the arrays; the classes of medmnist take the same file."""
    try:
        import numpy as np
    except ImportError:
        sys.exit("numpy is not installed: pip install numpy")
    with np.load(folder / "images.npz", allow_pickle=False) as arrays:
        images, numbers, names = (arrays[f] for f in ("train_images", "train_labels", "label_names"))
    print(f"first image: {images[0].shape}, {names[numbers[0, 0]]}")
    return Counter(str(names[number]) for number in numbers[:, 0])


READERS = {
    "csv": with_csv,
    "npz": with_npz,
    "tar": with_tar,
    "torchvision": with_torchvision,
    "datasets": with_datasets,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="an output of drai sample")
    parser.add_argument("--with", dest="reader", choices=READERS, default="csv")
    given = parser.parse_args()
    for label, count in sorted(READERS[given.reader](given.folder).items()):
        print(f"{label}  {count}")


if __name__ == "__main__":
    main()
