"""The verdict of one window, and what a window says for the verdict of its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from driftline_processor.core.dates import span_words
from driftline_processor.core.drift.incident import WHERE
from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict
from driftline_processor.core.service_level.failing import EARLIER, tells_usual
from driftline_processor.core.windows.window import DAY
from driftline_processor.core.wording import short

from .advice import Advice, keep, look_closer, outcomes_wanted, repair
from .context import NO_CONTEXT, VerdictContext
from .reasons import STEADY, first_cause, harmless_drift, looks_as_before
from .signs import Sign, beside_baseline, deciding_change, lacking_to_tell, no_loss, signs_of_loss, signs_of_risk
from .words import NAME, Clause, capital, compose, listed, since_words, slice_words

_WORDS = {"healthy": "healthy", "degraded": "degraded", "at_risk": "at risk", "unknown": "unknown"}
"""The words of each state."""


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

    state: Literal["healthy", "degraded", "at_risk", "unknown"]
    evaluation: Evaluation
    signs: tuple[Sign, ...]
    clear: bool
    context: VerdictContext = NO_CONTEXT

    @property
    def decides(self) -> bool:
        """Whether the window tells if the model is healthy."""
        return self.state in ("healthy", "degraded")

    @property
    def stands_out(self) -> bool:
        """Whether chance shows a loss of this window too rarely for it to be no news by itself."""
        window = self.evaluation.window
        return any(one.stands_out(window.end - window.start) for one in self.signs)

    def without(self, harmless: frozenset[str]) -> Reading:
        """Return what the window says of a risk but for what is known to do no harm."""
        if self.state != "at_risk" or not harmless:
            return self
        left = tuple(one for one in self.signs if not harmless & {one.part, one.part.partition(WHERE)[0]})
        state: Literal["at_risk", "unknown"] = "at_risk" if left else "unknown"
        return replace(self, state=state, signs=left, clear=any(one.clear for one in left))

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


def read_window(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Reading:
    """Read what one window says of its model.

    Outcomes go before everything else: a loss makes the model degraded whatever the inputs did, and if the outcomes
    show none, the model is healthy whatever moved. Drift and faulty data put it at risk only if no outcomes tell.

    Args:
        evaluation: The window.
        context: What is known beside windows.
        earlier: How the service answered in windows of the same length before it, see :func:`usual_service`.
    """
    told = read_outcomes(evaluation, context, earlier)
    if told.decides:
        return told
    risks = signs_of_risk(evaluation)
    if risks:
        return Reading("at_risk", evaluation, tuple(risks), any(one.clear for one in risks), context)
    return told


def read_outcomes(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Reading:
    """Read whether one window shows its model healthy or degraded, and nothing of what may put it at risk.

    Args:
        evaluation: The window.
        context: What is known beside windows.
        earlier: How the service answered in windows of the same length before it, see :func:`usual_service`.
    """
    losses = signs_of_loss(evaluation, context.concept, earlier)
    if losses:
        return Reading("degraded", evaluation, tuple(losses), any(one.clear for one in losses), context)
    fine = no_loss(evaluation)
    if fine is not None:
        return Reading("healthy", evaluation, (fine,), fine.clear, context)
    return Reading("unknown", evaluation, (), False, context)


def harmless_parts(reading: Reading) -> frozenset[str]:
    """Return what moved in a window, or was in an incident, though its outcomes show no loss."""
    if reading.state != "healthy":
        return frozenset()
    parts = (one.part for one in signs_of_risk(reading.evaluation))
    return frozenset({*parts, *reading.evaluation.incident} - {""})


def usual_service(evaluations: Iterable[Evaluation]) -> list[tuple[Evaluation, tuple[ServiceLevel, ...]]]:
    """Return each window with the service level of those of its length before it, in which the service did not fail.

    A failure that lasts does not become what is usual. A window without calls needs none of it, and has none.

    Args:
        evaluations: Windows of one series, of any lengths, the oldest first.
    """
    usual: dict[str, list[ServiceLevel]] = {}
    found: list[tuple[Evaluation, tuple[ServiceLevel, ...]]] = []
    for one in evaluations:
        if one.service is None:
            found.append((one, ()))
            continue
        known = usual.setdefault(one.window.name, [])
        before = tuple(known[-EARLIER:])
        found.append((one, before))
        if tells_usual(one, before):
            known.append(one.service)
    return found


def verdict_of_window(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Verdict:
    """Say whether a model is healthy, by one window alone.

    Args:
        evaluation: The window, with everything that is known of it.
        context: What is known beside windows.
        earlier: How the service answered in windows of the same length before it.
    """
    reading = read_window(evaluation, context, earlier)
    since = reading.since()
    return verdict_of(reading, since, alone=since == reading.start)


def with_verdicts(evaluations: Iterable[Evaluation], context: VerdictContext = NO_CONTEXT) -> list[Evaluation]:
    """Return evaluations, the oldest first, with the verdict of each window."""
    return [
        replace(one, verdict=verdict_of_window(one, context, earlier)) for one, earlier in usual_service(evaluations)
    ]


def verdict_of(reading: Reading, since: int | None, sure: str = "", *, alone: bool = False) -> Verdict:
    """Put what a window says into words.

    Args:
        reading: What the window says.
        since: From when on it is so, unix nanoseconds; None where that is not known.
        sure: What else says how sure it is, a sentence.
        alone: Whether no other window says since when it is so.
    """
    evaluation = reading.evaluation
    signs = list(reading.signs)
    cause = first_cause(evaluation, signs)
    clauses, advice, own = _say(reading, since)
    place = signs[0].slice if signs else ""
    head = head_of(reading, since, alone=alone, state=_WORDS[reading.state])
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
        kind=cause.kind if reading.state != "healthy" else "",
        sure=" ".join(filter(None, (beside_open_questions(own, evaluation), sure))),
        sentence=compose(head, clauses, advice.action),
        next=advice.sentence,
        slice=place,
        window_start=start,
        window_end=None if start is None else evaluation.window.end,
    )


def beside_open_questions(sure: str, evaluation: Evaluation) -> str:
    """Say how sure a window is, and in the same sentence of what the drift stays open for want of rows or days.

    Args:
        sure: How sure the window is, a sentence; "" where nothing is said.
        evaluation: The window.

    >>> from driftline.tables.table import ModelKey
    >>> from driftline_processor.core.evaluation import ColumnDrift
    >>> from driftline_processor.core.windows.window import Window
    >>> few = ColumnDrift("feature", "age", "cannot_tell", "ks", 90, {}, lacking="days")
    >>> week = Evaluation(ModelKey("churn"), Window("1w", 0, 7 * DAY), 900, True, features={"age": few})
    >>> beside_open_questions("Certain: the service fails.", week)
    'Certain: the service fails; whether age drifted stays open: too few days.'
    """
    if not sure or "too few" in sure:
        return sure
    columns = (evaluation.score, evaluation.predicted, *evaluation.features.values())
    unsure = [one for one in columns if one is not None and one.state == "cannot_tell" and one.lacking]
    if not unsure:
        return sure
    features = [short(one.name, NAME) for one in unsure if one.column == "feature"]
    named = features if len(features) == 1 else [f"{len(features)} features"] if features else []
    named = [*(f"its {one.words}" for one in unsure if one.column != "feature"), *named]
    few = " and ".join(sorted({f"too few {one.lacking}" for one in unsure}))
    return f"{sure.rstrip('.')}; whether {listed(named)} drifted stays open: {few}."


def head_of(reading: Reading, since: int | None, *, alone: bool, state: str) -> str:
    """Return the beginning of a sentence: of which rows, whether the model is healthy, and since when.

    Args:
        reading: What the window says.
        since: From when on it is so, unix nanoseconds; None where that is not known.
        alone: Whether no other window says since when it is so: the sentence is about the rows of this one.
        state: The state in words.
    """
    timezone, window = reading.context.timezone, reading.evaluation.window
    slice = reading.signs[0].slice if reading.signs else ""
    place = f"for {slice_words(slice)}" if slice else ""
    rows = (
        f"in the rows of {span_words(window.start, window.end, timezone, days=reading.of_days)}"
        if alone and since is not None
        else ""
    )
    when = since_words(since, timezone, days=reading.of_days)
    if state == "unknown":
        verb = "is" if rows or since is None else "has been"
        head = f"whether the model {'was' if rows else 'is'} healthy {rows}".rstrip() + f" {verb} unknown"
        head += "" if rows else when
    elif rows:
        head = f"{rows}{',' if place else ''} the model is {state}"
    else:
        head = f"the model {'is' if since is None else 'has been'} {state}{when}"
    return capital(f"{place}{',' if place and rows else ''} {head}".strip())


def _say(reading: Reading, since: int | None) -> tuple[tuple[Clause, ...], Advice, str]:
    """Return the clauses of a sentence, what to do, and how sure the window is."""
    evaluation, signs = reading.evaluation, list(reading.signs)
    if reading.state == "degraded":
        cause = first_cause(evaluation, signs)
        steady = looks_as_before(evaluation) and signs[0].reason != "service"
        why: Clause = cause.forms("likely because " if cause.features else "")
        if steady:
            why = (f"{STEADY}; {cause.words}", STEADY) if cause.words else STEADY
        return (signs[0].words, why), repair(evaluation, signs, reading.context, since), signs[0].sure
    if reading.state == "healthy":
        return (signs[0].words, harmless_drift(evaluation)), keep(evaluation), signs[0].sure
    if reading.state == "at_risk":
        return _risk_clauses(evaluation, signs), look_closer(evaluation, signs, reading.context), signs[0].sure
    nothing = _nothing_tells(evaluation)
    return (
        (nothing,),
        outcomes_wanted(evaluation, reading.context),
        "Nothing here shows that it is degraded, or healthy.",
    )


def _risk_clauses(evaluation: Evaluation, signs: list[Sign]) -> tuple[Clause, ...]:
    first = signs[0]
    cause = first_cause(evaluation, signs)
    known = bool(cause.words) and first.reason in ("score", "inputs", "slice", "estimate")
    moved = first.words if first.reason not in ("inputs", "slice") or not known else ""
    why = cause.forms("likely because " if moved and cause.features else "") if known else ""
    return moved, why, tuple(f"and {form}" for form in _nothing_tells(evaluation))


def _nothing_tells(evaluation: Evaluation) -> tuple[str, ...]:
    """Say why outcomes do not tell whether the model is healthy, in full and in short."""
    if not evaluation.closed:
        return ("its window is still open",)
    if not evaluation.rows:
        return ("the window has no rows",)
    if not evaluation.outcome_rows:
        return ("its outcomes may still come" if evaluation.young else "no outcome is known",)
    if evaluation.maturity != "mature":
        return ("its outcomes may still come" if evaluation.young else "too few of its outcomes are known",)
    few = {
        "rows": f"its {evaluation.outcome_rows:,} outcomes are too few to",
        "days": "its days differ too much to",
    }.get(lacking_to_tell(evaluation), "its outcomes do not")
    decides = deciding_change(evaluation)
    if decides is not None and evaluation.realized.get(decides[0]) is not None:
        value, than = beside_baseline(decides[0], evaluation)
        return f"{few} tell whether {value} is worse than {than}", f"{few} tell"
    if not evaluation.reference and not evaluation.objectives:
        return ("nobody said what is good enough",)
    return (f"its {evaluation.outcome_rows:,} outcomes do not tell",)
