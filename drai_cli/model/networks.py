"""All networks of one model, built from its configuration."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from drai_cli.model.content_prior import ContentPrior
from drai_cli.model.discriminator import Discriminator
from drai_cli.model.encoder import Encoder
from drai_cli.model.feature_heads import FeatureHeads
from drai_cli.model.generator import Generator
from drai_cli.model.predictors import Predictors
from drai_cli.settings.config import ModelConfig
from drai_cli.settings.methods import DEFAULT, Method


class Networks(nn.Module):
    """The networks in a model file: generator, content prior, and an encoder unless the method has none (`cgan`)."""

    def __init__(self, config: ModelConfig, condition_dim: int, method: Method = DEFAULT) -> None:
        super().__init__()
        self.generator = Generator(config)
        self.content_prior = ContentPrior(config, condition_dim, method.content == "fixed")
        self.encoder = Encoder(config, method.infers_content) if method.has_encoder else None


class Adversaries(nn.Module):
    """The networks for training only: discriminator, predictors between codes, heads of the projected discriminator.

    Args:
        config: The networks' shape.
        condition_dim: Width of the condition.
        method: Which parts there are.
        feature_sides: Side of each scale of frozen features in pixels; empty: there are no heads.
        findings: Column of the condition in which each finding stands.
    """

    def __init__(
        self,
        config: ModelConfig,
        condition_dim: int,
        method: Method = DEFAULT,
        feature_sides: Sequence[int] = (),
        findings: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.discriminator = Discriminator(config, condition_dim, method, findings)
        self.predictors = Predictors(config, condition_dim)
        # Last, so that the others start from the same weights with and without it.
        self.feature_heads = FeatureHeads(feature_sides, condition_dim, findings) if feature_sides else None
