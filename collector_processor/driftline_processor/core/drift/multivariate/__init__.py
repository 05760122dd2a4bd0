"""Multivariate drift, which no single feature shows: one method per file, defined by its constant ``METHOD``."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from .method import JointMethod, JointResult, PanePair

__all__ = ["JOINT", "JointMethod", "JointResult", "PanePair"]


def _load_methods() -> dict[str, JointMethod]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return {module.METHOD.name: module.METHOD for module in modules if hasattr(module, "METHOD")}


JOINT: dict[str, JointMethod] = _load_methods()
"""All methods by name."""
