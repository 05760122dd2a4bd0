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

from .catalogue import voice_of

_NOW: Mapping[Sign, str] = {
    "<": "fell below {}",
    "<=": "fell to {} or less",
    ">": "rose above {}",
    ">=": "rose to {} or more",
}
_PAST: Mapping[Sign, str] = {
    "<": "was below {}",
    "<=": "was {} or less",
    ">": "was above {}",
    ">=": "was {} or more",
}


def claim_words(condition: Condition, *, past: bool = False) -> str:
    """Return a condition as a clause about a model; ``past``: in the past tense.

    >>> from driftline_processor.core.policy.condition import read_condition
    >>> claim_words(read_condition("accuracy < 85 %")), claim_words(read_condition("psi of age > 0.2"), past=True)
    ('accuracy fell below 85 %', 'psi of age was above 0.2')
    >>> claim_words(read_condition("3 features drift"), past=True), claim_words(read_condition("data faulty"))
    ('3 features drifted', 'data are faulty')
    """
    return voice_of(_claim(condition, past))


def _claim(condition: Condition, past: bool) -> str:
    is_, are = ("was", "were") if past else ("is", "are")
    signs = _PAST if past else _NOW
    match condition:
        case AllOf() | AnyOf():
            joined = " and " if isinstance(condition, AllOf) else " or "
            return joined.join(_claim(part, past) for part in condition.parts)
        case Comparison():
            where = f" in {condition.signal.slice}" if condition.signal.slice else ""
            return f"{condition.signal.name}{where} {signs[condition.sign].format(condition.limit.written)}"
        case GroupsApart():
            limit = signs[condition.sign].format(format_percent(condition.limit, 3))
            return f"{condition.measure.replace('_', ' ')} of {short(condition.attribute, 40)} {limit}"
        case VerdictIs(states=("no_data",)):
            return "no data"
        case VerdictIs():
            return f"verdict {is_} {' or '.join(condition.states)}"
        case Drifts(column="features"):
            features = "features" if condition.count == 1 else f"{condition.count} features"
            return f"{features} {'drifted' if past else 'drift'}"
        case Drifts():
            return f"{condition.column} {'drifted' if past else 'drifts'}"
        case ObjectiveBroken():
            return f"{condition.rule} {is_} broken" if condition.rule else f"an objective {is_} broken"
        case OutcomesLate():
            return f"outcomes {are} late"
        case DataFaulty():
            return f"data {are} faulty"
        case BurnRate():
            return f"the error budget of {condition.objective.rule} {is_} spent too fast"
        case _:
            return condition.written
