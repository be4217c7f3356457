"""The model card: what a model is, in Markdown, with the Hub's metadata on top; for bundled and uploaded models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drai_cli.data.split_plan import BY_FILE, BY_IMAGE
from drai_cli.errors import printable
from drai_cli.model_file.header import ModelHeader
from drai_cli.report.wording import markdown_code, markdown_prose, markdown_table, markdown_text, words
from drai_cli.settings.methods import METHODS
from drai_cli.settings.model_options import EVALUATION_PARTS

_HUB_LICENCES = (
    "cc-by-nc-4.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-sa-4.0",
    "cc0-1.0",
    "apache-2.0",
    "mit",
)
_METRICS = {"accuracy": "Label agreement", "frechet-distance": "Fréchet distance"}
"""The Hub's name of a metric to the name of a measure."""
_TAGS = ["medical", "synthetic-data", "conditional-gan", "disentanglement", "style-transfer"]


def model_card(header: ModelHeader, name: str, samples: str = "") -> str:
    """The card as Markdown.

    Args:
        header: Of the model file.
        name: The WEIGHTS that name the model: a bundled name or a Hub name.
        samples: File name of a grid of samples next to the card; empty for none.
    """
    name = printable(name)
    shape, training = header.architecture, header.training
    kind = "grey" if shape.image_channels == 1 else "colour"
    labels = header.schema.labels
    # A model without further attributes has no conditions to obey.
    has_more = len(header.schema.attributes) > 1
    possible = [part for part in EVALUATION_PARTS if part != "conditions" or has_more]
    sections = [
        _front_matter(header, samples) + f"# {markdown_prose(name)}",
        markdown_prose(header.data),
        f"![Samples, one row per label]({samples})" if samples else "",
        f"**Licence of the weights:** {markdown_prose(header.licence) or 'not stated'}",
        f"**What it generates:** {shape.image_size} px {kind} images of {', '.join(map(markdown_code, labels))}"
        f"{_masks(header)}\n"
        f"({markdown_code(f'drai sample --weights {name} --label LABEL')}){_swaps(header, name)}.",
        _attributes(header),
        f"**Intended use.** {markdown_prose(header.intended_use)}" if header.intended_use else "",
        _training(header, training),
        *(_measures(part, numbers, possible) for part, numbers in header.measures.items() if numbers),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _masks(header: ModelHeader) -> str:
    listed = ", ".join(map(markdown_code, header.mask_names))
    return f", each with its masks ({listed})" if header.mask_names else ""


def _front_matter(header: ModelHeader, samples: str) -> str:
    from huggingface_hub import ModelCardData

    licence = header.licence.lower()
    metadata = ModelCardData(
        library_name="drai",
        pipeline_tag="unconditional-image-generation",
        tags=_TAGS,
        license=(licence if licence in _HUB_LICENCES else "other") if licence else None,
        license_name=header.licence if licence and licence not in _HUB_LICENCES else None,
        datasets=["HAM10000"] if header.data.startswith("HAM10000") else None,
        metrics=_hub_metrics(header) or None,
        widget=[{"text": label, "output": {"url": samples}} for label in header.schema.labels[:1]]
        if samples
        else None,
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n"


def _hub_metrics(header: ModelHeader) -> list[str]:
    """The Hub's names of the measures in the card's tables."""
    names = " ".join(_names(header.measures))
    return [metric for metric, word in _METRICS.items() if word in names]


def _names(measured: Mapping[str, Any]) -> Iterator[str]:
    """Names of all numbers, of all parts."""
    for name, value in measured.items():
        if isinstance(value, Mapping):
            yield from _names(value)
        elif name != "measured_with" and isinstance(value, int | float):
            yield name


def _swaps(header: ModelHeader, name: str) -> str:
    """How to swap styles with the model; empty where it cannot."""
    infers = METHODS[header.method].infers if header.method in METHODS else ()
    if not infers:
        return ""
    labels = "" if "content" in infers else " --label-a LABEL --label-b LABEL"
    command = markdown_code(f"drai swap-style a.png b.png{labels} --weights {name}")
    return f", and style swaps of real images ({command})"


def _attributes(header: ModelHeader) -> str:
    """Labels with their aliases and counts, where there are any, and the further attributes."""
    counts = header.training.get("label_counts")
    counts = counts if isinstance(counts, Mapping) else {}
    aliases: dict[str, list[str]] = {}
    for alias, label in header.schema.label.aliases.items():
        aliases.setdefault(label, []).append(alias)
    labels = header.schema.labels
    columns = {
        "also called": [_cell(", ".join(aliases.get(label, []))) for label in labels],
        "images in training": [_cell(str(counts.get(label, ""))) for label in labels],
    }
    known = {title: cells for title, cells in columns.items() if any(cells)}
    rows = zip(map(_cell, labels), *known.values(), strict=True)
    table = markdown_table(["label", *known], rows) if known else ""
    further = [
        f"{markdown_code(attribute.name)} ({attribute.kind})" for attribute in header.schema.attributes[1:]
    ]
    others = f"Further attributes, each may be missing: {', '.join(further)}." if further else ""
    return "\n\n".join(part for part in (table, others) if part)


def _training(header: ModelHeader, training: Mapping[str, Any]) -> str:
    known = []
    images = training.get("images")
    if isinstance(images, Mapping) and "train" in images:
        known.append(f"{markdown_text(images['train'])} training images")
    if isinstance(seen := training.get("images_seen"), int):
        known.append(f"{seen:,} images seen")
    if "seed" in training:
        known.append(f"seed {markdown_text(training['seed'])}")
    text = f"**Training.** Method {markdown_code(header.method)}{''.join(f', {fact}' for fact in known)}."
    if (how := training.get("split")) in (BY_IMAGE, BY_FILE):
        text += (
            f"\nThe set was split {how}: images of one patient or lesion may be in both training and test part,\n"
            "which makes the measures look better than they are."
        )
    return text


def _measures(part: str, measured: Any, possible: Sequence[str]) -> str:
    """Measures on one part of the split: a table, or one per part of the evaluation with its settings."""
    if not isinstance(measured, Mapping):
        return ""
    of_parts = {name: numbers for name, numbers in measured.items() if isinstance(numbers, Mapping)}
    missing = [name for name in possible if name not in of_parts] if of_parts else []
    unseen = ", which was used neither for training nor for choosing the snapshot" if part == "test" else ""
    sections = [
        f"**Measures** on the {part} part{unseen}.\n"
        "The judge is a classifier trained only on the real training images.",
        _numbers(measured),
        *(_section(name, numbers) for name, numbers in of_parts.items()),
        f"Not measured in this evaluation: {', '.join(missing)}." if missing else "",
    ]
    return "\n\n".join(section for section in sections if section)


def _section(name: str, measured: Mapping[str, Any]) -> str:
    """A part of an evaluation."""
    numbers = measured.get("numbers")
    table = _numbers(numbers) if isinstance(numbers, Mapping) else ""
    settings, cautions = measured.get("measured_with"), measured.get("cautions")
    with_what = (
        ", ".join(f"{key.replace('_', ' ')} {words(value)}" for key, value in settings.items())
        if isinstance(settings, Mapping)
        else ""
    )
    lines = [f"*{markdown_text(name.capitalize())}*" + (f" ({_cell(with_what)})" if with_what else "") + ":"]
    lines[0] += "" if table else " measured, but no number is informative."
    lines += (
        [f"**Caution.** {markdown_prose(str(text))}" for text in cautions]
        if isinstance(cautions, list)
        else []
    )
    lines.append(table)
    return "\n\n".join(line for line in lines if line)


def _numbers(numbers: Mapping[str, Any]) -> str:
    rows = [(_cell(key), f"{value:g}") for key, value in numbers.items() if isinstance(value, int | float)]
    return markdown_table(("measure", "value"), rows) if rows else ""


def _cell(text: str) -> str:
    return markdown_prose(printable(text)).replace("|", "\\|").replace("[", "\\[").replace("`", "\\`")
