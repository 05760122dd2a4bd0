"""Policies: what must hold of a model before somebody is told, and since when it does, read from its windows.

Pure functions over evaluations: a replay of old windows comes to what was told when they were new.
May import every other room of core.
"""

from .condition import AllOf, AnyOf, Condition, Finding, Judged, VerdictIs, error_budget, read_condition
from .firing import Firing, Patience, firings, verdict_firings
from .replay import QuietTime, Rate, Replay, replay_rule
from .rule import Rule, WindowHistory
from .template import check_template, facts_for_templates, fill_text, fill_tree

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
    "check_template",
    "error_budget",
    "facts_for_templates",
    "fill_text",
    "fill_tree",
    "firings",
    "read_condition",
    "replay_rule",
    "verdict_firings",
]
