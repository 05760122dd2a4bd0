"""The drift methods, one per file: each module of this package with a constant ``METHOD`` is one."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from .method import Counts, Kind, Measured, Method

__all__ = ["DECIDING", "METHODS", "Counts", "Kind", "Measured", "Method"]


def _load_methods() -> dict[str, Method]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return {module.METHOD.name: module.METHOD for module in modules if hasattr(module, "METHOD")}


METHODS: dict[str, Method] = _load_methods()
"""All methods by name."""

DECIDING: tuple[str, ...] = tuple(name for name, method in METHODS.items() if method.min_effect is not None)
"""Names of the methods that may decide whether a column drifts."""
