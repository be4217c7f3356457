"""Trains on a tree of DICOM files with labels in a CSV, grouped by patient, and samples from the model.

    python examples/train_dicom.py scans/ labels.csv --label diagnosis --out runs/scans

The table has one row per image, series or patient: the name of its first column says which (file, SOPInstanceUID,
SeriesInstanceUID or PatientID). All of a patient's images are in one part of the split. CT is
windowed to -1000 to 1000 HU for the whole set, so samples are written in HU. The same with commands:

    drai train --data scans/ --metadata labels.csv --label diagnosis --size 64 --out runs/scans
    drai sample --weights runs/scans --per-class 4 --format dicom --out runs/scans-samples
"""

from __future__ import annotations

import argparse
from pathlib import Path

from drai_cli.cli.train import resolve_settings
from drai_cli.settings.image_options import SampleOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.workflows.sample import sample
from drai_cli.workflows.train import train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scans", type=Path, help="folder with DICOM files, however deep")
    parser.add_argument("table", type=Path, help="CSV with the labels")
    parser.add_argument("--label", default="label", help="its column with the label")
    parser.add_argument("--size", type=int, default=64, help="pixels, a multiple of 16")
    parser.add_argument(
        "--kimg",
        type=float,
        default=None,
        help="thousands of images to train on (default: until it stops improving)",
    )
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--out", type=Path, required=True, help="run directory")
    given = parser.parse_args()

    # What the prompt does: what is given goes before the preset of the size, that before the defaults.
    data, training = resolve_settings(
        None,
        {
            "data": given.scans,
            "metadata": given.table,
            "label": given.label,
            "size": given.size,
            "kimg": given.kimg,
            "batch_size": given.batch_size,
        },
    )
    result = train(TrainRun(data, training, given.out))
    print(f"{result.run}: {result.images_seen} images seen, ended by {result.stopped_by}")
    samples = given.out.with_name(given.out.name + "-samples")
    made = sample(SampleOptions(out=samples, weights=str(given.out), per_class=4, format="dicom"))
    print(f"{made.out}: synthetic DICOM, marked as such, with no patient's data")


if __name__ == "__main__":
    main()
