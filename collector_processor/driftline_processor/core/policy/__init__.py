"""Policies: what must hold of a model before somebody is told, and since when it does, read from its windows.

Pure functions over evaluations: a replay of old windows comes to what was told when they were new.
May import every other room of core.
"""

from .condition import AllOf, AnyOf, Condition, Finding, Judged, VerdictIs, error_budget, read_condition
from .firing import Firing, Patience, firings, verdict_firings
from .replay import QuietTime, Rate, Replay, replay_rule
from .rule import Rule, WindowHistory

__all__ = [
    "AllOf",
    "AnyOf",
    "Condition",
    "Finding",
    "Firing",
    "Judged",
    "Patience",
    "QuietTime",
    "Rate",
    "Replay",
    "Rule",
    "VerdictIs",
    "WindowHistory",
    "error_budget",
    "firings",
    "read_condition",
    "replay_rule",
    "verdict_firings",
]
