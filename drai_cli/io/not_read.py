"""Well-known formats of images that are not read, and what to do with their files. Standard library only."""

from __future__ import annotations

_SLIDE = "it is a whole slide: export regions of it as PNG or TIFF, for example with QuPath or OpenSlide"
_ARRAY = "an array has no labels: save its images as PNG or TIFF, or all in one .npz in MedMNIST's layout"
_PHOTOGRAPH = "convert it to PNG or JPEG, for example with ImageMagick: magick FILE FILE.png"
_MICROSCOPE = "export it as TIFF, for example with Fiji (Bio-Formats): File > Save As > Tiff"
_SCANNER = "convert it to NIfTI first, with the tools of the scanner's maker or SPM, FSL or FreeSurfer"

NOT_READ: dict[tuple[str, ...], str] = {
    (".heic", ".heif", ".avif", ".jp2", ".j2k", ".jpx", ".jxl", ".dng", ".cr2", ".nef", ".psd", ".svg",
     ".exr"): _PHOTOGRAPH,
    (".raw", ".zraw", ".bin"): "numbers alone have no size: give their header (.mhd, .nhdr), or save them as PNG",
    (".svs", ".ndpi", ".scn", ".mrxs", ".vms", ".vmu", ".bif", ".isyntax"): _SLIDE,
    (".czi", ".lif", ".nd2", ".oib", ".oif", ".lsm", ".vsi", ".ims", ".zvi"): _MICROSCOPE,
    (".npy", ".mat", ".h5", ".hdf5", ".hdf", ".zarr", ".pkl", ".pickle", ".pt", ".pth", ".tfrecord", ".tfrecords",
     ".arrow", ".lmdb"): _ARRAY,
    (".parquet",): "if it holds images: write them as PNG or TIFF files, and the rest as a CSV table",
    (".ljpeg", ".ics", ".flt", ".img.gz"): "convert it to PNG or TIFF, with the tools that its publisher names",
    (".mnc", ".rec", ".par", ".v", ".ecat", ".vtk", ".vti", ".xml.gz"): _SCANNER,
    (".pdf",): "extract its images, for example with pdfimages",
    (".mp4", ".avi", ".mov", ".mkv", ".wmv"): "write its frames as images: ffmpeg -i FILE FOLDER/%06d.png",
    (".zip",): "give a zip of a whole set as the path, or unpack all of them, and give the folder",
    (".rar", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"): "unpack it, and give the folder",
}  # fmt: skip
"""Suffixes, lower case, to one line of advice."""
