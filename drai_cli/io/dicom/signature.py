"""How DICOM is called, and how its files begin. Standard library only."""

from __future__ import annotations

import struct

NAME = "dicom"
"""Of the format, as `--format` takes it."""
DICOMDIR = "DICOMDIR"
PREAMBLE = 128
"""Bytes before `DICM`."""

_VALUE_REPRESENTATIONS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)


def begins_as_dicom(head: bytes) -> bool:
    """Whether bytes begin as a DICOM file (PS3.10 section 7.1), or as a data set without file meta information."""
    if head[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return True
    if len(head) < 8:
        return False
    for order in "<>":
        group, element = struct.unpack(f"{order}HH", head[:4])
        if group in (0x0002, 0x0008) and element < 0x1200:
            if head[4:6] in _VALUE_REPRESENTATIONS:
                return True
            if order == "<" and group == 0x0008 and struct.unpack("<I", head[4:8])[0] < 1 << 12:
                return True
    return False
