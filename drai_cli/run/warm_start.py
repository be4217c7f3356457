"""`--init`: starts a run from another model's weights, and reports which were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model.generator import Generator
from drai_cli.model.trunk import Trunk
from drai_cli.model_file.checkpoint import LoadedModel
from drai_cli.run.warm_prior import match_conditions, take_prior
from drai_cli.settings.config import ModelConfig
from drai_cli.training.state import TrainingState

_IMAGES = 64


@dataclass(frozen=True)
class Taken:
    """Names of the networks that a warm start took, and of those that are new."""

    taken: tuple[str, ...]
    new: tuple[str, ...]


def warm_start(state: TrainingState, model: LoadedModel, schema: ConditionSchema) -> Taken:
    """Copies a model into a fresh state of the same architecture, whatever the methods of the two.

    Taken are the generator, the parts of the encoder that both have, and of the content prior what the conditions of
    both can say, if they have a label in common and content is given in the same way. No model file has the
    discriminator: its trunk starts from the encoder's, which reads the same images; its heads are new.
    """
    own_discriminator = "discriminator" if model.header.mask_names else "discriminator heads"
    taken, new = ["generator"], [own_discriminator, "predictors"]
    sources: dict[str, nn.Module] = {"generator": model.generator}
    own = state.networks
    if own.encoder is not None and model.encoder is not None:
        sources["encoder"] = model.encoder
        taken.append("encoder")
        if own.encoder.content is not None and model.encoder.content is None:
            new.append("the encoder's content")
    elif own.encoder is not None:
        new.append("encoder")
    is_alike = own.content_prior.is_fixed == model.content_prior.is_fixed
    matched = match_conditions(schema, model.header.schema)
    takes_prior = is_alike and bool(matched.labels)
    if takes_prior:
        taken.append(_name_prior(matched.labels, matched.attributes, matched.is_same))
        if missing := [*matched.new_labels, *matched.new_attributes]:
            new.append(f"content prior for {', '.join(missing)}")
    else:
        new.append("content prior")
    for networks in (state.networks, state.average):
        for name, source in sources.items():
            # Not strict: one of the two encoders may have no head for content.
            getattr(networks, name).load_state_dict(source.state_dict(), strict=name != "encoder")
        if takes_prior:
            take_prior(networks.content_prior, schema, model.content_prior, model.header.schema)
    if model.encoder is not None and not model.header.mask_names:  # else the discriminator reads masks too
        trunk = state.adversaries.discriminator.trunk
        trunk.load_state_dict(model.encoder.trunk.state_dict())
        _to_unit_scale(trunk, state.networks.generator, model.header.architecture)
        taken.append("discriminator trunk (from the encoder)")
    return Taken(tuple(taken), tuple(new))


@torch.no_grad()
def _to_unit_scale(trunk: Trunk, generator: Generator, shape: ModelConfig) -> None:
    """Scales the trunk so that its features have unit scale, as the discriminator's new heads expect."""
    draws = torch.Generator().manual_seed(0)
    content, style = (
        torch.randn(_IMAGES, dim, generator=draws).to(trunk.flat.weight.device)
        for dim in (shape.content_dim, shape.style_dim)
    )
    scale = trunk(generator(content, style)).square().mean().sqrt().clamp(min=1e-6)
    # Leaky ReLU alone follows, so the features are scaled as these are.
    trunk.flat.weight.div_(scale)
    trunk.flat.bias.div_(scale)


def _name_prior(labels: Sequence[str], attributes: Sequence[str], is_same: bool) -> str:
    return "content prior" if is_same else f"content prior for {', '.join([*labels, *attributes])}"
