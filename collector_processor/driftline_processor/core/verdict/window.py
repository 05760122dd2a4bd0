"""The verdict of one window, and what a window says for the verdict of its model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.windows.window import DAY

from .advice import Advice, keep, look_closer, outcomes_wanted, repair
from .context import NO_CONTEXT, VerdictContext
from .reasons import STEADY, first_cause, harmless_drift, looks_as_before
from .signs import Sign, deciding_change, lacking_to_tell, no_loss, signs_of_loss, signs_of_risk
from .words import Clause, compose, metric_words, since_words, size_of_change, slice_words

_HEADS: dict[VerdictState, str] = {
    "right": "the model has been right",
    "wrong": "the model has been wrong",
    "at_risk": "the model has been at risk",
    "unknown": "whether the model is right is unknown",
}


_LACKING = {"rows": "it has too few outcomes to", "days": "its days differ too much to"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one window says of its model.

    Attributes:
        state: The state that the window shows by itself.
        evaluation: The window.
        signs: What shows the state, the first at the head; () where nothing does.
        clear: Whether the state needs no second window to be believed.
        context: What is known beside windows.
    """

    state: Literal["right", "wrong", "at_risk", "unknown"]
    evaluation: Evaluation
    signs: tuple[Sign, ...]
    clear: bool
    context: VerdictContext = NO_CONTEXT

    @property
    def decides(self) -> bool:
        """Whether the window tells if the model is right."""
        return self.state in ("right", "wrong")

    @property
    def start(self) -> int | None:
        """Start of the window, unix nanoseconds; None where rows have no time."""
        window = self.evaluation.window
        return window.start if window.end > window.start else None

    @property
    def of_days(self) -> bool:
        """Whether the window is a day or longer, so that hours say nothing of it."""
        return self.evaluation.window.end - self.evaluation.window.start >= DAY

    def since(self, earliest: int | None = None) -> int | None:
        """Return from when on the window alone shows its state.

        Args:
            earliest: From when on an older drift that lasts counts, unix nanoseconds; None = from the window's start.
        """
        known = self.signs[0].since if self.signs else None
        if known is None or self.start is None:
            return self.start if known is None else known
        return max(known, self.start if earliest is None else earliest)


def read_window(evaluation: Evaluation, context: VerdictContext = NO_CONTEXT) -> Reading:
    """Read what one window says of its model.

    Outcomes go before everything else: a loss is wrong whatever the inputs did, and where the outcomes show none, the
    model is right whatever moved. Only without outcomes that tell, drift and faulty data put it at risk.
    """
    losses = signs_of_loss(evaluation, context.concept)
    if losses:
        return Reading("wrong", evaluation, tuple(losses), any(one.clear for one in losses), context)
    fine = no_loss(evaluation)
    if fine is not None:
        return Reading("right", evaluation, (fine,), fine.clear, context)
    risks = signs_of_risk(evaluation)
    if risks:
        return Reading("at_risk", evaluation, tuple(risks), any(one.clear for one in risks), context)
    return Reading("unknown", evaluation, (), False, context)


def verdict_of_window(evaluation: Evaluation, context: VerdictContext = NO_CONTEXT) -> Verdict:
    """Say whether a model is right, by one window alone.

    Args:
        evaluation: The window, with everything that is known of it.
        context: What is known beside windows.
    """
    reading = read_window(evaluation, context)
    return verdict_of(reading, reading.since())


def with_verdicts(evaluations: Iterable[Evaluation], context: VerdictContext = NO_CONTEXT) -> list[Evaluation]:
    """Return evaluations with the verdict of each window."""
    return [replace(one, verdict=verdict_of_window(one, context)) for one in evaluations]


def verdict_of(reading: Reading, since: int | None, sure: str = "") -> Verdict:
    """Put what a window says into words.

    Args:
        reading: What the window says.
        since: From when on it is so, unix nanoseconds; None where that is not known.
        sure: What else says how sure it is, a sentence.
    """
    evaluation, context = reading.evaluation, reading.context
    signs = list(reading.signs)
    cause = first_cause(evaluation, signs)
    clauses, advice, own = _say(reading, since)
    place = signs[0].slice if signs else ""
    head = _HEADS[reading.state] + since_words(since, context.timezone, days=reading.of_days)
    head = f"for {slice_words(place)} {head}" if place else head
    first = signs[0] if signs else None
    start = reading.start
    return Verdict(
        state=reading.state,
        since=since,
        metric=first.metric if first else "",
        effect=first.effect if first else None,
        low=first.low if first else None,
        high=first.high if first else None,
        cause=cause.words,
        kind=cause.kind if reading.state != "right" else "",
        sure=" ".join(filter(None, (own, sure))),
        sentence=compose(head[:1].upper() + head[1:], clauses, advice.action),
        next=advice.sentence,
        slice=place,
        window_start=start,
        window_end=None if start is None else evaluation.window.end,
    )


def _say(reading: Reading, since: int | None) -> tuple[tuple[Clause, ...], Advice, str]:
    """Return the clauses of a sentence, what to do, and how sure the window is."""
    evaluation, signs = reading.evaluation, list(reading.signs)
    if reading.state == "wrong":
        cause = first_cause(evaluation, signs)
        steady = looks_as_before(evaluation) and signs[0].reason != "service"
        why = cause.forms if cause.words else ""
        if steady:
            why = (f"{STEADY}; {cause.words}", STEADY) if cause.words else STEADY
        return (signs[0].words, why), repair(evaluation, signs, reading.context, since), signs[0].sure
    if reading.state == "right":
        return (signs[0].words, harmless_drift(evaluation)), keep(evaluation), signs[0].sure
    if reading.state == "at_risk":
        return _risk_clauses(evaluation, signs), look_closer(evaluation, signs), signs[0].sure
    nothing = _nothing_tells(evaluation)
    return (nothing,), outcomes_wanted(evaluation), "Nothing here shows that it is wrong, or right."


def _risk_clauses(evaluation: Evaluation, signs: list[Sign]) -> tuple[Clause, ...]:
    first = signs[0]
    cause = first_cause(evaluation, signs)
    known = bool(cause.words) and first.reason in ("score", "inputs", "slice", "estimate")
    moved = first.words if first.reason not in ("inputs", "slice") or not known else ""
    return moved, cause.forms if known else "", tuple(f"and {form}" for form in _nothing_tells(evaluation))


def _nothing_tells(evaluation: Evaluation) -> tuple[str, ...]:
    """Say why outcomes do not tell whether the model is right, in full and in short."""
    if not evaluation.closed:
        return ("its window is still open",)
    if not evaluation.rows:
        return ("the window has no rows",)
    if not evaluation.outcome_rows:
        return ("no outcome is known",)
    if evaluation.maturity != "mature":
        return ("its outcomes may still come" if evaluation.young else "too few of its outcomes are known",)
    lacks = lacking_to_tell(evaluation)
    few = {"rows": "it has too few outcomes to", "days": "its days differ too much to"}.get(
        lacks, "its outcomes do not"
    )
    decides = deciding_change(evaluation)
    if decides is not None and evaluation.realized.get(decides[0]) is not None:
        name, change = decides
        verb = "fall" if change.change < 0 else "rise"
        moved = size_of_change(name, change.change, change.low, change.high)
        return f"{few} tell the {verb} of its {metric_words(name)} by {moved} from chance", f"{few} tell"
    if not evaluation.reference and not evaluation.objectives:
        return ("nobody said what is good enough",)
    return (f"its {evaluation.outcome_rows:,} outcomes do not tell",)
