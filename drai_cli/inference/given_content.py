"""Content codes of labels, for a model that infers no content from an image (`cinfogan`, `cavae`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from drai_cli.errors import UsageError
from drai_cli.inference.torch_model import Inference


def check_labels(inference: Inference, given: Mapping[str, str | None], example: str) -> None:
    """Checks that labels are given if and only if the model needs them.

    Args:
        inference: The model.
        given: Labels as typed or None, by the place that gives them.
        example: For the hint: how to give them; `{0}` and `{1}` become two of the model's labels.

    Raises:
        UsageError: A label is missing, not needed, or unknown to the model.
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
            f"this model ({inference.header.method}) infers no content from an image, so its label is needed",
            example.format(schema.labels[0], schema.labels[-1]),
        )
    for label in given.values():
        schema.label.resolve(str(label))


def contents_of_labels(
    inference: Inference, labels: Sequence[str]
) -> Float32[np.ndarray, "labels content_dim"]:
    """The content code of each label: its prior's mean.

    Raises:
        UsageError: A label that the model does not have.
    """
    label = inference.header.schema.label
    conditions = inference.header.schema.encode([{label.name: label.resolve(name)} for name in labels])
    no_noise = np.zeros((len(labels), inference.header.architecture.content_dim), np.float32)
    return inference.draw_content(conditions, no_noise)
