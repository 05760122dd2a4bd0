"""The verdict of one window, and what a window says for the verdict of its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, structs
from msgspec.structs import replace

from driftline_processor.core.drift.incident import WHERE
from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.service_level.failing import EARLIER, tells_usual
from driftline_processor.core.windows.window import DAY

from .advice import keep, look_closer, outcomes_wanted, repair
from .context import NO_CONTEXT, VerdictContext
from .reasons import first_cause, harmless_drift, looks_as_before
from .signs import Sign, deciding_change, inconclusive_reason, no_loss, signs_of_loss, signs_of_risk


class Reading(Struct, frozen=True):
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
        return any(sign.stands_out(window.end - window.start) for sign in self.signs)

    def without(self, harmless: frozenset[str]) -> Reading:
        """Return what the window says of a risk but for what is known to do no harm."""
        if self.state != "at_risk" or not harmless:
            return self
        left = tuple(sign for sign in self.signs if not harmless & {sign.part, sign.part.partition(WHERE)[0]})
        state: Literal["at_risk", "unknown"] = "at_risk" if left else "unknown"
        return replace(self, state=state, signs=left, clear=any(sign.clear for sign in left))

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
        known_since = self.signs[0].since if self.signs else None
        if known_since is None or self.start is None:
            return self.start if known_since is None else known_since
        return max(known_since, self.start if earliest is None else earliest)


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
        return Reading("at_risk", evaluation, tuple(risks), any(risk.clear for risk in risks), context)
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
        return Reading("degraded", evaluation, tuple(losses), any(loss.clear for loss in losses), context)
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
    evaluationses: list[tuple[Evaluation, tuple[ServiceLevel, ...]]] = []
    for evaluation in evaluations:
        if evaluation.service is None:
            evaluationses.append((evaluation, ()))
            continue
        known = usual.setdefault(evaluation.window.name, [])
        before = tuple(known[-EARLIER:])
        evaluationses.append((evaluation, before))
        if tells_usual(evaluation, before):
            known.append(evaluation.service)
    return evaluationses


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
        structs.replace(one, verdict=verdict_of_window(one, context, earlier))
        for one, earlier in usual_service(evaluations)
    ]


def verdict_of(reading: Reading, since: int | None, certainty: Sequence[Fact] = (), *, alone: bool = False) -> Verdict:
    """Return the verdict that follows from what a window shows.

    Args:
        reading: What the window shows.
        since: From when on it is so, unix nanoseconds; None where that is not known.
        certainty: What else is known of how certain it is.
        alone: Whether no other window says since when it is so.
    """
    evaluation, signs, start = reading.evaluation, list(reading.signs), reading.start
    cause = first_cause(evaluation, signs)
    reasons, advice, own = _conclusion(reading, since)
    first = signs[0] if signs else None
    asked = own is not None and own.kind != "drift_with_too_few_days"
    still_open = open_questions(evaluation) if asked else None
    return Verdict(
        state=reading.state,
        since=since,
        metric=first.metric if first else "",
        effect=first.effect if first else None,
        low=first.low if first else None,
        high=first.high if first else None,
        kind=cause.kind if reading.state != "healthy" else "",
        cause=cause.fact,
        reasons=tuple(reason for reason in reasons if reason is not None),
        certainty=tuple(one for one in (own, still_open, *certainty) if one is not None),
        advice=advice,
        slice=first.slice if first else "",
        window_start=start,
        window_end=None if start is None else evaluation.window.end,
        of_window=alone and since is not None,
        of_days=reading.of_days,
        timezone=reading.context.timezone,
    )


def open_questions(evaluation: Evaluation) -> Fact | None:
    """Return the columns whose drift stays open for want of rows or days; None where none does.

    Args:
        evaluation: The window.
    """
    columns = (evaluation.score, evaluation.predicted, *evaluation.features.values())
    unsure = [
        column
        for column in columns
        if column is not None and column.state == "inconclusive" and column.reason.startswith("too_few")
    ]
    if not unsure:
        return None
    return fact(
        "drift_open",
        outputs=tuple(one.words for one in unsure if one.column != "feature"),
        features=tuple(one.name for one in unsure if one.column == "feature"),
        missing=tuple(sorted({one.reason for one in unsure})),
    )


def _conclusion(reading: Reading, since: int | None) -> tuple[tuple[Fact | None, ...], Fact, Fact | None]:
    """Return what shows and explains a state, what to do, and how certain the window is."""
    evaluation, signs = reading.evaluation, list(reading.signs)
    if reading.state == "degraded":
        cause = first_cause(evaluation, signs)
        why = cause.reason("likely_cause" if cause.features else "first_cause")
        if looks_as_before(evaluation) and signs[0].reason != "service":
            why = fact("inputs_look_as_before", cause=cause.fact)
        return (signs[0].fact, why), repair(evaluation, signs, reading.context, since), signs[0].certainty
    if reading.state == "healthy":
        return (signs[0].fact, harmless_drift(evaluation)), keep(evaluation), signs[0].certainty
    if reading.state == "at_risk":
        return _risks(evaluation, signs), look_closer(evaluation, signs, reading.context), signs[0].certainty
    return (inconclusive(evaluation),), outcomes_wanted(evaluation, reading.context), fact("nothing_shows_either")


def _risks(evaluation: Evaluation, signs: list[Sign]) -> tuple[Fact | None, ...]:
    first = signs[0]
    cause = first_cause(evaluation, signs)
    explained = cause.fact is not None and first.reason in ("score", "inputs", "slice", "estimate")
    moved = first.fact if first.reason not in ("inputs", "slice") or not explained else None
    why = None
    if explained:
        why = cause.reason("likely_cause" if moved is not None and cause.features else "first_cause")
    return moved, why, fact("and_inconclusive", reason=inconclusive(evaluation))


def inconclusive(evaluation: Evaluation) -> Fact:
    """Return why outcomes do not tell whether the model is healthy."""
    if not evaluation.closed:
        return fact("window_open")
    if not evaluation.rows:
        return fact("no_rows")
    if not evaluation.outcome_rows:
        return fact("outcomes_may_come") if evaluation.young else fact("no_outcomes")
    if evaluation.maturity != "mature":
        return fact("outcomes_may_come") if evaluation.young else fact("few_outcomes")
    why, decides = inconclusive_reason(evaluation), deciding_change(evaluation)
    if decides is not None and (value := evaluation.realized.get(decides[0])) is not None:
        was = evaluation.reference.get(decides[0])
        return fact(
            "comparison_inconclusive",
            reason=why,
            outcomes=evaluation.outcome_rows,
            metric=decides[0],
            value=value.value,
            low=value.low,
            high=value.high,
            baseline=None if was is None else was.value,
        )
    if not evaluation.reference and not evaluation.objectives:
        return fact("no_objective")
    return fact("outcomes_inconclusive", outcomes=evaluation.outcome_rows)
