"""The networks of `reference/method.md`: modules only, no paths, no files, no printing."""

from drai_cli.model.gaussian import Gaussian
from drai_cli.model.networks import Networks

__all__ = ["Gaussian", "Networks"]
