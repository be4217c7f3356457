"""Groups by the names of images, for sets with no other sign of patients or lesions. Opens no file.

A pattern of the user groups images. Without one, nothing is grouped, but names that look as if several images share a
patient are reported.
"""

from __future__ import annotations

import re
import shlex
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from drai_cli.data.image_set import ImageSet
from drai_cli.data.split import count_groups_across
from drai_cli.errors import UsageError
from drai_cli.io.registry import stem_of
from drai_cli.progress import SILENT, Reporter

_OPTION = "--group-pattern"
_SEARCH_S = 10
_START_AND_NUMBER = r"(?:^|/)([A-Za-z]+[-_ ]?\d+)[-_ ][^/]*$"
_ALL_BUT_LAST = r"([^/]+)[-_ ][^-_ /]+$"
_FOLDER = r"(?:^|/)([A-Za-z]+[-_ ]?\d+)/"
_NUMBER_FOLDER = r"(?:^|/)(\d{3,12})/"
_FEW_GROUPS = 10
_GOOD_SHARE = 0.25
_LARGEST_SHARE = 0.5
_LARGEST_BY_WORDS = 20
"""Mean images of a group up to which words alone (`miller_1.png`) may name patients: larger groups are kinds."""


@dataclass(frozen=True)
class LikelyGroups:
    """Images that seem to share a patient, by their names.

    Attributes:
        pattern: The `--group-pattern` that gives these groups.
        count: Groups.
        images: Images in groups of several.
        example: The name of one of those.
        finer: The pattern that gives more groups than this one, and how many; None where there is none.
    """

    pattern: str
    count: int
    images: int
    example: str
    finer: tuple[str, int] | None = None


def group_by_name(image_set: ImageSet, pattern: str, reporter: Reporter) -> ImageSet:
    r"""The set with its images grouped by what a pattern matches in their files' names.

    Args:
        image_set: The set.
        pattern: A regular expression, searched in each file's path relative to the set, with `/`. Its first capture
            group, or all that it matches where it has none, is the group. A file without a match is a group of its own;
            frames of one file are never separated.
        reporter: Shown the number of groups, and of files without a match.

    Raises:
        UsageError: It is no regular expression, takes too long, matches no name, or does not separate: all images in
            one group, or every file in one of its own.
    """
    option = f"{_OPTION} {pattern}"
    try:
        search = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            option, f"is no regular expression ({error})", rf"for example {_OPTION} 'LIDC-\d+'"
        ) from error
    files = [image_set.pixels.file_of(entry) for entry in image_set.entries]
    names = sorted(set(files))
    values = _values(search, names, option)
    unmatched = [name for name in names if name not in values]
    if len(unmatched) == len(names):
        raise UsageError(
            option, f"matches none of {len(names)} names, such as {names[0]}",
            "it is searched in the path relative to the set; upper and lower case differ",
        )  # fmt: skip
    if not unmatched and len(set(values.values())) == 1 < len(names):
        raise UsageError(
            option, f"finds {str(next(iter(values.values())))!r} in every name, which puts all images into one group",
            "match what differs from patient to patient",
        )  # fmt: skip
    count = len(set(values.values())) + len(unmatched)
    if count == len(names):
        raise UsageError(
            option, f"gives each of {count} files a group of its own, such as {names[0]}",
            "leave out of the match, or of its (capture group), what differs between images of one patient",
        )  # fmt: skip
    reporter.info(f"images are grouped by what {pattern} finds in their names: {count} groups")
    if unmatched:
        reporter.warn(
            f"{option} finds nothing in {len(unmatched)} of {len(names)} names, such as {unmatched[0]}: "
            "each of these files is a group of its own"
        )
    # The slash keeps groups' names apart from files': a relative path never begins with one.
    keys = {name: f"/{values[name]}" if name in values else name for name in names}
    entries = tuple(
        replace(entry, group=keys[file]) for entry, file in zip(image_set.entries, files, strict=True)
    )
    return replace(image_set, group=f"file name ({pattern})", entries=entries)


def _values(search: re.Pattern[str], names: Sequence[str], option: str) -> dict[str, str]:
    """What the pattern matches in each name; names without a match, or with an empty one, are left out."""
    group = 1 if search.groups else 0
    with _limit_time(option):
        matches = ((name, search.search(name)) for name in names)
        return {name: match[group] for name, match in matches if match is not None and match[group]}


@contextmanager
def _limit_time(option: str) -> Iterator[None]:
    """Ends a search that backtracks without end, where the system has alarms and none is set.

    Signals are all that the expression engine checks for while it works.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer") or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def stop(*_: object) -> None:
        raise UsageError(
            option, f"is still being searched for after {_SEARCH_S} s",
            "write it without a repetition inside a repetition, as in (a+)+",
        )  # fmt: skip

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _SEARCH_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def find_likely_groups(names: Sequence[str]) -> LikelyGroups | None:
    r"""Groups that the names of files suggest, or None.

    Several ways to read a name are tried: its first letters and number where more follows (`LIDC-0001` of
    `LIDC-0001_n2.png`), all but its last part after `-`, `_` or a blank (`0001` of `0001_2.png`), its first one, two or
    three such parts, and a folder of letters and a number. One is accepted if it makes more than ten groups, none with
    over half of the files, and at least a quarter of all files are in groups of several. Of those the one with the
    fewest groups is taken: what lies below a patient (a visit, a magnification) does not separate patients. The same
    name in another folder, or with another suffix, is no second image: `mel/001.png` and `nv/001.png` are numbered
    alike.

    Args:
        names: Paths of files relative to the set, with `/`.
    """
    found = [likely for pattern in _readings(names) if (likely := _groups_of(pattern, names)) is not None]
    if not found:
        return None
    coarsest = min(found, key=lambda likely: likely.count)
    finest = max(found, key=lambda likely: likely.count)
    return replace(coarsest, finer=(finest.pattern, finest.count) if finest.count > coarsest.count else None)


def _groups_of(pattern: str, names: Sequence[str]) -> LikelyGroups | None:
    """The groups that a pattern makes; None where they are too few, too large, or hardly hold several files.

    Nor are they groups where one of them is a class: `Covid` of `COVID/Covid (1).png`.
    """
    search = re.compile(pattern)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        match = search.search(name)
        members[name if match is None else match[1 if search.groups else 0]].append(name)
    in_folder = Counter(name.rpartition("/")[0] for name in names)
    several = [
        group for group in members.values() if len({stem_of(PurePosixPath(name).name) for name in group}) > 1
    ]
    if 0 < sum(_is_kind(key, group, in_folder) for key, group in members.items()) <= _FEW_GROUPS:
        return None
    images = sum(map(len, several))
    if len(names) > _LARGEST_BY_WORDS * len(members) and not any(re.search(r"\d", key) for key in members):
        return None
    if (
        len(members) > _FEW_GROUPS
        and images >= _GOOD_SHARE * len(names)
        and max(map(len, several), default=0) <= _LARGEST_SHARE * len(names)
    ):
        return LikelyGroups(pattern, len(members), images, several[0][0])
    return None


def _is_kind(key: str, group: Sequence[str], in_folder: Mapping[str, int]) -> bool:
    """Whether a word begins the names of all files in some folders, as `Covid` and `covid-19` of `COVID-19/` do.

    It then says what all of them show: a word without a number, or the name of one of these folders.
    """
    folders = {name.rpartition("/")[0] for name in group}
    is_whole = len(group) > 1 and sum(in_folder[folder] for folder in folders) == len(group)
    is_word = not re.search(r"\d", key)
    return is_whole and (is_word or any(_letters(key) in map(_letters, one.split("/")) for one in folders))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _readings(names: Sequence[str]) -> Iterator[str]:
    """Patterns to try; first one with literal letters, where all names begin with the same."""
    starts = Counter(
        match[0] for name in names if (match := re.match(r"[A-Za-z]+[-_ ]?(?=\d)", PurePosixPath(name).name))
    )
    if len(starts) == 1:
        (start,) = starts
        if not any(start in name.rpartition("/")[0] for name in names):
            yield rf"{start}\d+"
    yield _START_AND_NUMBER
    yield _ALL_BUT_LAST
    yield _FOLDER
    numbers = sorted({int(match[1]) for name in names if (match := re.search(_NUMBER_FOLDER, name))})
    are_shards = numbers[:1] in ([0], [1]) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    if numbers and not are_shards:
        yield _NUMBER_FOLDER
    for parts in range(1, 4):
        yield rf"(?:^|/)([^-_ /]+(?:[-_ ][^-_ /]+){{{parts - 1}}})[-_ ][^/]*$"


def warn_of_likely_groups(image_set: ImageSet, reporter: Reporter) -> None:
    """Warns where no group is known and the names suggest some, with the option to add."""
    if image_set.is_grouped or image_set.kind == "medmnist":
        return
    names = sorted({image_set.pixels.file_of(entry) for entry in image_set.entries})
    with reporter.stage("looking for groups in the names of the files", None, ""):
        likely = find_likely_groups(names)
    if likely is None:
        return
    if all(entry.part is not None for entry in image_set.entries):
        grouped = group_by_name(image_set, likely.pattern, SILENT).entries
        if not count_groups_across(
            [entry.group for entry in grouped], [str(entry.part) for entry in grouped]
        ):
            return
    finer = "" if likely.finer is None else f"; {likely.finer[0]} would make {likely.finer[1]}"
    reporter.warn(
        f"by their names {likely.images} of {len(names)} files share a patient or lesion with another "
        f"({likely.count} groups{finer}; {likely.example} is in one), and no groups are given: one may be in "
        f"training and test at once, which makes results too optimistic; add {_OPTION} {shlex.quote(likely.pattern)}"
    )
