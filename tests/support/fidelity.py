"""The package torch-fidelity, against which published measures are checked."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest


class _Standin(ModuleType):
    """A module that has every class one asks for, each of them empty, and the modules below it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})


@pytest.fixture(scope="session")
def torch_fidelity() -> Any:
    """The package, which imports torchvision for networks and data sets that are not used here."""
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed: pip install --no-deps torch-fidelity")
    names = (
        "torchvision",
        "torchvision.datasets",
        "torchvision.transforms",
        "torchvision.transforms.functional",
    )
    if importlib.util.find_spec("torchvision") is None:
        with pytest.MonkeyPatch.context() as patch:
            for name in names:
                patch.setitem(sys.modules, name, _Standin(name))
            return importlib.import_module("torch_fidelity")
    return importlib.import_module("torch_fidelity")
