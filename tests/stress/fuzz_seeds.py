"""Sound files of plain images and of volumes, which `fuzz_readers.py` mutates."""

from __future__ import annotations

import contextlib
import gzip
import io
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from nibabel.freesurfer.mghformat import MGHImage
from PIL import Image as PillowImage

from tests.support.tiff_file import page, tiff

COMPANIONS = {"pair.hdr": "pair.img", "apart.mhd": "apart.raw", "apart.nhdr": "apart.raw"}
"""What lies beside a file that is mutated, unmutated."""


def image_seeds() -> list[tuple[str, bytes]]:
    """Names and contents of plain images of every kind and depth."""
    numbers = np.random.default_rng(1)
    grey = numbers.integers(0, 255, (24, 20), np.uint8)
    deep = numbers.integers(0, 4000, (24, 20), np.uint16)
    real = numbers.normal(0, 9, (24, 20)).astype(np.float32)
    frames = [PillowImage.fromarray(np.roll(grey, step)) for step in range(3)]
    colour = PillowImage.fromarray(numbers.integers(0, 255, (24, 20, 3), np.uint8))
    animated = {"save_all": True, "append_images": frames[1:]}

    def saved(picture: PillowImage.Image, kind: str, **options: object) -> bytes:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    thumbnail = page(grey[:5, :5], tags={254: 1})
    return [
        ("pages.tif", tiff([page(grey), page(grey), thumbnail, page(grey, tags={274: 6})])),
        ("lzw.tif", saved(frames[0], "TIFF", compression="tiff_lzw", **animated)),
        ("jpeg.tif", saved(colour, "TIFF", compression="jpeg")),
        ("fax.tif", saved(frames[0].convert("1"), "TIFF", compression="group4")),
        ("twelve.tif", tiff([page(deep, bits=12)])),
        ("white.tif", tiff([page(deep, white_is_zero=True, order=">")], ">")),
        ("real.tif", tiff([page(real, deflate=True)])),
        ("signed.tif", tiff([page(deep.astype(np.int16), deflate=True, order=">")], ">")),
        ("whole.tif", tiff([page(deep.astype(np.uint32))])),
        ("lossy.webp", saved(colour, "WEBP")),
        ("lossless.webp", saved(colour, "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")),
        ("frames.webp", saved(frames[0], "WEBP", **animated)),
        ("frames.gif", saved(frames[0], "GIF", **animated)),
        ("frames.png", saved(frames[0], "PNG", **animated)),
        ("deep.pgm", b"P5 20 24 4095\n" + deep.astype(">u2").tobytes()),
        ("text.pgm", b"P2\n# a comment\n3 2 255\n0 1 2 3 4 5\n"),
        ("colour.bmp", saved(colour, "BMP")),
        ("colour.jfif", saved(colour, "JPEG")),
    ]


def volume_seeds() -> list[tuple[str, bytes]]:
    """Names and contents of volumes; those of MetaImage and NRRD where SimpleITK is installed."""
    numbers = np.random.default_rng(2)
    voxels = numbers.integers(0, 99, (7, 6, 5)).astype(np.int16)
    affine = np.diag([-1.0, 2, 3, 1])
    found = [
        (
            "vector.nii",
            nibabel.Nifti1Image(voxels[..., None, None].astype(np.uint8).repeat(3, 4), affine).to_bytes(),
        ),
        ("a.mgh", MGHImage(voxels, affine).to_bytes()),
        ("a.mgz", gzip.compress(MGHImage(voxels.astype(np.float32), affine).to_bytes())),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nibabel.save(nibabel.Nifti1Pair(voxels, affine), folder / "pair.img")
        nibabel.save(nibabel.AnalyzeImage(voxels, affine), folder / "old.img")
        found += [
            ("pair.hdr", (folder / "pair.hdr").read_bytes()),
            ("pair.hdr", (folder / "old.hdr").read_bytes()),
        ]
        with contextlib.suppress(ImportError):
            import SimpleITK as sitk  # noqa: N813

            image = sitk.GetImageFromArray(voxels)
            image.SetDirection([0, 0, 1, 1, 0, 0, 0, -1, 0])
            vector = sitk.GetImageFromArray(voxels[..., None].astype(np.uint8).repeat(3, 3), isVector=True)
            four = sitk.GetImageFromArray(voxels[None].repeat(2, 0).astype(np.float32), isVector=False)
            for each, what in ((image, "grey"), (vector, "vector"), (four, "four")):
                for end in (".mha", ".nrrd"):
                    for packed in (False, True):
                        sitk.WriteImage(each, str(folder / f"{what}{end}"), packed)
                        found.append((f"{what}{end}", (folder / f"{what}{end}").read_bytes()))
            for end in (".mhd", ".nhdr"):
                sitk.WriteImage(image, str(folder / f"apart{end}"))
                found.append((f"apart{end}", (folder / f"apart{end}").read_bytes()))
    return found


def companion(name: str) -> bytes:
    """What lies beside a file of this name: voxels that are enough."""
    return bytes(1 << 12)
