"""Policies: conditions on a model's windows that trigger notifications, and since when they hold.

Pure functions over evaluations: a replay of old windows gives the same result as the live evaluation. May import every
other package of core.
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
    PartJudged,
    VerdictIs,
    error_budget,
    judge_parts,
    leaves,
    read_condition,
    settled,
)
from .firing import Firing, Patience, Step, StepOutcome, firings, steps, verdict_firings, verdict_steps
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
    "PartJudged",
    "Patience",
    "QuietTime",
    "Rate",
    "Replay",
    "Rule",
    "Step",
    "StepOutcome",
    "VerdictIs",
    "WindowHistory",
    "check_template",
    "error_budget",
    "facts_for_templates",
    "fill_text",
    "fill_tree",
    "firings",
    "judge_parts",
    "leaves",
    "read_condition",
    "replay_rule",
    "settled",
    "steps",
    "verdict_firings",
    "verdict_steps",
]
