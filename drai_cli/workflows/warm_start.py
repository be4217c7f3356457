"""`--init`: starting a run from another model's weights, and saying what was taken."""

from __future__ import annotations

from dataclasses import dataclass

from drai_cli.checkpoint import LoadedModel
from drai_cli.condition import ConditionSchema
from drai_cli.training.state import TrainingState


@dataclass(frozen=True)
class Taken:
    """What a warm start took and what it made new, as names of networks."""

    taken: tuple[str, ...]
    new: tuple[str, ...]


def warm_start(state: TrainingState, model: LoadedModel, schema: ConditionSchema) -> Taken:
    """Copies a model into a fresh state of the same architecture.

    The generator and the encoder are kept. The content prior is kept if the conditions are the same. The discriminator
    is in no model file: its trunk starts from the encoder's, which reads the same images, its heads are new.
    """
    taken, new = ["generator"], ["discriminator heads", "predictors"]
    encoder = model.require_encoder()
    sources = {"generator": model.generator, "encoder": encoder}
    taken.append("encoder")
    if _same_conditions(model.header.schema, schema):
        sources["content_prior"] = model.content_prior
        taken.append("content prior")
    else:
        new.append("content prior")
    for networks in (state.networks, state.average):
        for name, source in sources.items():
            getattr(networks, name).load_state_dict(source.state_dict())
    state.adversaries.discriminator.trunk.load_state_dict(encoder.trunk.state_dict())
    taken.append("discriminator trunk (from the encoder)")
    return Taken(tuple(taken), tuple(new))


def _same_conditions(a: ConditionSchema, b: ConditionSchema) -> bool:
    # Aliases apart: a continuous attribute standardised in another way is another input.
    def read(schema: ConditionSchema) -> list[tuple[object, ...]]:
        return [(x.name, x.kind, x.values, x.mean, x.deviation) for x in schema.attributes]

    return read(a) == read(b)
