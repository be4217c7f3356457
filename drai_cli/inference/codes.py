"""What an encoder infers from images. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class InferredCodes:
    """The posteriors that the encoder infers from images: means, which are the codes, and log-variances.

    Those of content are None for a model that infers no content.
    """

    style: Float32[np.ndarray, "images style_dim"]
    style_log_variance: Float32[np.ndarray, "images style_dim"]
    content: Float32[np.ndarray, "images content_dim"] | None = None
    content_log_variance: Float32[np.ndarray, "images content_dim"] | None = None
