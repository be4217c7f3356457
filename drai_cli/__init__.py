"""Train DRAI models on labelled medical images, sample from them and swap styles. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drai_cli.api import Drai, to_pillow

__version__ = "0.1.0"
__all__ = ["Drai", "__version__", "to_pillow"]


def __getattr__(name: str) -> Any:
    """The API on first use, so that `import drai_cli` brings no torch."""
    if name in ("Drai", "to_pillow"):
        from drai_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
