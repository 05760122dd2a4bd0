"""What a healthy model misses: an open incident of which too few windows are known for a degradation.

As in the list of incidents, an objective is missed until a window meets it: windows that are inconclusive, or wait for
their outcomes, do not close the incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import ObjectiveState, Verdict
from driftline_processor.core.fact import Fact
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS

from .advice import longer_window, look_again
from .reading import Reading
from .sign import Sign
from .window import verdict_of


class _Missed(NamedTuple):
    reading: Reading
    fact: Fact
    advice: Fact | None


def with_missed(verdict: Verdict, lengths: Iterable[Sequence[Reading]]) -> Verdict:
    """Return a healthy verdict with what its windows miss, and the step that it needs.

    Args:
        verdict: The verdict.
        lengths: The closed windows of each length, the oldest first.
    """
    lengths = [*lengths]
    missed = [one for readings in lengths for one in _missed(readings)]
    if missed:
        reading, fact, advice = max(missed, key=lambda one: one.reading.evaluation.window.end)
        window = reading.evaluation.window
        but = facts.BrokenInNewest(fact, window.start, window.end, reading.context.timezone, reading.of_days)
        return replace(verdict, but=but, advice=advice)
    newest = (readings[-1] for readings in lengths)
    overdue = ((objective, one) for one in newest for objective in one.evaluation.objectives if objective.overdue)
    first = next(overdue, None)
    if first is None or not isinstance(verdict.advice, facts.NoStep):
        return verdict
    return replace(verdict, advice=_make_conclusive(*first))


def _missed(readings: Sequence[Reading]) -> Iterator[_Missed]:
    """Yield what the windows of one length miss: objectives, calls that fail, and outcomes that are late."""
    undecided = {objective.rule for objective in readings[-1].evaluation.objectives}
    for reading in reversed(readings):
        if not undecided:
            break
        states = reading.evaluation.objectives
        decided = undecided.intersection(one.rule for one in states if one.state != "inconclusive")
        undecided -= decided
        for sign in reading.signs:
            if isinstance(sign.fact, facts.ObjectiveMissed) and sign.fact.rule in decided:
                yield _of_sign(reading, sign)
    called = next((one for one in reversed(readings) if one.evaluation.service is not None), None)
    for sign in () if called is None else called.signs:
        if called is not None and isinstance(sign.fact, facts.ServiceFailing):
            yield _of_sign(called, sign)
    for reading in reversed(readings):
        sla = reading.evaluation.label_sla
        if sla is not None and sla.state != "inconclusive":
            if sla.state == "broken":
                late = facts.OutcomesInTime(at_most=sla.high, agreed=sla.coverage)
                yield _Missed(reading, late, facts.CheckOutcomeDelay())
            break


def _of_sign(reading: Reading, sign: Sign) -> _Missed:
    alone = verdict_of(replace(reading, signs=(sign,)), reading.start)
    return _Missed(reading, sign.fact, look_again(alone.advice))


def _make_conclusive(objective: ObjectiveState, reading: Reading) -> Fact:
    """Return how an objective that is inconclusive for too long becomes conclusive."""
    evaluation, context = reading.evaluation, reading.context
    if objective.metric in SERVICE_METRICS or objective.reason == "too_few_days":
        return longer_window(evaluation, context, "too_few_days")
    if not objective.needed:
        return facts.SendMoreOutcomes()
    needed = facts.Needed(objective.needed, objective.metric, objective.rule)
    if objective.reason or objective.needed > evaluation.rows:
        return longer_window(evaluation, context, "too_few_rows", needed=needed, rows=evaluation.rows)
    return facts.LabelMore(more=max(objective.needed - objective.rows, 1), needed=needed)
