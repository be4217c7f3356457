"""DICOM, volumes and npz files of less than 1 MiB that claim or become much, for `fuzz_bounds.py`."""

from __future__ import annotations

import random
import struct
from math import prod
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from tests.stress.bounds_packing import (
    Command,
    Make,
    amount,
    deflated,
    encoded,
    gzipped,
    log_uniform,
    use,
    zeros,
    zipped,
)


def _dicom(
    chance: random.Random, rows: int, columns: int, frames: int, number: int, allocated: int, samples: int,
    more: list[tuple[int, int, bytes, bytes]], syntax: bytes,
) -> bytes:  # fmt: skip
    """A header, explicit and little-endian, without its pixels."""
    elements = [
        (0x0008, 0x0016, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"), (0x0008, 0x0018, b"UI", b"1.2.%d" % (number + 1)),
        (0x0008, 0x0060, b"CS", b"CT"), (0x0020, 0x000D, b"UI", b"1.2\0"), (0x0020, 0x000E, b"UI", b"1.3\0"),
        (0x0020, 0x0013, b"IS", b"%d" % number), (0x0020, 0x0032, b"DS", b"0\\0\\%d" % number),
        (0x0020, 0x0037, b"DS", b"1\\0\\0\\0\\1\\0"), (0x0028, 0x0002, b"US", struct.pack("<H", samples)),
        (0x0028, 0x0008, b"IS", b"%d" % frames), (0x0028, 0x0010, b"US", struct.pack("<H", rows)),
        (0x0028, 0x0011, b"US", struct.pack("<H", columns)), (0x0028, 0x0030, b"DS", b"1\\1 "),
        (0x0028, 0x0100, b"US", struct.pack("<H", allocated)), (0x0028, 0x0101, b"US", struct.pack("<H", allocated)),
        (0x0028, 0x0102, b"US", struct.pack("<H", allocated - 1)), *more,
    ]  # fmt: skip
    body = bytearray()
    for group, tag, vr, value in sorted(elements, key=lambda one: one[:2]):
        value += b"\0" * (len(value) % 2) if vr in (b"UI", b"US", b"OW") else b" " * (len(value) % 2)
        if vr in (b"OW", b"SQ"):
            body += struct.pack("<HH2sHI", group, tag, vr, 0, len(value)) + value
        else:
            body += struct.pack("<HH2sH", group, tag, vr, len(value)) + value
    syntax += b"\0" * (len(syntax) % 2)
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta + bytes(body)


def _dicom_more(chance: random.Random, samples: int) -> list[tuple[int, int, bytes, bytes]]:
    """Elements that make values of stored numbers: inversion, rescale, padding, LUTs."""
    white = chance.random() < 0.3
    grey = b"MONOCHROME1" if white else b"MONOCHROME2"
    photometric = grey if samples == 1 else chance.choice((b"RGB ", b"YBR_FULL"))
    more = [
        (0x0028, 0x0004, b"CS", photometric),
        (0x0028, 0x0103, b"US", struct.pack("<H", chance.choice((0, 0, 1)))),
    ]
    if samples == 3:
        more.append((0x0028, 0x0006, b"US", struct.pack("<H", chance.choice((0, 1)))))
    if chance.random() < 0.5:
        more += [
            (0x0028, 0x1052, b"DS", b"-1024 "), (0x0028, 0x1053, b"DS", chance.choice((b"1", b"3 ", b"0.5 "))),
        ]  # fmt: skip
    if chance.random() < 0.4:
        more.append((0x0028, 0x0120, b"US", struct.pack("<H", 0)))
    if samples == 1 and chance.random() < 0.15:
        lut = struct.pack("<HH2sH3H", 0x28, 0x3002, b"US", 6, 256, 0, 16) + struct.pack(
            "<HH2sHI", 0x28, 0x3006, b"OW", 0, 512
        ) + bytes(512)  # fmt: skip
        more.append((0x0028, 0x3000, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(lut)) + lut))
    if samples == 1 and chance.random() < 0.1:
        more = [one for one in more if one[:2] != (0x28, 4)] + [(0x28, 4, b"CS", b"PALETTE COLOR ")]
        for tag in (1, 2, 3):
            more += [
                (0x28, 0x1100 + tag, b"US", struct.pack("<3H", 256, 0, 16)), (0x28, 0x1200 + tag, b"OW", bytes(512)),
            ]  # fmt: skip
    return more


def _whole_dicom(
    chance: random.Random, number: int, rows: int, columns: int, frames: int
) -> tuple[bytes, int]:
    """All of a file but the zeros at its end, and how many those are."""
    allocated, samples = chance.choice(((8, 1), (8, 1), (16, 1), (32, 1), (8, 3), (1, 1)))
    head = _dicom(
        chance,
        rows,
        columns,
        frames,
        number,
        allocated,
        samples,
        _dicom_more(chance, samples),
        b"1.2.840.10008.1.2.1",
    )
    size = -(-rows * columns * frames * samples * allocated // 8)
    size += size % 2
    return head + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, size), size


def dicom_series(folder: Path, chance: random.Random) -> Command:
    """A zip of slices: the first of other type, rescale or size than those that follow."""
    count = log_uniform(chance, 1, 300)
    total = amount(chance)
    side = max(1, min(8192, round((total / count) ** 0.5)))
    path = folder / "series.zip"
    same, members = chance.random() < 0.6, []
    state = chance.getrandbits(32)
    for number in range(count):
        own = random.Random(state if same or number else state + 1)
        rows = side if same or number else max(1, side // 3)
        head, size = _whole_dicom(own, number, rows, side, own.choice((1, 1, 1, 3)))
        members.append((f"{number}.dcm", head, min(size, 1 << 29)))
    path.write_bytes(zipped(members))
    return use(path, chance)


def dicom_file(folder: Path, chance: random.Random) -> Command:
    """One file that is deflated, RLE, JPEG or JPEG 2000, whose frames become much or claim it."""
    side = chance.choice((64, 2000, 4096, 8000, 8192))
    frames = log_uniform(chance, 1, 500) if side < 2001 else chance.choice((1, 1, 2, 4))
    path = folder / chance.choice(("a.dcm", "a"))
    kind = chance.choice(("deflated", "rle", "jpeg", "j2k", "j2k claim", "palette"))
    if kind in ("deflated", "palette"):
        raw, size = _whole_dicom(chance, 1, side, side, frames)
        start = raw.index(struct.pack("<HH", 8, 0x16))
        head = bytes(128) + b"DICM"
        syntax = b"1.2.840.10008.1.2.1.99"
        meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
        head += struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta
        path.write_bytes(head + deflated(raw[start:], min(size, 700 << 20)))
        return use(path, chance)
    samples = chance.choice((1, 3))
    if kind == "rle":
        syntax, allocated = b"1.2.840.10008.1.2.5", chance.choice((8, 16))
        segments = samples * allocated // 8
        one = b"\x81\0" * min(side * side // 128 + 1, 900_000 // (2 * segments))
        frame = struct.pack(
            "<16I", segments, *(64 + len(one) * index for index in range(segments)), *[0] * (15 - segments)
        )
        frame += one * segments
    elif kind == "jpeg":
        syntax, allocated = b"1.2.840.10008.1.2.4.50", 8
        frame = encoded("JPEG", "RGB" if samples == 3 else "L", side, side, quality=1)
    else:
        syntax, allocated = b"1.2.840.10008.1.2.4.90", 8
        small = min(side, 4096) if kind == "j2k" else 64
        side = small if kind == "j2k" else side
        frame = bytearray(
            encoded("JPEG2000", "RGB" if samples == 3 else "L", small, small, irreversible=False, no_jp2=True)
        )
        if kind == "j2k claim":
            struct.pack_into(">II", frame, 8, side, side)
            if chance.random() < 0.6:
                struct.pack_into(">II", frame, 24, chance.choice((1, side, 2**31)), chance.choice((1, side)))
        frame = bytes(frame)
    frame += b"\0" * (len(frame) % 2)
    head = _dicom(chance, side, side, frames, 1, allocated, samples, _dicom_more(chance, samples), syntax)
    frames = min(frames, max(1, (900 << 10) // len(frame)))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame
    body = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    path.write_bytes(head + body + item * frames + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    return use(path, chance)


_NIFTI_TYPES = {
    2: np.uint8,
    4: np.int16,
    8: np.int32,
    16: np.float32,
    64: np.float64,
    256: np.int8,
    512: np.uint16,
}


def volume(folder: Path, chance: random.Random) -> Command:
    """NIfTI, MGH, MetaImage and NRRD: shapes, types and scales that become more than is stored."""
    kind = chance.choice(("nii", "nii", "nii", "mgz", "mha", "nrrd"))
    total = amount(chance)
    dims = chance.choice((2, 3, 3, 4))
    shape = [
        max(1, min(30_000, round(total ** (1 / dims) * chance.choice((1, 1, 3, 0.3))))) for _ in range(dims)
    ]
    dtype = chance.choice(list(_NIFTI_TYPES.values()))
    size = prod(shape) * np.dtype(dtype).itemsize
    real = min(size, 900 << 20) if chance.random() < 0.9 else log_uniform(chance, 1, 1e8)
    if kind == "nii":
        header = nibabel.Nifti1Header() if max(shape) < 32768 else nibabel.Nifti2Header()
        header.set_data_dtype(dtype)
        header.set_data_shape(shape)
        if chance.random() < 0.5:
            header["scl_slope"], header["scl_inter"] = (
                chance.choice((0.5, 2, 1, -1)),
                chance.choice((0, -1024)),
            )
        if chance.random() < 0.1:
            header["datatype"] = chance.choice((128, 2304, 1792, 1536, 32, 768, 1024))
        if chance.random() < 0.15:
            header["vox_offset"] = chance.choice((352, 1e9, 4e9, -1))
        head = header.binaryblock + bytes(4)
    elif kind == "mgz":
        header = nibabel.freesurfer.mghformat.MGHHeader()
        header.set_data_dtype(chance.choice((np.uint8, np.int32, np.float32, np.int16)))
        header.set_data_shape((shape * 2)[:3])
        head = header.binaryblock
    elif kind == "mha":
        name = chance.choice(("MET_UCHAR", "MET_SHORT", "MET_FLOAT", "MET_DOUBLE", "MET_LONG"))
        head = (
            f"ObjectType = Image\nNDims = {dims}\nBinaryData = True\nCompressedData = True\n"
            f"DimSize = {' '.join(map(str, shape))}\nElementNumberOfChannels = {chance.choice((1, 1, 3, 100))}\n"
            f"ElementType = {name}\nElementDataFile = LOCAL\n"
        ).encode()
    else:
        name = chance.choice(("uchar", "short", "float", "double"))
        head = (
            f"NRRD0004\ntype: {name}\ndimension: {dims}\nsizes: {' '.join(map(str, shape))}\n"
            f"encoding: {chance.choice(('gzip', 'gzip', 'raw'))}\nendian: little\n\n"
        ).encode()
    path = folder / f"a.{ {'nii': 'nii.gz'}.get(kind, kind) }"
    if kind == "mha":
        path.write_bytes(head + zeros(max(1, real)))
    elif kind == "nrrd":
        path.write_bytes(head + gzipped(b"", max(1, real)))
    else:
        path.write_bytes(gzipped(head, real))
    return use(path, chance)


def npz(folder: Path, chance: random.Random) -> Command:
    """A set in an npz: headers that claim much, arrays that become much."""
    path = folder / "a.npz"
    side = log_uniform(chance, 1, 9000 if chance.random() < 0.1 else 500)
    count = log_uniform(chance, 1, 1e6) if chance.random() < 0.1 else max(1, amount(chance) // side**2)
    dtype = chance.choice(
        ("|u1", "<u2", "<f8", "|O", f"<U{log_uniform(chance, 1, 1e9)}", "|b1", [("a", "<u8", (9999, 9999))])
    )
    image_dtype = chance.choice(("|u1", "|u1", "<u2")) if chance.random() < 0.9 else dtype
    axes = chance.choice(((), (), (3,))) if chance.random() < 0.95 else (9,) * 40
    images = {
        "descr": image_dtype,
        "fortran_order": chance.random() < 0.05,
        "shape": (count, side, side, *axes),
    }
    labels = {
        "descr": chance.choice(("<i8", "|u1")) if chance.random() < 0.9 else dtype,
        "fortran_order": False,
        "shape": (count, *chance.choice(((), (1,), (1,), (14,), (300,)))),
    }
    members = []
    for part in ("train", "val", "test"):
        for kind, header in (("images", images), ("labels", labels)):
            shape = header["shape"] if part == "train" else (0, *header["shape"][1:])
            members.append(_npy(f"{part}_{kind}.npy", {**header, "shape": shape}, chance))
    if chance.random() < 0.1:
        words = {
            "descr": f"<U{log_uniform(chance, 1, 1e7)}", "fortran_order": False,
            "shape": (log_uniform(chance, 1, 70_000),),
        }  # fmt: skip
        members.append(_npy("label_names.npy", words, chance))
    path.write_bytes(zipped(members))
    return ["inspect", str(path)]


def _npy(name: str, header: dict[str, Any], chance: random.Random) -> tuple[str, bytes, int]:
    text = (
        repr(header).encode()
        + b" " * (10 if chance.random() < 0.95 else log_uniform(chance, 10, 1e6))
        + b"\n"
    )
    claimed = len(text) if chance.random() < 0.98 else 2**32 - 1
    try:
        item = np.dtype(header["descr"]).itemsize
    except (TypeError, ValueError):
        item = 1
    size = prod((1, *header["shape"])) * item
    return name, b"\x93NUMPY\x02\0" + struct.pack("<I", claimed) + text, min(size, 700 << 20)


VOLUMES: dict[str, Make] = {"series": dicom_series, "dicom": dicom_file, "volume": volume, "npz": npz}
