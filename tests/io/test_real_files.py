"""The real DICOM and NIfTI files that lie beside the project, where they do: read, or refused in one line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from drai_cli.errors import InputError
from drai_cli.io.read import read_stack

REAL = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data at {REAL}"),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("gdcm", "openjpeg", "jpeg_ls")),
        reason="drai-cli[dicom] is not installed",
    ),
]
REFUSED = {"JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm", "meta_missing_tsyntax.dcm"}


def test_every_file_reads_or_says_why_not():
    refused = set()
    for path in sorted([*(REAL / "dicom").rglob("*.dcm"), *(REAL / "nifti").glob("*.nii*")]):
        try:
            stack = read_stack(path)
        except InputError as error:
            refused |= {"several lines"} if "\n" in str(error) else set()
            if path.parent.name != "non_image_or_seg":
                refused.add(path.name)
        else:
            assert path.parent.name != "non_image_or_seg"
            assert stack.array.ndim == 3 + (stack.channels == 3)
    assert refused == REFUSED


def test_a_tilted_series():
    stack = read_stack(REAL / "dicom" / "ct_series_ge")
    assert stack.array.shape == (28, 512, 512)
    assert (stack.unit, stack.geometry.orientation) == ("HU", "LPS")
    # Slices go straight up, rows are tilted: the shear is in the affine.
    assert stack.geometry.affine[:2, 2] == pytest.approx([0, 0], abs=1e-6)
    assert stack.geometry.affine[2, 1] < -0.1
