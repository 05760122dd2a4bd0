"""What is done to the modules of a library as soon as they are imported, while somebody wants it.

Nothing is imported here. wrapt's hooks cannot be taken back: each asks whether it is wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import wrapt
from driftline.faults import FAULTS

Hook = tuple[str, Callable[[Any], None]]
"""A module's name, and what is called with the module."""


class Imports:
    """Some hooks. ``wanted``: whether they do anything."""

    def __init__(self, *hooks: Hook) -> None:
        self.wanted = False
        self._hooks = [(home, self._guarded(hook)) for home, hook in hooks]
        self._waiting = False

    def await_all(self) -> None:
        """Call each hook: now where its module is imported already, else when somebody imports it."""
        self.wanted = True
        for home, hook in self._hooks:
            if not self._waiting:
                wrapt.register_post_import_hook(hook, home)
            elif home in sys.modules:
                hook(sys.modules[home])
        self._waiting = True

    def _guarded(self, hook: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded(module: Any) -> None:
            try:
                if self.wanted:
                    hook(module)
            except Exception as fault:  # somebody imports it: a version of the library that we do not know
                FAULTS.swallow("instrument", fault)

        return guarded
