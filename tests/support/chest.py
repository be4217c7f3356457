"""A model of three findings, with random weights."""

from __future__ import annotations

from pathlib import Path

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema

CHEST = Findings(
    ("Edema", "Effusion", "Mass"), combinations={"Edema": 3, "Edema|Effusion": 4, "Mass": 2, "No Finding": 6}
)


def save_chest_model(path: Path) -> Path:
    """Writes random 16 px grey networks with three findings and an age."""
    import torch

    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import save_model
    from drai_cli.model_file.header import ModelHeader
    from drai_cli.settings.config import ModelConfig

    torch.manual_seed(0)
    label = Attribute("findings", "findings", CHEST.names, findings=CHEST)
    schema = ConditionSchema((label, Attribute("age", "continuous", mean=50.0, deviation=10.0)))
    config = ModelConfig(
        image_size=16, image_channels=1, content_dim=4, style_dim=6, channels=8, max_channels=8, blocks=1
    )
    header = ModelHeader(
        config, schema, "drai", training={"images_seen": 1}, data="Nothing", licence="CC0-1.0"
    )
    save_model(path, header, Networks(config, schema.dim))
    return path
