"""The report of an evaluation as one HTML page that loads nothing: what was found, how sure it is, how to read it.

Knows how a report looks; what is measured is not its to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drai_cli.report.comparison_html import comparison_section
from drai_cli.report.findings import REPORT_SCHEMA, Baseline, Comparison, Figure, Measure, Part, Report
from drai_cli.report.html_page import (
    definitions,
    escape,
    figures_block,
    isolated,
    note,
    page,
    settings_list,
    table,
)
from drai_cli.report.plots import plot
from drai_cli.report.wording import DASH, DIRECTIONS, STANDINGS, number_with_spread, words

_SHORT_HASH = 12
_WORDS = (
    ("value", "The measure on what was evaluated, all cases together unless a label is named."),
    ("95 % interval", "How far off the value may be because only these cases were looked at; made as said above."),
    ("baseline", "What the value stands beside: the same measure of real images, of chance, or of a simpler method."),
    (
        "good, near, poor",
        "The interval against the baseline, and nothing else. Good: better than the baseline (where the baseline "
        "itself is the aim: it lies in the interval). Poor: worse than the baseline and clear of its interval. Near: "
        "between these. No word stands where an interval or a baseline is missing.",
    ),
    (
        "says nothing",
        "What the number was measured with does no better than chance on real images, so that any generator would look "
        "as good.",
    ),
    ("n", "Images, pairs or rows that the value rests on."),
    ("variant", "What else tells measures of one name apart: a feature space, a training set."),
    ("extractor", "The network whose features distances are taken in. Distances in different features do not compare."),
    ("not measured", "Something that a measure needs was not there. Nothing was put in its place."),
)  # fmt: skip


def report_html(report: Report, figures: Sequence[Figure] = (), comparison: Comparison | None = None) -> str:
    """The page; the same bytes for the same report.

    Args:
        report: What was found.
        figures: Each stands in its part; those of a part that the report does not have stand at the end.
        comparison: Several methods, shown after the parts.

    Raises:
        ValueError: A figure is no PNG file.
    """
    name = str(report.subject.get("name") or "a model")
    keys = [part.key for part in report.parts]
    sections, shown = [], 0
    for index, part in enumerate(report.parts, 1):
        own = [figure for figure in figures if figure.part == part.key]
        sections.append(_part(part, own, f"part-{index}", shown + 1))
        shown += len(own)
    if comparison is not None:
        sections.append(
            f'<section id="methods">\n<h2>Methods compared</h2>\n{comparison_section(comparison)}</section>\n'
        )
    if further := [figure for figure in figures if figure.part not in keys]:
        block = figures_block(further, shown + 1)
        sections.append(f'<section id="figures">\n<h2>Further figures</h2>\n{block}</section>\n')
    body = (
        f"{_head(report, name)}{_contents(report, comparison is not None)}</header>\n"
        f"{_summary(report)}{''.join(sections)}{_reading(report)}"
        f"<footer><p>Made by drai {escape(report.version or '(version not known)')}; schema "
        f"<code>{REPORT_SCHEMA}</code>. The same numbers, at full precision, are in <code>report.json</code>."
        "</p></footer>\n"
    )
    return page(f"Evaluation of {name}", body)


def _head(report: Report, name: str) -> str:
    subject, data = dict(report.subject), dict(report.data)
    kind = subject.pop("kind", "")
    over = "drai evaluation" + (f" of a {escape(kind)}" if kind else "")
    subject.pop("name", None)
    evaluated = [(_title(key), _fact(key, value)) for key, value in subject.items()]
    against = [(_title(key), _fact(key, value)) for key, value in data.items()]
    sides = "".join(
        f"<div>\n<h2>{title}</h2>\n{definitions(entries, 'rows')}</div>\n"
        for title, entries in (("What was evaluated", evaluated), ("What it was held against", against))
        if entries
    )
    return f'<header>\n<p class="over">{over}</p>\n<h1>{isolated(name)}</h1>\n<div class="sides">\n{sides}</div>\n'


def _fact(key: str, value: object) -> str:
    """A fact of subject or data: counts in groups of three, a hash cut short, labels with their counts as a list."""
    if key == "sha256":
        return f"<code>{escape(str(value)[:_SHORT_HASH])}</code>"
    if isinstance(value, Mapping):
        return f"<ul>{''.join(f'<li>{isolated(each)} {escape(_count(n))}</li>' for each, n in value.items())}</ul>"
    return isolated(_count(value))


def _contents(report: Report, has_comparison: bool) -> str:
    entries = [("summary", "Summary")]
    entries += [(f"part-{index}", part.title) for index, part in enumerate(report.parts, 1)]
    entries += [("methods", "Methods compared")] if has_comparison else []
    entries += [("reading", "How to read this")]
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in entries)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'


def _summary(report: Report) -> str:
    bodies = []
    for index, part in enumerate(report.parts, 1):
        rows = "".join(_summary_row(measure) for measure in part.measures if measure.is_headline)
        rows = rows or (
            "" if part.measures else '<tr><td colspan="4">Not measured; the reason stands below.</td></tr>\n'
        )
        if rows:
            link = f'<a href="#part-{index}">{escape(part.title)}</a>'
            bodies.append(f'<tr class="group"><th colspan="4" scope="rowgroup">{link}</th></tr>\n{rows}')
    if bodies:
        caption = "Headline measures, each with its 95 % interval and beside its baseline. "
        caption += f'<span class="aside">{_standing_legend()}</span>'
        head = "".join(
            f'<th scope="col">{text}</th>' for text in ("Measure", "Value", "Baseline", "Standing")
        )
        found = table(caption, head, bodies, "table-summary", "summary")
    else:
        found = (
            "<p>Nothing was measured.</p>\n"
            if not report.parts
            else "<p>No measure stands out; all follow.</p>\n"
        )
    cautions = note("caution", "Caution.", report.cautions)
    return f'<section id="summary">\n<h2>Summary</h2>\n{cautions}{found}</section>\n'


def _standing_legend() -> str:
    return (
        f"{STANDINGS['good']} good: better than the baseline, or at it where that is the aim; "
        f"{STANDINGS['near']} near: cannot be told from it; {STANDINGS['poor']} poor: worse."
    )


def _summary_row(measure: Measure) -> str:
    """A headline; of one that says nothing the numbers stand below only, where all is said of them."""
    which = "".join(f", {isolated(each)}" for each in (measure.label, measure.variant) if each)
    value, beside = (DASH, DASH) if measure.doubt else (_value(measure), _baseline(measure, False))
    return (
        f'<tr><th scope="row">{escape(measure.name)}{which} {_direction(measure)}</th>'
        f"<td>{value}</td><td>{beside}</td><td>{_standing(measure)}</td></tr>\n"
    )


def _part(part: Part, figures: Sequence[Figure], name: str, first_figure: int) -> str:
    groups: dict[str, list[Measure]] = {}
    for measure in part.measures:
        groups.setdefault(measure.key, []).append(measure)
    plots = [
        plot(group, f"{name}-plot-{index}")
        for index, group in enumerate(groups.values(), 1)
        if len(group) > 1 or group[0].label
    ]
    whole = [[measure for measure in group if not measure.label] for group in groups.values()]
    return (
        f'<section id="{name}">\n<h2>{escape(part.title)}</h2>\n'
        + (f'<p class="verdict">{escape(part.verdict)}</p>\n' if part.verdict else "")
        + note(
            "missing", "Not measured:" if len(part.not_measured) == 1 else "Not measured", part.not_measured
        )
        + note("doubt", "Says nothing.", part.doubts)
        + note("caution", "Caution.", [part.caution] if part.caution else [])
        + _measures([group for group in whole if group], part, f"{name}-measures")
        + "".join(plots)
        + figures_block(figures, first_figure)
        + "</section>\n"
    )


def _measures(groups: Sequence[Sequence[Measure]], part: Part, name: str) -> str:
    """All measures that are of no single label; those of one key share its name and how to read it."""
    measures = [measure for group in groups for measure in group]
    if not measures:
        return ""
    has_variant = any(measure.variant for measure in measures)
    has_n = any(measure.n is not None for measure in measures)
    has_extractor = any(measure.extractor for measure in measures)
    columns = ["Measure", "Variant" * has_variant, "Value", "95 % interval", "Baseline", "Standing"]
    columns += ["n" * has_n, "Extractor" * has_extractor]
    bodies = []
    for group in groups:
        first, rows = group[0], []
        for index, measure in enumerate(group):
            _, low, high = number_with_spread(measure.value, measure.low, measure.high)
            cells = [
                isolated(measure.variant or DASH) if has_variant else "",
                f'<span class="number">{number_with_spread(measure.value, measure.low, measure.high)[0]}</span>',
                DASH if measure.low is None else f'<span class="number">[{low}, {high}]</span>',
                _baseline(measure),
                _standing(measure),
                (DASH if measure.n is None else f"{measure.n:,}") if has_n else "",
                isolated(measure.extractor or DASH) if has_extractor else "",
            ]
            name_cell = (
                f'<th scope="rowgroup" rowspan="{len(group)}"><strong>{escape(first.name)}</strong> '
                f"{_direction(first)}<p>{escape(first.how_to_read)}</p></th>"
            )
            rows.append(
                f"<tr>{name_cell if index == 0 else ''}{''.join(f'<td>{cell}</td>' for cell in cells if cell)}</tr>\n"
            )
        bodies.append("".join(rows))
    head = "".join(f'<th scope="col">{text}</th>' for text in columns if text)
    return table(
        f"Measures of {escape(part.title.lower())}, over all labels together.", head, bodies, name, "measures"
    )


def _direction(measure: Measure) -> str:
    sign, meaning = DIRECTIONS[measure.better]
    return f'<span class="aside">{sign}<span class="meaning"> {meaning}</span></span>'


def _value(measure: Measure | Baseline, has_interval: bool = True) -> str:
    value, low, high = number_with_spread(measure.value, measure.low, measure.high)
    is_known = has_interval and measure.low is not None
    interval = f' <span class="interval">[{low}, {high}]</span>' if is_known else ""
    return f'<span class="number">{value}</span>{interval}'


def _baseline(measure: Measure, has_interval: bool = True) -> str:
    baseline = measure.baseline
    if baseline is None:
        return DASH
    return f'{_value(baseline, has_interval)} <span class="aside">{escape(baseline.what)}</span>'


def _standing(measure: Measure) -> str:
    if measure.doubt:
        return (
            f'<span class="word doubt">says nothing</span> <span class="aside">{escape(measure.doubt)}</span>'
        )
    word = measure.standing
    return DASH if word is None else f'<span class="word {word}">{STANDINGS[word]} {word}</span>'


def _reading(report: Report) -> str:
    settings = dict(report.settings)
    if sha256 := report.subject.get("sha256"):
        settings["sha256 in full"] = sha256
    return (
        '<section id="reading">\n<h2>How to read this</h2>\n'
        f"<h3>Intervals</h3>\n<p>{escape(report.intervals)}</p>\n"
        f"<h3>Words</h3>\n{definitions(((escape(word), escape(text)) for word, text in _WORDS), 'terms')}"
        + (f"<h3>Settings</h3>\n{settings_list(settings)}" if settings else "")
        + "</section>\n"
    )


def _title(key: object) -> str:
    return escape(str(key).replace("_", " "))


def _count(value: object) -> str:
    """Counts in groups of three; anything else in words."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else words(value)
