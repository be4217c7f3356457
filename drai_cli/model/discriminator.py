"""The discriminator: one image trunk with four heads (`reference/method.md`), and discriminators of codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.model.finding_heads import FindingHeads
from drai_cli.model.layers import linear, mlp, parallel_mlp, stack_padded
from drai_cli.model.trunk import FEATURE_DIM, Trunk
from drai_cli.settings.config import ModelConfig
from drai_cli.settings.methods import DEFAULT, Method

_HIDDEN_DIM = 256


class JointHeads(nn.Module):
    """Heads that tell whether image features and a vector (a condition, a code) belong together; one head per vector.

    They run in parallel in the time of one small network; vectors of different widths are padded with zeros.
    """

    def __init__(self, *vector_dims: int) -> None:
        super().__init__()
        count, self.vector_dim = len(vector_dims), max(vector_dims)
        self.layers = parallel_mlp(count, FEATURE_DIM + self.vector_dim, _HIDDEN_DIM, 1, hidden_layers=2)
        self.project = parallel_mlp(count, self.vector_dim, _HIDDEN_DIM, FEATURE_DIM, hidden_layers=1)

    def forward(
        self, features: Float[Tensor, "batch feature"], *vectors: Float[Tensor, "batch _"]
    ) -> Float[Tensor, "head batch"]:
        """Logits of each head."""
        padded = stack_padded(vectors, self.vector_dim)
        agreement = (features * self.project(padded)).mean(2)
        both = torch.cat([features.expand(len(vectors), -1, -1), padded], dim=2)
        joint: Tensor = self.layers(both).squeeze(2)
        return joint + agreement


class CodeDiscriminators(nn.Module):
    """The adversaries of V_aggregate (Makhzani et al. 2016): is a code drawn from its prior, or inferred?

    They see no image. That of content also sees the condition, since its prior is p(c|t). Logits, high = drawn.
    """

    def __init__(self, config: ModelConfig, condition_dim: int, has_content: bool) -> None:
        super().__init__()
        self.on_style = mlp(config.style_dim, _HIDDEN_DIM, 1)
        self.on_content = mlp(config.content_dim + condition_dim, _HIDDEN_DIM, 1) if has_content else None

    def style(self, style: Float[Tensor, "batch style_dim"]) -> Float[Tensor, " batch"]:
        return self.on_style(style).squeeze(1)

    def content(
        self, content: Float[Tensor, "batch content_dim"], condition: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, " batch"]:
        assert self.on_content is not None
        return self.on_content(torch.cat([content, condition], dim=1)).squeeze(1)


class Discriminator(nn.Module):
    """Heads that read the trunk's features, so that one pass over the images serves all losses.

    It judges an image together with its masks, so the two have to fit.

    Heads: `image` D_x(x), `condition` D_xt(x, t), `content_style` D_xc(x, c) and D_xz(x, z); logits, high = real side.
    `codes` is None for methods without V_aggregate, `findings` for conditions without findings.
    """

    def __init__(
        self,
        config: ModelConfig,
        condition_dim: int,
        method: Method = DEFAULT,
        findings: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.trunk = Trunk(config, with_masks=True)
        self.image = linear(FEATURE_DIM, 1)
        self.condition = JointHeads(condition_dim)
        self.content_style = JointHeads(config.content_dim, config.style_dim)
        self.codes = (
            CodeDiscriminators(config, condition_dim, method.infers_content)
            if "aggregate" in method.terms
            else None
        )
        self.findings = FindingHeads(findings, FEATURE_DIM, _HIDDEN_DIM) if findings else None
