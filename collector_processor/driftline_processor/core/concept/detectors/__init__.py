"""The detectors of concept drift, one a file: a module with a constant ``DETECTOR`` is one, found by that alone.

All work on arrays of losses; tests hold each to River's detector of its name (https://riverml.xyz), alarm for alarm.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from .detector import ALARM_RATE, Detector, Kind, RunningDetector

__all__ = ["ALARM_RATE", "DETECTORS", "Detector", "Kind", "RunningDetector", "check_names"]


def _found() -> dict[str, Detector]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return {module.DETECTOR.name: module.DETECTOR for module in modules if hasattr(module, "DETECTOR")}


DETECTORS: dict[str, Detector] = _found()
"""Every detector by its name."""


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
