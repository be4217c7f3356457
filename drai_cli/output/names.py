"""Labels and input names as file names that are safe on every common file system; labels can be read back."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from drai_cli.errors import InputError

_MOST_BYTES = 200
"""Of a label in a file name, which adds a number and a suffix; file systems take 255."""

# Names of devices on Windows, and of the tables, tar and npz files of an output folder.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|metadata.*\.csv|manifest.*\.json|images-\d+\.tar|images.*\.npz",
    re.IGNORECASE,
)


def safe_name(label: str, *, is_caseless: bool = False) -> str:
    """A label as a file name: keeps letters, digits, `_`, `-`, inner dots and spaces, percent-encodes the rest.

    The first letter of a reserved name is encoded. `urllib.parse.unquote` is the inverse.

    Args:
        label: Any text.
        is_caseless: Encode capitals too, for file systems that ignore case.
    """
    last = len(label) - 1
    # Of two spellings that some file systems take for one, the one that is not composed (NFC) is spelt out.
    is_composed = unicodedata.is_normalized("NFC", label)
    parts = [
        c
        if (c.isalnum() or c in "_-" or (c in ". " and 0 < i < last))
        and not (is_caseless and c != c.casefold())
        and (is_composed or c.isascii())
        else _encode(c)
        for i, c in enumerate(label)
    ]
    if _RESERVED.fullmatch(label) or label.startswith(
        "-"
    ):  # programs take -x for an option, spreadsheets for a sum
        parts[0] = _encode(label[0])
    return "".join(parts)


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """Label to folder name; names of labels that differ only in case differ by more than case."""
    folded = Counter(_fold(label) for label in labels)
    return {label: safe_name(label, is_caseless=folded[_fold(label)] > 1) for label in labels}


def check_label_names(subject: object, labels: Sequence[str]) -> None:
    """Checks that files can be named after labels, before a model is trained on them.

    Raises:
        InputError: A label is longer than a file name may be, or has control characters.
    """
    for label, name in folder_names(labels).items():
        if any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in label):
            raise InputError(subject, f"expected labels of printable characters, got {label!r:.80}")
        if len(name.encode()) > _MOST_BYTES:
            raise InputError(
                subject,
                f"expected labels of at most {_MOST_BYTES} bytes as file names, got one of {len(name.encode())} "
                f"({label[:40]!r}…)",
                "shorten it in the table or folder that names it",
            )


def safe_stems(names: Sequence[str], longest: int = 80) -> list[str]:
    """File names without suffix, safe, at most `longest` letters, and numbered if two are equal."""
    safe = [safe_name(re.sub(r"(\.nii(?=\.gz$))?\.[^.]+$", "", name) or name)[:longest] for name in names]
    if len({name.casefold() for name in safe}) == len(safe):
        return safe
    return [f"{name}-{number}" for number, name in enumerate(safe, 1)]


def _fold(label: str) -> str:
    """The same for labels that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())


def _encode(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
