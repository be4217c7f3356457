"""Train DRAI models on labelled medical images, sample from them and swap styles. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drai_cli.api import Drai

__version__ = "0.1.0"
__all__ = ["Drai", "__version__"]


def __getattr__(name: str) -> Any:
    """`Drai` on first use, so that `import drai_cli` brings no torch."""
    if name == "Drai":
        from drai_cli.api import Drai

        return Drai
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
