"""Content for a model that infers none of an image (`cinfogan`, `cavae`): that of a label, which the user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from drai_cli.errors import UsageError
from drai_cli.inference.torch_model import Inference


def check_labels(inference: Inference, given: Mapping[str, str | None], example: str) -> None:
    """Whether labels are given exactly where the model needs them.

    Args:
        inference: The model at work.
        given: Labels as typed, None where there is none, each by where it is given.
        example: How to give them, for the hint; `{0}` and `{1}` become two of the model's labels.

    Raises:
        UsageError: One is missing, not needed, or no label of the model.
    """
    schema, infers_content = inference.header.schema, inference.model.infers_content
    if infers_content:
        needless = [name for name, label in given.items() if label is not None]
        if needless:
            raise UsageError(needless[0], "this model infers content from the image", "leave it out")
        return
    missing = [name for name, label in given.items() if label is None]
    if missing:
        raise UsageError(
            missing[0],
            f"this model ({inference.header.method}) infers no content of an image, so its label has to be given",
            example.format(schema.labels[0], schema.labels[-1]),
        )
    for label in given.values():
        schema.label.resolve(str(label))


def contents_of_labels(
    inference: Inference, labels: Sequence[str]
) -> Float32[np.ndarray, "labels content_dim"]:
    """The content that each label stands for: its prior's mean.

    Raises:
        UsageError: No label of the model.
    """
    label = inference.header.schema.label
    conditions = inference.header.schema.encode([{label.name: label.resolve(name)} for name in labels])
    still = np.zeros((len(labels), inference.header.architecture.content_dim), np.float32)
    return inference.draw_content(conditions, still)
