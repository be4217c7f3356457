"""Headers of MetaImage and NRRD files, checked before SimpleITK opens them: sizes, and where the voxels are.

ITK would follow a data file's name anywhere and make room for any size that a header claims. So a header has to be of
the plain form that ITK and others write, and to name a file beside it.
Sources: MetaIO's documentation (itk.org/Wiki/ITK/MetaIO/Documentation), teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular
from drai_cli.io.values import check_size

_MAX_HEADER = 1 << 20  # sequences have some lines a frame
_MAX_LINE = 4096
_MAX_COMPONENTS = 1000
_CHUNK = 1 << 20
_MHA_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_|.-]{0,127})[ \t]*=[ \t]*(.*)")
_NRRD_LINE = re.compile(r"([A-Za-z][A-Za-z0-9 ]{0,63}): ?(.*)")
_NRRD_PAIR = re.compile(r"[^:=]{1,200}:=.*")
_MHA_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG", "MET_ULONG", "MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}
_NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    **{"float": 4, "double": 8},
}  # fmt: skip
_GZIP_OR_ZLIB = 47  # what zlib expects around the data (its wbits)
_CONVERT = "convert it with SimpleITK to one .nii.gz or .mha file"


@dataclass(frozen=True)
class Claim:
    """What a header claims, within bounds.

    Attributes:
        is_placed: Whether it says how the volume lies in the patient.
    """

    is_placed: bool


def check_mha(path: Path) -> Claim:
    """Checks a MetaImage.

    Raises:
        InputError: Not of the form that is read, too large, or its voxels are elsewhere or not all there.
    """
    subject = str(path)
    fields, start = _mha_fields(path)
    if fields.get("ObjectType", "Image") != "Image":
        raise InputError(subject, "expected an image, got another object of MetaIO's")
    extents = _whole_numbers(subject, fields, "DimSize")
    if [len(extents)] != _whole_numbers(subject, fields, "NDims") or not 2 <= len(extents) <= 4:
        raise InputError(subject, "expected 2 to 4 dimensions and their sizes in its header")
    item = _MHA_BYTES.get(fields.get("ElementType", "").removesuffix("_ARRAY"))
    if item is None:
        raise InputError(subject, "expected whole or real numbers, got another type of voxels")
    channels = _whole_numbers(subject, fields, "ElementNumberOfChannels", 1)
    count = _check(subject, extents, channels[0], item)
    size, skip = count * item, _whole_numbers(subject, fields, "HeaderSize", 0)[0]
    name = fields["ElementDataFile"]
    is_here = name.upper() == "LOCAL"
    if name.upper().startswith("LIST") or "%" in name or " " in name.strip():
        raise InputError(subject, "its voxels are in several files, one a slice", _CONVERT)
    voxels = path if is_here else _beside(path, name)
    if skip < -1 or (is_here and skip > 0):
        raise InputError(subject, "its header gives an impossible position of the voxels")
    at = start if is_here else max(skip, 0)
    if _is_true(fields.get("CompressedData", "False")):
        _check_raw(subject, voxels, at, _whole_numbers(subject, fields, "CompressedDataSize", 0)[0])
        _check_compressed(subject, voxels, at, size)
    else:
        is_text = not _is_true(fields.get("BinaryData", "True"))
        _check_raw(subject, voxels, at, 2 * count - 1 if is_text else size)
    placed = {"TransformMatrix", "Rotation", "Orientation"} & fields.keys()
    return Claim(bool(placed))


def check_nrrd(path: Path) -> Claim:
    """Checks an NRRD; errors as `check_mha`."""
    subject = str(path)
    fields, start = _nrrd_fields(path)
    extents = _whole_numbers(subject, fields, "sizes")
    if [len(extents)] != _whole_numbers(subject, fields, "dimension") or not 2 <= len(extents) <= 5:
        raise InputError(subject, "expected 2 to 5 dimensions and their sizes in its header")
    if fields.get("type", "").lower() not in _NRRD_BYTES:
        raise InputError(subject, "expected whole or real numbers, got another type of voxels")
    item = _NRRD_BYTES[fields["type"].lower()]
    count = _check(subject, extents, 1, item)
    name = fields.get("data file", fields.get("datafile"))
    if {"data file", "datafile"} <= fields.keys():
        raise InputError(subject, "its header names its voxels twice")
    if name is not None and (name.upper().startswith("LIST") or "%" in name or " " in name.strip()):
        raise InputError(subject, "its voxels are in several files, one a slice", _CONVERT)
    voxels, at = (path, start) if name is None else (_beside(path, name), 0)
    skips = [fields.get(key, "0") for key in ("line skip", "lineskip", "byte skip", "byteskip")]
    if any(skip.strip() not in ("0", "-1") for skip in skips):
        raise InputError(
            subject, "expected voxels from the beginning of their file, got bytes to skip", _CONVERT
        )
    encoding = fields.get("encoding", "").lower()
    if encoding in ("gzip", "gz"):
        _check_compressed(subject, voxels, at, count * item)
    elif encoding in ("raw", "txt", "text", "ascii", "hex"):
        _check_raw(subject, voxels, at, count * item if encoding == "raw" else 2 * count - 1)
    else:
        raise InputError(
            subject, "expected voxels that are raw, text or gzip, got another encoding", _CONVERT
        )
    return Claim("space" in fields and "space directions" in fields)


def _check(subject: str, extents: list[int], channels: int, item: int) -> int:
    """The number of samples, if it is within bounds."""
    if not 1 <= channels <= _MAX_COMPONENTS or min(extents) < 1:
        raise InputError(subject, "expected an image, its header claims one without voxels")
    # Which dimension counts what is ITK's to say: whichever it is, all of them together are bounded. In memory are
    # at most ITK's voxels, their copy, and the turned one.
    count = channels * prod(extents)
    check_size(subject, (1, 1, 1), 3 * item * count)
    return count


def _mha_fields(path: Path) -> tuple[Mapping[str, str], int]:
    lines, fields = _lines(path), dict[str, str]()
    for line, end in lines:
        match = _MHA_LINE.fullmatch(line)
        if match is None or match[1] in fields:
            break
        fields[match[1]] = match[2].strip()
        if match[1] == "ElementDataFile":
            if any("ElementDataFile" in value for value in fields.values()):
                break
            return fields, end
    raise InputError(path, "expected the header of a MetaImage, got something else or a broken one")


def _nrrd_fields(path: Path) -> tuple[Mapping[str, str], int]:
    lines, fields, end = _lines(path), dict[str, str](), 0
    for index, (line, after) in enumerate(lines):
        end = after
        if not index:
            if re.fullmatch(r"NRRD000[1-5]", line) is None:
                break
        elif not line:
            return fields, end
        elif not line.startswith("#") and _NRRD_PAIR.fullmatch(line) is None:
            match = _NRRD_LINE.fullmatch(line)
            if match is None or match[1].lower() in fields:
                break
            fields[match[1].lower()] = match[2].strip()
    else:
        if "data file" in fields or "datafile" in fields:  # a header alone may end without an empty line
            return fields, end
    raise InputError(path, "expected the header of an NRRD, got something else or a broken one")


def _lines(path: Path) -> list[tuple[str, int]]:
    """The lines at the beginning of a file as long as they are text, and where each ends."""
    with open_regular(path) as file:
        head = file.read(_MAX_HEADER)
    found: list[tuple[str, int]] = []
    at = 0
    while at < len(head):
        end = head.find(b"\n", at)
        stop = len(head) if end < 0 else end
        raw = head[at:stop].rstrip(b"\r")
        if len(raw) > _MAX_LINE or not all(byte >= 32 or byte == 9 for byte in raw):
            break
        at = stop + (end >= 0)
        found.append((raw.decode("latin-1"), at))
    return found


def _beside(path: Path, name: str) -> Path:
    """The data file of a name, which has to be a file in the header's folder or below it, reached through no link.

    Raises:
        InputError: It is not.
    """
    inside = PurePosixPath(name)
    if (
        not name
        or "\0" in name
        or "\\" in name
        or ":" in name
        or inside.is_absolute()
        or ".." in inside.parts
    ):
        raise InputError(
            path, "the name of its data file leads out of its folder", "put both files into one folder"
        )
    voxels = path.parent / inside
    try:
        is_link = voxels.resolve(strict=True) != path.parent.resolve() / inside
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            path, "expected its data file beside it, got no such file", "copy both files"
        ) from error
    if is_link:
        raise InputError(path, "its data file is reached through a symbolic link", "copy the file itself")
    return voxels


def _check_raw(subject: str, voxels: Path, at: int, size: int) -> None:
    with open_regular(voxels) as file:
        file.seek(0, 2)
        there = file.tell() - at
    if there < size:
        raise InputError(subject, f"ends early: expected {size} bytes of voxels, got {max(there, 0)}")


def _check_compressed(subject: str, voxels: Path, at: int, size: int) -> None:
    """Checks that the voxels are all there; what they become is counted, and never longer than what is claimed."""
    got, decoder = 0, zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        with open_regular(voxels) as file:
            file.seek(at)
            while got < size and not decoder.eof:
                raw = decoder.unconsumed_tail or file.read(_CHUNK)
                if not raw:
                    break
                got += len(decoder.decompress(raw, _CHUNK))
    except BROKEN as error:
        raise InputError(subject, "its compressed voxels are broken") from error
    if got < size:
        raise InputError(subject, f"ends early: expected {size} bytes of voxels, got {got}")


def _whole_numbers(
    subject: str, fields: Mapping[str, str], name: str, otherwise: int | None = None
) -> list[int]:
    written = fields.get(name)
    if written is None and otherwise is not None:
        return [otherwise]
    words = (written or "").split()
    if not words or not all(re.fullmatch(r"-?\d{1,12}", word) for word in words):
        raise InputError(subject, f"expected whole numbers as its {name}")
    return [int(word) for word in words]


def _is_true(word: str) -> bool:
    return word[:1] in ("T", "t", "1")
