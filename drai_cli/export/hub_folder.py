"""The files of a model's Hub repository: the model, its header as JSON, its card, and a figure of samples."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.hub.repository import CARD_FILE, CONFIG_FILE, MODEL_FILE, SAMPLES_FILE
from drai_cli.inference.torch_model import Inference
from drai_cli.io.files import file_sha256
from drai_cli.io.png import encode_png
from drai_cli.model_file.checkpoint import read_header
from drai_cli.model_file.header import ModelHeader
from drai_cli.output.figure import draw_figure
from drai_cli.output.marks import synthetic_marks
from drai_cli.progress import SILENT, Reporter
from drai_cli.report.model_card import model_card
from drai_cli.run.directory import measures_beside
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.plan import Item

_SAMPLES_PER_LABEL = 6
_LABELS_SHOWN = 12
_SIDE = 96


def write_hub_folder(model: Path, name: str, out: Path, reporter: Reporter = SILENT) -> dict[str, Path]:
    """Writes the files of a repository into a folder; returns them by name.

    Args:
        model: The model file, which is copied.
        name: The model's name in the card.
        out: An existing folder.
        reporter: Reports the device that makes the samples.
    """
    header = read_header(model)
    if measures := measures_beside(model, file_sha256(model)):
        header = replace(header, measures=measures)
    shutil.copyfile(model, out / MODEL_FILE)
    (out / CONFIG_FILE).write_text(json.dumps(config_json(model, header), indent=2) + "\n", encoding="utf-8")
    (out / SAMPLES_FILE).write_bytes(_draw_samples(model, reporter))
    (out / CARD_FILE).write_text(model_card(header, name, SAMPLES_FILE), encoding="utf-8")
    return {file: out / file for file in (MODEL_FILE, CONFIG_FILE, CARD_FILE, SAMPLES_FILE)}


def config_json(model: Path, header: ModelHeader) -> dict[str, Any]:
    """The header as JSON, for readers without safetensors."""
    return {
        "library_name": "drai", "version": __version__, "weights_sha256": file_sha256(model), **header.to_json(),
    }  # fmt: skip


def _draw_samples(model: Path, reporter: Reporter) -> bytes:
    """A row per label: the first images that `drai sample --label LABEL` makes."""
    inference = Inference.open(str(model), None, "fp32", reporter)
    label_name, labels = inference.header.schema.label.name, inference.header.schema.labels[:_LABELS_SHOWN]
    panels = []
    for label in labels:
        items = [Item(label, {label_name: label}, index) for index in range(_SAMPLES_PER_LABEL)]
        images, _, _ = draw_images(inference, items, 0)
        panels += [("", image) for image in images]
    figure = draw_figure(panels, _SAMPLES_PER_LABEL, _SIDE, row_names=labels)
    return encode_png(figure, synthetic_marks(inference.model.sha256, made_by="push"), level=9)
