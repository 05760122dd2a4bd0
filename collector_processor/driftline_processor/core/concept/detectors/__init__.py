"""The detectors of concept drift, one a file: a module with a constant ``DETECTOR`` is one, found by that alone.

All are River's (https://riverml.xyz, BSD-3), which is imported when the first outcome comes: that takes a second, and
those who never send one need not wait for it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec

from .detector import ALARM_RATE, Detector, Kind, River

__all__ = ["ALARM_RATE", "DETECTORS", "MISSING", "Detector", "Kind", "River", "check_names", "installed"]

MISSING = "River is not installed: pip install river"
"""Why nothing is known of the concept where :func:`installed` says no."""


def _found() -> dict[str, Detector]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return {module.DETECTOR.name: module.DETECTOR for module in modules if hasattr(module, "DETECTOR")}


DETECTORS: dict[str, Detector] = _found()
"""Every detector by its name."""


def installed() -> bool:
    """Return True where River is there: the extra ``concept``, which the extra ``processor`` brings along."""
    return find_spec("river") is not None


def check_names(names: tuple[str, ...]) -> None:
    """Raise ValueError for what is no detector, and for one that is named twice.

    >>> check_names(("adwin", "adwim"))
    Traceback (most recent call last):
    ValueError: 'adwim' is no detector; there are adwin, ddm, hddm_a, kswin, page_hinkley
    """
    for name in names:
        if name not in DETECTORS:
            raise ValueError(f"'{name}' is no detector; there are {', '.join(DETECTORS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"one of {', '.join(names)} is named twice; name each once")
