"""The model card: what a model is, in Markdown, with the Hub's metadata on top; of bundled and of sent models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drai_cli.data.prepared import BY_FILE, BY_IMAGE
from drai_cli.model_file.header import ModelHeader
from drai_cli.report.wording import words
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
        name: What WEIGHTS has to be to use it: a bundled name or a Hub name.
        samples: File name of a grid of samples beside the card; empty for none.
    """
    shape, training = header.architecture, header.training
    kind = "grey" if shape.image_channels == 1 else "colour"
    labels = header.schema.labels
    sections = [
        _front_matter(header, samples) + f"# {name}",
        header.data,
        f"![Samples, a row a label]({samples})" if samples else "",
        f"**Licence of the weights:** {header.licence or 'not stated'}",
        f"**What it makes:** {shape.image_size} px {kind} images of {', '.join(f'`{label}`' for label in labels)}\n"
        f"(`drai sample --weights {name} --label LABEL`){_swaps(header, name)}.",
        _attributes(header),
        f"**Intended use.** {header.intended_use}" if header.intended_use else "",
        _training(header, training),
        *(_measures(part, numbers) for part, numbers in header.measures.items() if numbers),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


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
    """The Hub's names of what the card's tables hold."""
    names = " ".join(_names(header.measures))
    return [metric for metric, word in _METRICS.items() if word in names]


def _names(measured: Mapping[str, Any]) -> Iterator[str]:
    """Names of all numbers, of whatever part."""
    for name, value in measured.items():
        if isinstance(value, Mapping):
            yield from _names(value)
        elif name != "measured_with" and isinstance(value, int | float):
            yield name


def _swaps(header: ModelHeader, name: str) -> str:
    """How to swap styles with it, if it can."""
    infers = METHODS[header.method].infers if header.method in METHODS else ()
    if not infers:
        return ""
    labels = "" if "content" in infers else " --label-a LABEL --label-b LABEL"
    return f", and style swaps of real images (`drai swap-style a.png b.png{labels} --weights {name}`)"


def _attributes(header: ModelHeader) -> str:
    """Labels with their aliases and counts, as far as there are any, and the further attributes."""
    counts = header.training.get("label_counts")
    counts = counts if isinstance(counts, Mapping) else {}
    aliases: dict[str, list[str]] = {}
    for alias, label in header.schema.label.aliases.items():
        aliases.setdefault(label, []).append(alias)
    labels = header.schema.labels
    columns = {
        "also called": [_cell(", ".join(aliases.get(label, []))) for label in labels],
        "images in training": [str(counts.get(label, "")) for label in labels],
    }
    known = {title: cells for title, cells in columns.items() if any(cells)}
    rows = zip(map(_cell, labels), *known.values(), strict=True)
    lines = [["label", *known], *rows]
    table = [f"| {' | '.join(line)} |" for line in lines]
    table.insert(1, "|" + "---|" * (1 + len(known)))
    further = [f"`{attribute.name}` ({attribute.kind})" for attribute in header.schema.attributes[1:]]
    said = f"Further attributes, each may be missing: {', '.join(further)}." if further else ""
    return "\n\n".join(part for part in ("\n".join(table) if known else "", said) if part)


def _training(header: ModelHeader, training: Mapping[str, Any]) -> str:
    known = []
    images = training.get("images")
    if isinstance(images, Mapping) and "train" in images:
        known.append(f"{images['train']} images of the training part of the set")
    if isinstance(seen := training.get("images_seen"), int):
        known.append(f"{seen:,} images seen")
    if "seed" in training:
        known.append(f"seed {training['seed']}")
    text = f"**Training.** Method `{header.method}`{''.join(f', {fact}' for fact in known)}."
    if (how := training.get("split")) in (BY_IMAGE, BY_FILE):
        text += (
            f"\nThe set was split {how}: images of one patient or lesion may stand in training and test part at once,\n"
            "which flatters the measures."
        )
    return text


def _measures(part: str, measured: Any) -> str:
    """Numbers of a part of the split: a table, or one a part of the evaluation with what it was measured with."""
    if not isinstance(measured, Mapping):
        return ""
    of_parts = {name: found for name, found in measured.items() if isinstance(found, Mapping)}
    missing = [name for name in EVALUATION_PARTS if name not in of_parts] if of_parts else []
    unseen = ", which neither training nor the choice of the snapshot saw" if part == "test" else ""
    sections = [
        f"**Measures** on the {part} part{unseen}.\n"
        "`judge` is a classifier trained on the real training images alone.",
        _numbers(measured),
        *(_section(name, found) for name, found in of_parts.items()),
        f"Not measured in this evaluation: {', '.join(missing)}." if missing else "",
    ]
    return "\n\n".join(section for section in sections if section)


def _section(name: str, found: Mapping[str, Any]) -> str:
    """A part of an evaluation."""
    numbers = found.get("numbers")
    table = _numbers(numbers) if isinstance(numbers, Mapping) else ""
    settings, cautions = found.get("measured_with"), found.get("cautions")
    with_what = (
        ", ".join(f"{key.replace('_', ' ')} {words(value)}" for key, value in settings.items())
        if isinstance(settings, Mapping)
        else ""
    )
    lines = [f"*{name.capitalize()}*" + (f" ({_cell(with_what)})" if with_what else "") + ":"]
    lines[0] += "" if table else " measured, and no number of it says anything."
    lines += [f"**Caution.** {text}" for text in cautions] if isinstance(cautions, list) else []
    lines.append(table)
    return "\n\n".join(line for line in lines if line)


def _numbers(numbers: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| {_cell(key)} | {value:g} |" for key, value in numbers.items() if isinstance(value, int | float)
    )
    return f"| measure | value |\n|---|---|\n{rows}" if rows else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
