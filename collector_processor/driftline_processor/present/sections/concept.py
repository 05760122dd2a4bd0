"""Concept drift: the stream of errors in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import many, number, percent
from driftline_processor.present.sections.section import Line, Section
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import short


def concept(drift: ConceptDrift | None, timezone: str = "UTC", evaluations: Sequence[Evaluation] = ()) -> Section:
    """Lay out the stream of errors over all windows; ``evaluations``: windows whose errors a fall is compared with."""
    if drift is None:
        return Section("concept", "Concept drift")
    levels = error_levels(evaluations, drift.measure)
    text = f"{concept_sentence(drift, lambda time: date_words(time, timezone), levels)}."
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


def concept_sentence(concept: ConceptDrift, moment: Callable[[int], str], levels: ErrorLevels | None = None) -> str:
    """Return the state of the stream of errors as a sentence; ``moment``: writes a time.

    ``levels``: errors over all rows and of the baseline, because errors that fell may still exceed the baseline's.

    >>> concept_sentence(ConceptDrift("ok", outcomes=1200, after=0.2), str)
    'concept: the error rate is 20 % over 1,200 outcomes, no rise found'
    """
    whole_sentence = _stream_words(concept, moment)
    if levels is not None and concept.state == "ok" and levels.now > levels.was:
        now, was = (_level(concept, level) for level in levels)
        if concept.changes:
            whole_sentence += f"; over all windows it is {now}, compared with {was} in the baseline"
        elif now != was:
            whole_sentence += f"; in the baseline it was {was}"
    # 3: slices in the sentence; the JSON has all
    for index, (name, own) in enumerate(list(concept.drifting().items())[:3]):
        since = f" since {moment(own.since)}" if own.since else ""
        begin = "; but" if not index and concept.state != "drift" else "," if index else ";"
        whole_sentence += f"{begin} in {short(name)} it {_rose(own)}{since}{_now(own)}"
    return whole_sentence


def _stream_words(concept: ConceptDrift, moment: Callable[[int], str]) -> str:
    measure = "error rate" if concept.measure == "error_rate" else "absolute error"
    outcomes = many(concept.outcomes, "outcome")
    level = _level(concept, concept.after)
    since = f" since {moment(concept.since)}" if concept.since else ""
    if concept.state == "drift":
        return f"concept drift: the {measure} {_rose(concept)}{since}{_now(concept)}"
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
