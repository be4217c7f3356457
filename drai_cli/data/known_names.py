"""Names that are known to say which patient or slide an image is of: BIDS, TCGA, CheXpert and other public layouts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SAMPLE = 500
_ENOUGH = 0.2
"""Least share of all files whose names follow a scheme; the others are groups of their own."""


@dataclass(frozen=True)
class NameScheme:
    """How the names of a known layout say what belongs together.

    Attributes:
        title: Where it comes from.
        pattern: As `--group-pattern` takes it: its first capture group, searched in a file's path, is the group.
    """

    title: str
    pattern: str

    def value(self, name: str) -> str:
        """The group of a file; empty where the name does not say."""
        match = re.search(self.pattern, name)
        return match[1] if match else ""


SCHEMES: tuple[NameScheme, ...] = (
    NameScheme("BIDS subjects", r"(?:^|[/_])(sub-[A-Za-z0-9]+)(?=[/_.]|$)"),
    NameScheme("TCGA patients", r"(TCGA[-_][A-Z0-9]{2}[-_][A-Z0-9]{4})(?![A-Z0-9])"),
    NameScheme("LIDC-IDRI patients", r"(LIDC-IDRI-\d{4})(?!\d)"),
    NameScheme("OASIS subjects", r"(?:^|[/_-])(OAS\d_?\d{4})(?=[/_.-]|$)"),
    NameScheme("ADNI subjects", r"(?<!\d)(\d{3}_S_\d{4,5})(?!\d)"),
    NameScheme("BreakHis slides", r"SOB_[BM]_[A-Z]{1,3}[-_](\d{2}-[0-9A-Z]+)-(?:40|100|200|400)-\d+\.\w+$"),
    NameScheme("CBIS-DDSM patients", r"(?:^|[/_-])(P_\d{5})_(?:LEFT|RIGHT)(?=_)"),
    NameScheme("MIMIC-CXR patients", r"(?:^|/)p\d{2}/(p\d{8})(?=/)"),
    NameScheme("ChestX-ray14 patients", r"(?:^|/)(000\d{5})_\d{3}\.\w+$"),
    NameScheme("nnU-Net cases", r"(?:^|/)images(?:Tr|Ts|Va)/(.+)_\d{4}\.[a-z.]+$"),
    NameScheme(
        "BraTS cases",
        r"(?i:(?:^|/)(BraTS\d*[-_](?:[A-Z0-9]+[-_])*?\d+)[-_](?:\d{3}-)?(?:t1\w*|t2\w*|flair)\.)",
    ),
    NameScheme("IXI subjects", r"(?:^|/)(IXI\d{3})-"),
    NameScheme("DeepLesion patients", r"(?:^|/)(\d{6})_\d{2}_\d{2}[/_]\d{3}\.\w+$"),
    NameScheme("INbreast patients", r"(?:^|/)\d{8}_([0-9a-f]{16})_MG_[LR]_"),
    NameScheme("OCT2017 patients", r"(?:^|/)((?:CNV|DME|DRUSEN|NORMAL)-\d+)-\d+\.\w+$"),
    NameScheme("IDC patients", r"(?:^|/)(\d{4,6})_idx\d+_x\d+_y\d+_class[01]\.\w+$"),
    NameScheme(
        "patients' names",
        r"(?i:(?:^|[/_-])((?:patient|subject|participant|pat|subj)[-_ ]?(?:id[-_ ]?)?(?:\d+|\(\d+\)))(?=[/_.\- ]|$))",
    ),
    NameScheme(
        "left and right",
        r"(?:^|/)([^/]*\d[^/]*?)(?:[-_ ](?i:left|right|od|os|l|r)|(?<=\d)(?:OD|OS|L|R))\.\w+$",
    ),
)  # fmt: skip


def find_patient(name: str) -> str:
    """What a folder's or file's name says of patient or slide by the first scheme that fits; empty where none does."""
    return next((value for scheme in SCHEMES if (value := scheme.value(name))), "")


def find_scheme(names: Sequence[str]) -> NameScheme | None:
    """The first scheme that names follow and that puts several of them into one group; None: none does."""
    sample = names[:: max(1, len(names) // _SAMPLE)]
    for scheme in SCHEMES:
        if not any(map(scheme.value, sample)):
            continue
        values = [value for name in names if (value := scheme.value(name))]
        if len(values) >= _ENOUGH * len(names) and len(set(values)) < len(values):
            return scheme
    return None
