"""The windows and tone curves that a DICOM file suggests (PS3.3 C.11.2). Knows no pixels."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset

from drai_cli.io.dicom.file import items, numbers, text
from drai_cli.io.stack import ToneCurve


def windows_of(voi: Dataset, mirror: float | None) -> tuple[tuple[str, float, float], ...]:
    """Names, centres and widths (PS3.3 C.11.2.1.2), as LINEAR has them; mirrored for inverted values."""
    centres, widths = numbers(voi, "WindowCenter"), numbers(voi, "WindowWidth")
    names = text(voi, "WindowCenterWidthExplanation").split("\\")
    is_exact = text(voi, "VOILUTFunction") == "LINEAR_EXACT"
    windows = []
    for index, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        if width <= 0:
            continue
        if is_exact:  # from centre - width / 2 to centre + width / 2
            centre, width = centre + 0.5, width + 1
        if mirror is not None:
            centre = mirror - centre + 1
        windows.append((names[index].strip() if index < len(names) else "", centre, width))
    return tuple(windows)


def curves_of(voi: Dataset, mirror: float | None, word: str) -> tuple[ToneCurve, ...]:
    """The valid VOI LUTs (PS3.3 C.11.2.1.1)."""
    curves = []
    for lut in items(voi, "VOILUTSequence"):
        descriptor = numbers(lut, "LUTDescriptor")
        if len(descriptor) != 3:
            continue
        count, first, bits = int(descriptor[0]) or 1 << 16, descriptor[1], lut_bits(lut)
        data = lut.get("LUTData")
        levels = np.frombuffer(data, word) if isinstance(data, bytes) else np.array(data, np.int64)
        if bits <= 8 and levels.size < count and isinstance(data, bytes):
            levels = np.frombuffer(data, np.uint8)
        levels = (levels[:count] & 0xFFFF).astype(np.uint16)
        if levels.size == 0:
            continue
        if mirror is not None:
            first = mirror - (first + levels.size - 1)
            levels = ((1 << bits) - 1 - levels.astype(np.int64)[::-1]).clip(0).astype(np.uint16)
        curves.append(ToneCurve(text(lut, "LUTExplanation"), first, levels, bits))
    return tuple(curves)


def lut_bits(lut: Dataset) -> int:
    """Bits of an entry, the third number of (0028,3002) LUTDescriptor."""
    descriptor = numbers(lut, "LUTDescriptor")
    return int(descriptor[2]) if len(descriptor) == 3 and 1 <= descriptor[2] <= 16 else 16
