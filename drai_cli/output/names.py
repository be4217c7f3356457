"""Labels and input names as file names: safe on every common file system, and reversible."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote

# What Windows keeps for devices, and an output folder for its tables and tar files.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|metadata.*\.csv|manifest.*\.json|images-\d+\.tar", re.IGNORECASE
)


def safe_name(label: str, *, is_caseless: bool = False) -> str:
    """A label as a file name: letters, digits, `_`, `-`, inner dots and spaces stay, the rest is per cent-encoded.

    Reserved names have their first letter encoded. `label_of` gives the label back.

    Args:
        label: Any text.
        is_caseless: Encode capitals too, so that the name differs from others by more than case.
    """
    last = len(label) - 1
    parts = [
        c
        if (c.isalnum() or c in "_-" or (c in ". " and 0 < i < last))
        and not (is_caseless and c != c.casefold())
        else _encoded(c)
        for i, c in enumerate(label)
    ]
    if _RESERVED.fullmatch(label):
        parts[0] = _encoded(label[0])
    return "".join(parts)


def label_of(name: str) -> str:
    """The label that `safe_name` or `folder_names` made a name of."""
    return unquote(name, errors="strict")


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """Label to folder name; labels that differ only in case get names that every disk can tell apart."""
    folded = Counter(label.casefold() for label in labels)
    return {label: safe_name(label, is_caseless=folded[label.casefold()] > 1) for label in labels}


def safe_stems(names: Sequence[str], longest: int = 80) -> list[str]:
    """File names without suffix, safe, not too long, and made different by a number where they are alike."""
    safe = [safe_name(re.sub(r"(\.nii(?=\.gz$))?\.[^.]+$", "", name) or name)[:longest] for name in names]
    if len({name.casefold() for name in safe}) == len(safe):
        return safe
    return [f"{name}-{number}" for number, name in enumerate(safe, 1)]


def _encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8"))
