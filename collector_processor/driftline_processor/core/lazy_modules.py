"""Modules of Arrow that are loaded when something of them is used: a start needs none, and they take 20 MB."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final


class LazyModule:
    """A module by its name, imported with the first use of one of its names.

    >>> LazyModule("math").floor(2.5)
    2
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Return what the module has under a name."""
        attribute = getattr(import_module(self._name), name)
        setattr(self, name, attribute)
        return attribute


pc: Final[Any] = LazyModule("pyarrow.compute")
pq: Final[Any] = LazyModule("pyarrow.parquet")
