"""Concept drift: the stream of errors in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.present.numbers import many, number, percent
from driftline_processor.present.sections.section import Line, Section
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import short

FAULTS: Final = {"data_fault", "output_fault"}
"""Kinds of change that raise the errors while the relation of the true inputs to the outcomes stays as it was."""


def concept(
    drift: ConceptDrift | None,
    timezone: str = "UTC",
    evaluations: Sequence[Evaluation] = (),
    verdict: Verdict | None = None,
) -> Section:
    """Lay out the stream of errors over all windows.

    Args:
        drift: The concept drift.
        timezone: Time zone of the words.
        evaluations: Windows whose errors a fall is compared with.
        verdict: The verdict on the model: the begin and the cause of a degradation are those of the verdict.
    """
    if drift is None:
        return Section("concept", "Concept drift")
    levels = error_levels(evaluations, drift.measure)
    text = f"{concept_sentence(drift, lambda time: date_words(time, timezone), levels, verdict)}."
    surfaces = "" if drift.state == "drift" else "page explain" if drift.outcomes or drift.unusable else "page"
    line = Line(text, "bad" if drift.state == "drift" else "quiet", "concept", surfaces)
    return Section("concept", "Concept drift", (line,))


class ErrorLevels(NamedTuple):
    """Mean error over all rows and of the baseline."""

    now: float
    was: float


def error_levels(evaluations: Sequence[Evaluation], measure: str) -> ErrorLevels | None:
    """Return the errors over all windows and of the baseline; None if either is unknown.

    ``measure``: "error_rate" or "absolute_error".
    """
    metric = "accuracy" if measure == "error_rate" else "mae"
    levels = [
        (now.value, now.rows, was.value)
        for evaluation in evaluations
        if (now := evaluation.realized.get(metric)) is not None and now.value is not None and now.rows
        if (was := evaluation.reference.get(metric)) is not None and was.value is not None
    ]
    rows = sum(window_rows for _, window_rows, _ in levels)
    if not rows:
        return None
    mean, before = sum(value * window_rows for value, window_rows, _ in levels) / rows, levels[-1][2]
    return ErrorLevels(1 - mean, 1 - before) if metric == "accuracy" else ErrorLevels(mean, before)


def concept_sentence(
    concept: ConceptDrift,
    moment: Callable[[int], str],
    levels: ErrorLevels | None = None,
    verdict: Verdict | None = None,
) -> str:
    """Return the state of the stream of errors as a sentence.

    Args:
        concept: The concept drift.
        moment: Writes a time.
        levels: Errors over all rows and of the baseline, because errors that fell may still exceed the baseline's.
        verdict: The verdict on the model: a rise has no begin of its own next to that of a degradation.

    >>> concept_sentence(ConceptDrift("ok", outcomes=1200, after=0.2), str)
    'concept: the error rate is 20 % over 1,200 outcomes, no rise found'
    >>> rise = ConceptDrift("drift", outcomes=1200, before=0.2, after=0.3, since=5)
    >>> concept_sentence(rise, str)
    'concept drift: in the order of the outcomes, the error rate rose from 20 % to 30 % since 5'
    >>> concept_sentence(rise, str, verdict=Verdict("degraded", 4, kind="data_fault"))
    'errors: in the order of the outcomes, the error rate rose from 20 % to 30 %'
    """
    dated = verdict is not None and verdict.state == "degraded" and verdict.since is not None

    def since_of(one: ConceptDrift) -> str:
        return f" since {moment(one.since)}" if one.since and not (dated and one.state == "drift") else ""

    by_fault = verdict is not None and not FAULTS.isdisjoint((verdict.kind, verdict.cause_kind))
    whole_sentence = _stream_words(concept, since_of(concept), "errors" if by_fault else "concept drift")
    if levels is not None and concept.state == "ok" and levels.now > levels.was:
        now, was = (_level(concept, level) for level in levels)
        if concept.changes:
            whole_sentence += f"; over all windows it is {now}, compared with {was} in the baseline"
        elif now != was:
            whole_sentence += f"; in the baseline it was {was}"
    # 3: slices in the sentence; the JSON has all
    for index, (name, own) in enumerate(list(concept.drifting().items())[:3]):
        begin = "; but" if not index and concept.state != "drift" else "," if index else ";"
        whole_sentence += f"{begin} in {short(name)} it {_rose(own)}{since_of(own)}{_now(own)}"
    return whole_sentence


def _stream_words(concept: ConceptDrift, since: str, name: str) -> str:
    measure = "error rate" if concept.measure == "error_rate" else "absolute error"
    outcomes = many(concept.outcomes, "outcome")
    level = _level(concept, concept.after)
    if concept.state == "drift":
        return f"{name}: in the order of the outcomes, the {measure} {_rose(concept)}{since}{_now(concept)}"
    if concept.state == "unconfirmed":
        rise = f"the {measure} {_rose(concept)}{since} in the order in which outcomes arrived"
        return f"concept: {rise}, but no window with all of its outcomes shows this yet"
    if concept.state == "ok":
        if concept.changes:  # the last change was a fall, since a rise is drift
            fall = concept.changes[-1]
            reached, now = concept.after, ""
            if reached is None or reached >= fall.before:
                reached, now = fall.after, f", and is {level} now"
            fell = f"dropped from {_level(concept, fall.before)} to {_level(concept, reached)}"
            return f"concept: the {measure} {fell}{since}{now}"
        return f"concept: the {measure} is {level} over {outcomes}, no rise found"
    if concept.state == "learning":
        return f"concept: learning, {outcomes} so far"
    return "concept: unknown, no outcome has arrived"


def _rose(concept: ConceptDrift) -> str:
    """Return the levels of a rise in words: up to the current level, or up to the peak if errors have fallen since."""
    reached = concept.after if not _fallen(concept) else _highest(concept)
    if _fallen(concept) and reached is None:
        return f"was above {_level(concept, concept.before)}"
    return f"rose from {_level(concept, concept.before)} to {_level(concept, reached)}"


def _now(concept: ConceptDrift) -> str:
    return f", but is {_level(concept, concept.after)} now" if _fallen(concept) else ""


def _fallen(concept: ConceptDrift) -> bool:
    """Return True if errors are back at the level before the rise, although the drift has not ended yet."""
    return concept.before is not None and concept.after is not None and concept.after <= concept.before


def _highest(concept: ConceptDrift) -> float | None:
    """Return the highest level of a change since the rise."""
    changes = [change.after for change in concept.changes if concept.since is None or change.since >= concept.since]
    return max(changes, default=None)


def _level(concept: ConceptDrift, value: float | None) -> str:
    return "unknown" if value is None else (percent if concept.measure == "error_rate" else number)(value)
