"""Which files belong together: columns, DICOM keywords and names are asked in order, joined where they link files."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from drai_cli.conditions.attribute import is_missing
from drai_cli.data.items import PATIENT, STUDY, Item
from drai_cli.data.known_names import find_scheme
from drai_cli.data.matching.lookup import BEGINNING
from drai_cli.data.matching.match import Described
from drai_cli.progress import Reporter

_GROUP_WORDS: Mapping[str, tuple[str, ...]] = {
    "patient": ("patient", "patients", "patienten", "paciente", "paziente", "pasient", "pacjent", "pat", "pt", "person",
                "proband", "mrn", "empi", "pid", "ptid", "patid", "medicalrecord", "pseudonym"),
    "subject": ("subject", "subj", "usubj", "sujet", "soggetto", "sujeto"),
    "participant": ("participant", "volunteer"),
    "case": ("case", "fall", "caso", "cas"),
    "lesion": ("lesion", "nodule", "specimen", "biopsy", "slide", "wsi", "video"),
    "study": ("study", "exam", "examination", "accession", "session"),
}  # fmt: skip
"""What columns are called that group images, in the order in which they are asked."""
_PERSONS = frozenset({"patient", "subject", "participant"})
_CERTAIN = re.compile(r"(patient|subject|participant|lesion)(id|no|nr|number|code|key|uid|identifier)")
"""Columns that group images whatever their values, spelled without anything but letters."""
_ANY_GROUP = re.compile(
    r"patient|pa[cz]ien|subject|participant|lesion|case|person|nodule|study|exam|slide|biops|specimen|(?<![a-z])mrn",
    re.IGNORECASE,
)
_ENDINGS = ("", "s", "id", "ids", "no", "nr", "num", "nummer", "number", "name", "code", "key", "uid", "identifier",
            "index", "idx", "instanceuid", "anon")  # fmt: skip
_WHOLE = re.compile(r"\d{1,18}(?:\.0+)?")
NAMED = "/"
"""Before groups that files' names say; it keeps them apart from files, whose relative path never begins with it."""
_FEW_VALUES = 10
_ENOUGH_VALUES = 5
_MOST = 0.5


@dataclass(frozen=True)
class Source:
    """One thing that says which files belong together.

    Attributes:
        name: A column, a DICOM keyword, or `file name (PATTERN)`.
        values: What it says of each file: several where several rows of a table describe the file; files of which it
            says nothing are absent.
        prefix: Stands before a value in a group's key.
        is_of_persons: Whether its values are patients, rather than their lesions, cases or studies.
    """

    name: str
    values: Mapping[str, Sequence[str]]
    prefix: str
    is_of_persons: bool = False


@dataclass(frozen=True)
class Groups:
    """The groups of a set's files.

    Attributes:
        keys: The group of each file, by the file's name.
        names: What groups them: sources that put files together or give each a group; empty if nothing does.
        alone: Files of which no source says anything.
    """

    keys: Mapping[str, str]
    names: tuple[str, ...] = ()
    alone: int = 0

    @property
    def name(self) -> str | None:
        """What groups files, for `ImageSet.group`."""
        return " + ".join(self.names) or None


def group_files(
    names: Sequence[str], sources: Sequence[Source], *, hides: bool, reporter: Reporter
) -> Groups:
    """The groups that sources make together: files that share a value of any of them are one group.

    The first source that says something counts in any case. A later one is left out, with a warning, where most of its
    values join groups of the earlier ones: such values are numbered within a group (case 1, case 2, … of each patient).

    Args:
        names: The files.
        sources: In the order in which they are asked.
        hides: Whether keys must not show values, as patients' IDs of DICOM files.
        reporter: Shown sources that are left out.
    """
    root = {name: name for name in names}
    used: list[Source] = []
    for source in sources:
        if not source.values:
            continue
        joined = _join_groups(root, source)
        changes = len(set(joined.values())) < len(set(root.values()))
        if not used or changes:
            joining, repeated = _count_joining(root, source, used)
            is_wider = source.is_of_persons and _is_wider(root, source)
            if joining >= _ENOUGH_VALUES and joining > _MOST * repeated and not is_wider:
                reporter.warn(
                    f"{source.name!r} is not used besides {used[0].name!r}: {joining} of its values occur in several "
                    "groups each, so it seems to number images within a group"
                )
                continue
            root = joined
            used.append(source)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name, top in root.items():
        members[top].append(name)
    keys: dict[str, str] = {}
    alone = 0
    for files in members.values():
        key = None
        for source in used:
            values = [value for name in files for value in source.values.get(name, ())]
            if values:
                key = _key(source, min(values), hides)
                break
        alone += key is None
        keys.update((name, key or name) for name in files)
    return Groups(keys, tuple(source.name for source in used), alone)


def _count_joining(root: Mapping[str, str], source: Source, used: Sequence[Source]) -> tuple[int, int]:
    """How many values of a source are of several groups that are known so far, and how many are of several files."""
    known = {name for earlier in used for name in earlier.values}
    groups: defaultdict[str, set[str]] = defaultdict(set)
    files: Counter[str] = Counter()
    for name, values in source.values.items():
        for value in map(_same, values) if name in known else ():
            groups[value].add(root[name])
            files[value] += 1
    return sum(len(several) > 1 for several in groups.values()), sum(count > 1 for count in files.values())


def _is_wider(root: Mapping[str, str], source: Source) -> bool:
    """Whether each group that is known so far has one value of a source, as each study has one patient."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for name, several in source.values.items():
        values[root[name]].update(map(_same, several))
    return all(len(several) == 1 for several in values.values())


def _join_groups(root: Mapping[str, str], source: Source) -> dict[str, str]:
    """The first file of each file's group, once files that share a value of the source are together too."""
    parent = dict.fromkeys(root.values())
    top: dict[str, str] = {one: one for one in parent}

    def find(one: str) -> str:
        while top[one] != one:
            top[one] = top[top[one]]
            one = top[one]
        return one

    first: dict[str, str] = {}
    for name, values in source.values.items():
        for value in map(_same, values):
            other = first.setdefault(value, root[name])
            top[find(root[name])] = find(other)
    return {name: find(one) for name, one in root.items()}


def _same(value: str) -> str:
    """What values have in common that mean the same: `P07`, `p07 ` and `P 07`; `7`, `007` and `7.0`."""
    if _WHOLE.fullmatch(value):
        return value.partition(".")[0].lstrip("0")
    return "".join(value.split()).casefold()


def _key(source: Source, value: str, hides: bool) -> str:
    is_in_name = source.prefix == NAMED
    return hash_group(source.name, value) if hides and not is_in_name else f"{source.prefix}{value}"


def hash_group(name: str, value: str) -> str:
    """A group's key, which does not reveal its value (a patient's ID)."""
    digest = hashlib.sha256(f"drai group\0{name}\0{value}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{name}:{digest[:16]}"


def find_sources(
    items: Sequence[Item],
    described: Described | None,
    asked: str | None,
    used: Collection[str],
    reporter: Reporter,
) -> list[Source]:
    """What may say which of these files belong together, in order: columns, DICOM keywords, names.

    Args:
        items: The files.
        described: What tables say of them.
        asked: The column or keyword that the user named: then nothing else is asked.
        used: Columns that are label or conditions.
        reporter: Shown columns that only may group images.
    """
    if asked is not None:
        return [_source(asked, items, described)]
    columns = [] if described is None else find_group_columns(described, used, reporter)
    persons = [name for name in columns if any(word in name.lower() for word in _PERSONS)]
    patients, studies = _header_sources(items)
    keys = [described.key_column] if described is not None and described.describes_several else []
    names = [item.name for item in items]
    scheme = find_scheme(names)
    schemes = []
    if scheme is not None:
        values = {name: [value] for name in names if (value := scheme.value(name))}
        schemes.append(Source(f"{scheme.title} in file names", values, NAMED, True))
    if studies and not (columns or keys or schemes):
        reporter.warn(
            f"all files have the same {PATIENT}, or none: images are grouped by {STUDY} "
            f"({len(_distinct(studies[0]))} studies), so a patient with several studies may be in several parts of the "
            "split; --group names a better column or keyword"
        )
    rest = [_source(name, items, described) for name in columns if name not in persons]
    of_keys = [_source(name, items, described, True) for name in keys]
    if described is not None and described.key == BEGINNING:  # which may be the whole name
        of_keys = [one for one in of_keys if len(_distinct(one)) < len(one.values)]
    wide = [*of_keys, *schemes]
    found = [*(_source(name, items, described, True) for name in persons), *patients]
    # Studies, where they stand for patients, are finer than what else may do so, and wider than all other columns.
    return [*found, *wide, *studies, *rest] if studies else [*found, *rest, *wide]


def link_sources(linked: Mapping[str, Sequence[Sequence[str]]]) -> list[Source]:
    """Tables that pair files as sources: the files of a row belong together."""
    sources = []
    for table, rows in linked.items():
        values: defaultdict[str, list[str]] = defaultdict(list)
        for number, files in enumerate(rows):
            for name in files:
                values[name].append(f"row {number}")
        sources.append(Source(table, dict(values), f"{table}:"))
    return sources


def _source(
    name: str, items: Sequence[Item], described: Described | None, is_of_persons: bool = False
) -> Source:
    """The values of a column, or of a keyword where there is no such column."""
    values: dict[str, Sequence[str]] = {}
    is_column = described is not None and name in described.columns
    for item in items:
        rows = described.rows.get(item.name, ()) if described is not None and is_column else (item.values,)
        if found := [value for row in rows if not is_missing(value := row.get(name, ""))]:
            values[item.name] = found
    return Source(name, values, f"{name}:", is_of_persons)


def _header_sources(items: Sequence[Item]) -> tuple[list[Source], list[Source]]:
    """PatientID; or StudyInstanceUID where all files have the same patient or none, as after anonymisation."""
    if not any(item.values for item in items):
        return [], []
    patients, studies = _source(PATIENT, items, None, True), _source(STUDY, items, None)
    if len(_distinct(patients)) > 1 or len(_distinct(studies)) < 2:
        nameless = {name: study for name, study in studies.values.items() if name not in patients.values}
        return ([patients, Source(STUDY, nameless, studies.prefix)] if patients.values else [patients]), []
    return [], [studies]


def _distinct(source: Source) -> set[str]:
    return {value for values in source.values.values() for value in values}


def find_group_columns(described: Described, used: Collection[str], reporter: Reporter) -> list[str]:
    """The columns that group images, the widest first.

    Known are `patient_id`, `subject_id` and the like, and other spellings (`Patient ID`, `participant`, `case_no`)
    where values repeat and are more than the few of a class. A column that only may group images is pointed out.
    """
    free = [name for name in described.columns if name not in used]
    found = []
    for word, words in _GROUP_WORDS.items():
        spellings = {f"{one}{ending}" for one in words for ending in _ENDINGS}
        for name in free:
            spelled = re.sub(r"[^a-z]", "", name.lower())
            if not {spelled, spelled.removeprefix("id")} & spellings or name in found:
                continue
            if _is_group(described, name, spelled, word):
                found.append(name)
            if word in _PERSONS:
                _warn_of_blanks(described, name, reporter)
    if not found:
        for name in free:
            if _ANY_GROUP.search(name) and _repeats(_values(described, name)):
                reporter.info(
                    f"column {name!r} looks like a patient or lesion with several images: --group {name} "
                    "keeps them in one part of a split"
                )
                break
        if not described.table.has_header:
            _warn_of_unnamed(described, free, reporter)
    return found


def _warn_of_unnamed(described: Described, free: Sequence[str], reporter: Reporter) -> None:
    """Warns of a column without a name that may say which images belong together: nothing else can tell."""
    for name in free:
        values = _values(described, name)
        if name != described.key_column and _repeats(values) and not any("." in value for value in values):
            of = f"{name!r} has {len(set(values))} values in {len(values)} rows, and no groups are given: if they are"
            advice = f"patients, one may be in training and test at once; add --group {shlex.quote(name)}"
            reporter.warn(f"{of} {advice}")
            return


def _warn_of_blanks(described: Described, name: str, reporter: Reporter) -> None:
    """Warns where only the first row of each patient names it, as in a list for people."""
    cells = [row.get(name, "") for row in described.table.rows]
    known = [cell for cell in cells if cell]
    if len(known) > 1 and cells[0] and len(set(known)) == len(known) and 2 * len(known) <= len(cells):
        reporter.warn(
            f"column {name!r} is blank in {len(cells) - len(known)} of {len(cells)} rows and never repeats: if a blank "
            "means the same as above, fill the cells in, as each of these images is a group of its own now"
        )


def _is_group(described: Described, name: str, spelled: str, word: str) -> bool:
    values = _values(described, name)
    if len(set(values)) == 1 and not any(map(str.isdigit, values[0])):
        return False  # "removed" or "anonymous" in all rows
    if _CERTAIN.fullmatch(spelled):
        return bool(values)
    is_numbered = word in _PERSONS and all(re.search(r"\d", value) for value in values)
    return _repeats(values, 1 if is_numbered else _FEW_VALUES)


def _values(described: Described, name: str) -> list[str]:
    """The values of a column that are known, one a row of each file."""
    return [
        value
        for rows in described.rows.values()
        for row in rows
        if not is_missing(value := row.get(name, ""))
    ]


def _repeats(values: Sequence[str], few: int = _FEW_VALUES) -> bool:
    """Whether values repeat, and are more than the few of a class."""
    return few < len(set(values)) < len(values)
