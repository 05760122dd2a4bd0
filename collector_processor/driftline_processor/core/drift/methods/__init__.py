"""The drift methods: those in a constant ``METHODS`` of a module of this package are found automatically."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from .method import Counts, Kind, Measured, Method

__all__ = ["DECIDING", "METHODS", "Counts", "Kind", "Measured", "Method"]


def _load_methods() -> dict[str, Method]:
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    methods = [method for module in modules for method in getattr(module, "METHODS", ())]
    return {method.name: method for method in sorted(methods, key=lambda method: method.name)}


METHODS: dict[str, Method] = _load_methods()
"""All methods by name."""

DECIDING: tuple[str, ...] = tuple(name for name, method in METHODS.items() if method.min_effect is not None)
"""Names of the methods that may decide whether a column drifts."""
