"""Images that are not of the examination itself, by what their headers say: localizers, screens, captures, projections.

Such an image beside others is set aside and named. What is never done: to judge by pixels, by file names or by numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from drai_cli.io.dicom.file import items, numbers, text

_CAPTURE = (
    "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage and its multi-frame classes, PS3.4 B.5
)
_FEW = 0.1
"""Share of a set below which captures are foreign to it wherever they come from."""
_SHOWN = 3
# Values 3 and later of (0008,0008) ImageType: defined terms of PS3.3 C.8.2.1.1.1, C.8.16.1.3 and C.8.13.3.1.1, and what
# scanners write in their place.
_BY_IMAGE_TYPE = (
    (re.compile(r"LOCALI[SZ]ER|SCOUT|TOPOGRAM|SCANOGRAM|SURVIEW"), "localizers"),
    (
        re.compile(r"SCREEN([ _-]?(SAVE|SHOT|CAPTURE|GRAB).*)?|.*\bPROT|DOSE.*|.*\bREPORT|.*CAPTURE|SNAPSHOT"),
        "screens and reports",
    ),
    (re.compile(r"ICON|THUMBNAIL|KEY[ _]?IMAGES?"), "icons and key images"),
    (
        re.compile(r"MIP|MINIP|MNIP|MIP_.*|PROJECTION IMAGE|VRT|SSD|VOL(UME)?[ _]?REN(DER(ED|ING))?|3D[ _]REN.*"),
        "projections and renderings",
    ),
)  # fmt: skip
# What operators and scanners call their series, where ImageType does not say it: most MR scanners do not.
_BY_DESCRIPTION = (
    (
        re.compile(
            r"(?<![a-z])(locali[sz]ers?|(aa)?h?(ead)?[ _]?scouts?|topograms?|scanograms?|surview)(?![a-z])"
            r"|(?<![a-z\d])3[- ]?p(lane|l)?[ _-]loc(?![a-z])|^survey",
            re.IGNORECASE,
        ),
        "localizers",
    ),
    (
        re.compile(r"(?<![a-z])(dose (report|info|record|summary)|patient protocol)(?![a-z])", re.IGNORECASE),
        "screens and reports",
    ),
)  # fmt: skip
_DESCRIBED = ("CT", "MR", "PT", "NM", "OT", "")  # of a radiograph, 'scout' is a view that is wanted


@dataclass(frozen=True)
class Role:
    """What a header says of an image's role.

    Attributes:
        said: What it says that it is, in the plural; empty for an image of the examination.
        is_acquired: Whether its SOP class is that of a modality, not Secondary Capture.
        is_capture: Whether it is a secondary capture without a place in the patient, and not synthetic.
        examination: (0020,000D) StudyInstanceUID, or (0010,0020) PatientID where that is blank.
    """

    said: str
    is_acquired: bool
    is_capture: bool
    examination: str


def role_of(dataset: Dataset) -> Role:
    """The role of an image by its header."""
    values = text(dataset, "ImageType").upper().split("\\")[2:]
    tests = ((one.strip(), pattern, said) for pattern, said in _BY_IMAGE_TYPE for one in values)
    said = next((said for one, pattern, said in tests if pattern.fullmatch(one)), "")
    title = "" if said else text(dataset, "SeriesDescription")
    if title and text(dataset, "Modality") in _DESCRIBED:
        said = next((said for pattern, said in _BY_DESCRIPTION if pattern.search(title)), "")
    uid = text(dataset, "SOPClassUID")
    is_acquired = uid != _CAPTURE and not uid.startswith(f"{_CAPTURE}.")
    is_capture = not is_acquired and not _is_placed(dataset) and text(dataset, "SyntheticData") != "YES"
    examination = text(dataset, "StudyInstanceUID") or text(dataset, "PatientID")
    return Role(said, is_acquired, is_capture, examination)


def _is_placed(dataset: Dataset) -> bool:
    """Whether an image lies in the patient: a screen does not."""
    return len(numbers(dataset, "ImagePositionPatient")) == 3 or bool(
        items(dataset, "PerFrameFunctionalGroupsSequence")
    )


def set_aside(roles: Sequence[Role]) -> list[str]:
    """For each image, what it is set aside as; empty for those that are kept.

    What says so of itself is set aside beside others. Secondary captures are set aside beside images of a modality in
    their study, and where they are few. Of images that would all be set aside, none is.
    """
    reasons = [role.said for role in roles]
    own = [role for role in roles if not role.said]
    if not own:
        return [""] * len(roles)
    acquired = [role for role in own if role.is_acquired]
    captures = [role for role in own if role.is_capture]
    examinations = {role.examination for role in acquired} - {""}
    are_few = len(captures) < _FEW * len(acquired)
    for index, role in enumerate(roles):
        if not role.said and role.is_capture and (are_few or role.examination in examinations):
            reasons[index] = "secondary captures"
    return reasons


def count_reasons(reasons: Sequence[str]) -> str:
    """How many images are set aside as what: `localizers (20), secondary captures (1)`; empty for none."""
    counts = Counter(reason for reason in reasons if reason)
    return ", ".join(f"{reason} ({count})" for reason, count in counts.most_common())


def find_foreign(roles: Mapping[str, Role]) -> tuple[frozenset[str], str]:
    """The files of a set that are set aside, and one line that says so; empty where none is.

    Args:
        roles: Of the set's images, by file name.
    """
    reasons = set_aside(list(roles.values()))
    names = [name for name, reason in zip(roles, reasons, strict=True) if reason]
    if not names:
        return frozenset(), ""
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    counts = count_reasons(reasons)
    message = (
        f"{len(names)} DICOM files are set aside by what they say of themselves: {counts}; such as {shown}"
    )
    return frozenset(names), message
