"""Trains on slices of NIfTI volumes in one folder per class, and writes samples as NIfTI.

    python examples/train_nifti.py volumes/ --axis axial --slices nonempty --out runs/volumes

`volumes/` holds `healthy/*.nii.gz`, `lesion/*.nii.gz`, and so on; a table works as well (see train_dicom.py). A volume
is one group: all its slices are in one part of the split. The same with commands:

    drai train --data volumes/ --axis axial --slices nonempty --size 64 --out runs/volumes
    drai sample --weights runs/volumes --per-class 4 --format nifti --out runs/volumes-samples
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
    parser.add_argument("volumes", type=Path, help="folder with one folder of volumes per class")
    parser.add_argument("--axis", default="axial", choices=("axial", "coronal", "sagittal"))
    parser.add_argument("--slices", default="nonempty", help="all, central, nonempty or an index")
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

    data, training = resolve_settings(
        None,
        {
            "data": given.volumes,
            "axis": given.axis,
            "slices": given.slices,
            "size": given.size,
            "kimg": given.kimg,
            "batch_size": given.batch_size,
        },
    )
    result = train(TrainRun(data, training, given.out))
    print(f"{result.run}: {result.images_seen} images seen, ended by {result.stopped_by}")
    samples = given.out.with_name(given.out.name + "-samples")
    made = sample(SampleOptions(out=samples, weights=str(given.out), per_class=4, format="nifti"))
    print(f"{made.out}: {made.images} images")


if __name__ == "__main__":
    main()
