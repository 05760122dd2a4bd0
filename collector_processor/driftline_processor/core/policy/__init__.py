"""Policies: what must hold of a model before somebody is told, and since when it does, read from its windows.

Pure functions over evaluations: a replay of old windows comes to what was told when they were new.
May import every other room of core.
"""

from .condition import (
    AllOf,
    AnyOf,
    BurnRate,
    Comparison,
    Condition,
    Finding,
    GroupsApart,
    Judged,
    ObjectiveBroken,
    VerdictIs,
    claim,
    contradiction,
    error_budget,
    leaves,
    read_condition,
)
from .firing import Firing, Patience, firings, verdict_firings
from .replay import QuietTime, Rate, Replay, replay_rule
from .rule import MOST_WINDOWS, Rule, WindowHistory
from .template import check_template, facts_for_templates, fill_text, fill_tree

__all__ = [
    "MOST_WINDOWS",
    "AllOf",
    "AnyOf",
    "BurnRate",
    "Comparison",
    "Condition",
    "Finding",
    "Firing",
    "GroupsApart",
    "Judged",
    "ObjectiveBroken",
    "Patience",
    "QuietTime",
    "Rate",
    "Replay",
    "Rule",
    "VerdictIs",
    "WindowHistory",
    "check_template",
    "claim",
    "contradiction",
    "error_budget",
    "facts_for_templates",
    "fill_text",
    "fill_tree",
    "firings",
    "leaves",
    "read_condition",
    "replay_rule",
    "verdict_firings",
]
