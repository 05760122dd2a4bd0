"""Words for the condition of a policy while it holds."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.policy.condition import (
    AllOf,
    AnyOf,
    BurnRate,
    Comparison,
    Condition,
    DataFaulty,
    Drifts,
    GroupsApart,
    ObjectiveBroken,
    OutcomesLate,
    Sign,
    VerdictIs,
)
from driftline_processor.present.wording import format_percent, short

from .register import voice_of

_SIGNS: Mapping[Sign, str] = {"<": "below {}", "<=": "{} or less", ">": "above {}", ">=": "{} or more"}


def claim_words(condition: Condition, *, past: bool = False) -> str:
    """Return a condition as a clause about a model in the present perfect; ``past``: in the past tense.

    >>> from driftline_processor.core.policy.condition import read_condition
    >>> claim_words(read_condition("accuracy < 85 %")), claim_words(read_condition("psi of age > 0.2"), past=True)
    ('accuracy has been below 85 %', 'psi of age was above 0.2')
    >>> claim_words(read_condition("3 features drift"), past=True), claim_words(read_condition("data faulty"))
    ('3 features drifted', 'data have been faulty')
    """
    return voice_of(_claim(condition, past))


def _claim(condition: Condition, past: bool) -> str:
    has_been, have_been = ("was", "were") if past else ("has been", "have been")
    match condition:
        case AllOf() | AnyOf():
            joined = " and " if isinstance(condition, AllOf) else " or "
            return joined.join(_claim(part, past) for part in condition.parts)
        case Comparison():
            where = f" in {condition.signal.slice}" if condition.signal.slice else ""
            return f"{condition.signal.name}{where} {has_been} {_SIGNS[condition.sign].format(condition.limit.text)}"
        case GroupsApart():
            limit = _SIGNS[condition.sign].format(format_percent(condition.limit, 3))
            return f"{condition.measure.replace('_', ' ')} of {short(condition.attribute, 40)} {has_been} {limit}"
        case VerdictIs(states=("no_data",)):
            return "no data"
        case VerdictIs():
            return f"verdict {has_been} {' or '.join(condition.states)}"
        case Drifts(column="features"):
            features = "features" if condition.count == 1 else f"{condition.count} features"
            return f"{features} {'drifted' if past else 'have drifted'}"
        case Drifts():
            return f"{condition.column} {'drifted' if past else 'has drifted'}"
        case ObjectiveBroken():
            return f"{condition.rule or 'an objective'} {has_been} broken"
        case OutcomesLate():
            return f"outcomes {have_been} late"
        case DataFaulty():
            return f"data {have_been} faulty"
        case BurnRate():
            return f"the error budget of {condition.objective.rule} {has_been} spent too fast"
        case _:
            return condition.text
