"""The verdict of a model from its windows, its traffic and its backlog: an ordered table of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict, VerdictState
from driftline_processor.core.fact import Fact
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.windows.improbable_times import ImprobableTimes
from driftline_processor.core.windows.window import DAY

from .advice import look_again
from .context import NO_CONTEXT, VerdictContext
from .degradation import Degradation
from .look import LastDegradation, Look, look_at
from .missed import with_missed
from .reading import Reading, harmless_parts, read_window, usual_service
from .runs import TO_TURN, Run, Turn, by_time, length_of, lone_loss, run_of_risk, weight_of, windows_to_turn
from .traffic import Traffic
from .trailing_periods import Excluded
from .window import verdict_of

MANY_PENDING = 0.1
"""Pending windows per evaluated one, from which on a verdict gives no advice but to wait for them."""


def _with_times(verdict: Verdict, times: ImprobableTimes, context: VerdictContext) -> Verdict:
    """Return the verdict of a model whose predictions have improbable times, and are in the wrong windows."""
    found = facts.ImprobableTimes(times=times, timezone=context.timezone)
    advice = verdict.advice
    if verdict.state not in ("degraded", "at_risk"):
        advice = facts.CorrectTimes(times=times.kind)
    return replace(verdict, reasons=(*verdict.reasons, found), cause=verdict.cause or found, advice=advice)


def with_traffic(verdict: Verdict, traffic: Traffic, context: VerdictContext, closed: int) -> Verdict:
    """Return the verdict of a model whose windows wait, that receives nothing, or rows with improbable times.

    Args:
        verdict: The verdict of its windows.
        traffic: Its traffic and backlog.
        context: Facts in addition to the windows.
        closed: Number of closed windows.
    """
    if traffic.pending > 1 and traffic.pending >= MANY_PENDING * closed:
        verdict = replace(verdict, advice=facts.WaitForWindows(windows=traffic.pending))
    if verdict.state != "degraded" and traffic.silent:
        stopped = facts.NoPrediction(pause=traffic.pause), facts.PauseUnlikely(), facts.CheckService()
        verdict = _without_windows("no_data", traffic.silent_since, context, *stopped)
    elif verdict.state != "degraded" and traffic.is_behind:
        behind = facts.WindowsWait(windows=traffic.waiting), facts.ShownIsOld(), facts.WaitOrAddProcessor()
        verdict = _without_windows("lagging", traffic.waiting_since, context, *behind)
    return verdict if traffic.times is None else _with_times(verdict, traffic.times, context)


def _read(
    evaluation: Evaluation,
    context: VerdictContext,
    earlier: Sequence[ServiceLevel],
    read: Callable[[Evaluation, VerdictContext], Reading],
) -> Reading:
    """Read a window; bypass the cache if earlier windows change whether its service fails."""
    if evaluation.service is None or service_failing(evaluation, earlier) == service_failing(evaluation):
        return read(evaluation, context)
    return read_window(evaluation, context, earlier)


class Decision(NamedTuple):
    """What a rule decides.

    Attributes:
        state: The state.
        since: Its start, unix nanoseconds; None if unknown.
        verdict: Returns the verdict, with reasons that need details of windows.
    """

    state: VerdictState
    since: int | None
    verdict: Callable[[], Verdict]


class Rule(NamedTuple):
    """A row of the table: the first rule that applies decides.

    Attributes:
        name: What it decides.
        why: Why it stands at its place.
        evidence: The file whose rows, or tests, would change without it.
        decide: Returns the decision; None if the rule does not apply.
    """

    name: str
    why: str
    evidence: str
    decide: Callable[[Look], Decision | None]


def _degraded(look: Look) -> Decision | None:
    if look.run is None or look.run.reading.state != "degraded":
        return None
    degradation = Degradation.of(look, look.run)
    return Decision("degraded", degradation.run.since, lambda: degradation.verdict(look))


def _lone_loss(look: Look) -> Decision | None:
    lone = lone_loss(look.unsettled) if look.run is None else None
    if lone is None or not lone.stands_out:
        return None
    return _not_borne_out(Turn(lone, lone.since(), 1, weight_of(lone)), alone=False)


def _turn(look: Look) -> Decision | None:
    turns = [one for one in look.runs if one.turn is not None and one.turn.reading.state == "degraded"]
    newest = max(turns, key=lambda one: by_time(one.newest.evaluation), default=None)
    if newest is None or newest.turn is None or not newest.turn.reading.stands_out:
        return None
    return _not_borne_out(newest.turn, alone=newest.windows == 1)


def _at_risk(look: Look) -> Decision | None:
    run = look.run
    ended = 0 if run is None else run.newest.evaluation.window.end
    newer = any(one.state == "at_risk" and one.evaluation.window.end > ended for one in look.closed)
    harmless = harmless_parts(run.reading, _inside(run.reading, look.closed)) if run is not None and newer else {}
    risk = run_of_risk(look.lengths.values(), ended, run is None, harmless)
    if risk is None:
        return None
    quiet = facts.NewestWithoutDrift() if risk.turn is not None else _last_known(look.closed, run)
    since = _begin_of_risk(risk, look)
    verdict = partial(verdict_of, risk.reading, since, (quiet,), alone=risk.alone and since == risk.since)
    return Decision("at_risk", since, verdict)


def _begin_of_risk(risk: Run, look: Look) -> int | None:
    """Return the begin of a risk: that of the last verdict, if the same drift lasts since then.

    Newer conclusive outcomes that do not show it to be harmless would move it. A risk that follows another state
    begins after the last conclusive window.
    """
    since, known = risk.since, risk.reading.signs[0].since
    if since is None:
        return None
    if look.previous is not None and look.previous.state == "at_risk" and look.previous.since is not None:
        before = look.previous.since
        return before if since < before or (known is not None and known <= before) else since
    end = risk.reading.evaluation.window.end
    conclusive = (one.evaluation.window.end for one in look.closed if one.decides)
    return max([since, *(other for other in conclusive if other < end)])


def _inside(reading: Reading, closed: Iterable[Reading]) -> list[Reading]:
    """Return the shorter windows of the rows of a window."""
    window = reading.evaluation.window
    shorter = (one for one in closed if 0 < length_of(one) < length_of(reading))
    return [
        one
        for one in shorter
        if window.start <= one.evaluation.window.start and one.evaluation.window.end <= window.end
    ]


def _undecided(look: Look) -> Decision | None:
    if look.run is not None:
        return None
    newest = look.doubtful or _most_informative(look.closed)
    return Decision("unknown", newest.start, lambda: _unknown(newest, newest.start, look))


def _expired(look: Look) -> Decision | None:
    run = look.run
    # 2: consecutive closed windows without outcomes after which an older `healthy` is outdated, as for an incident
    missing = [] if run is None else _without_outcomes(look.closed, run)
    if run is None or len(missing) < 2:
        return None
    since = run.reading.evaluation.window.end
    return Decision("unknown", since, lambda: replace(_unknown(missing[-1], since, look), reason="expired"))


def _healthy(look: Look) -> Decision | None:
    run = look.run
    if run is None:
        return None
    certainty = tuple(one for one in (_after(look.closed, run), _lone(run)) if one is not None)
    since = _begin_of_health(run, look.previous)

    def verdict() -> Verdict:
        return with_missed(verdict_of(run.reading, since, certainty, alone=run.alone), look.lengths.values())

    return Decision("healthy", since, verdict)


def _begin_of_health(run: Run, previous: Verdict | None) -> int | None:
    """Return the begin of a healthy run; not before the window that ended a risk, or an unknown state, of the record.

    The windows that end a degradation are those of the run.
    """
    if run.since is None or previous is None or previous.state == "degraded":
        return run.since
    begin = previous.since if previous.state == "healthy" else run.reading.start
    return run.since if begin is None else max(run.since, begin)


RULES = (
    Rule(
        "degraded",
        "Outcomes, calls and the output go before inputs: drift does not excuse a loss.",
        "evidence/verdict_changed.json",
        _degraded,
    ),
    Rule(
        "at risk by a lone loss",
        "No window began a run, but the newest conclusive one shows a loss too rare to be chance in 90 days.",
        "evidence/verdict_quiet.json",
        _lone_loss,
    ),
    Rule(
        "at risk by a turn",
        "The newest windows contradict a healthy run, too few to end it, but too rarely by chance to say nothing.",
        "evidence/verdict_quiet.json",
        _turn,
    ),
    Rule(
        "at risk",
        "Inputs, scores or estimates moved after the newest conclusive outcomes, which say nothing about it.",
        "evidence/alerts_changed.json",
        _at_risk,
    ),
    Rule(
        "unknown",
        "No run decides: the window that says most about why is described.",
        "tests/processor/core/verdict/test_outcomes_needed.py",
        _undecided,
    ),
    Rule(
        "expired",
        "Outcomes stopped, so an older healthy window says nothing about now.",
        "tests/processor/core/verdict/test_model_verdict.py",
        _expired,
    ),
    Rule("healthy", "The deciding run shows no loss beyond the margin.", "evidence/verdict_quiet.json", _healthy),
)
"""What the windows of a model show, in the order of precedence."""


def decide(
    evaluations: Iterable[Evaluation],
    previous: Verdict | None = None,
    context: VerdictContext = NO_CONTEXT,
    read: Callable[[Evaluation, VerdictContext], Reading] = read_window,
    excluded: Excluded | None = None,
    last: Callable[[], LastDegradation | None] = lambda: None,
) -> Decision:
    """Return what the first rule that applies decides about the windows of a model.

    Args:
        evaluations: Windows of one version in one environment, of any lengths, in any order.
        previous: The previous verdict; it provides ``since`` if older windows are not available.
        context: Facts in addition to the windows.
        read: Reads a window, as :func:`~.reading.read_window` does; pass a cached version for speed.
        excluded: Known results of :func:`~.trailing_periods.trailing_periods` for the same windows.
        last: Returns the last degradation of the record.
    """
    windows = usual_service(sorted(evaluations, key=by_time))
    look = look_at(
        [_read(evaluation, context, earlier, read) for evaluation, earlier in windows], previous, excluded, last
    )
    if look is None:
        return Decision("unknown", None, _no_window)
    return next(decision for rule in RULES if (decision := rule.decide(look)) is not None)


def _unknown(reading: Reading, since: int | None, look: Look) -> Verdict:
    """Return the verdict of a model about which a window shows nothing."""
    name = reading.evaluation.window.name
    is_alone = sum(one.evaluation.window.name == name for one in look.closed) == 1 and since == reading.start
    untold = replace(reading, state="unknown", signs=())
    return verdict_of(untold, since, (_last_known(look.closed, look.run),), alone=is_alone)


def _most_informative(closed: Sequence[Reading]) -> Reading:
    """Return the newest inconclusive window of any length with most outcomes; the newest window without any.

    An hour may look worse while its day shows that it is not, and the last week while its quarter does.
    """
    newest = closed[-1].evaluation.window.end
    telling = [
        reading
        for reading in closed
        if not reading.decides
        and reading.evaluation.has_mature_outcomes
        and reading.evaluation.window.end > newest - max(DAY, length_of(reading))
    ]
    return max(telling, key=lambda reading: reading.evaluation.outcome_rows, default=closed[-1])


def _without_outcomes(closed: Sequence[Reading], run: Run) -> list[Reading]:
    """Return the newest windows of the deciding length without outcomes after their usual delay."""
    name, end = run.reading.evaluation.window.name, run.reading.evaluation.window.end
    newer = [
        reading for reading in closed if reading.evaluation.window.name == name and reading.evaluation.window.end > end
    ]
    missing: list[Reading] = []
    for reading in newer:
        evaluation = reading.evaluation
        if evaluation.young or not evaluation.rows:
            continue
        if evaluation.has_mature_outcomes:
            missing.clear()
        else:
            missing.append(reading)
    return missing


def _not_borne_out(turn: Turn, *, alone: bool) -> Decision:
    """Return that a model is at risk: the newest windows show a degradation, but too few of them."""

    def at_risk() -> Verdict:
        verdict = verdict_of(turn.reading, turn.since, alone=alone)
        second = windows_to_turn(length_of(turn.reading)) == TO_TURN
        return replace(
            verdict,
            state="at_risk",
            reasons=(turn.reading.signs[0].fact, facts.ChancePossible(windows=turn.windows)),
            certainty=(*verdict.certainty, facts.ToBeConfirmed(by_one=second)),
            advice=verdict.advice if verdict.kind == "data_fault" else look_again(verdict.advice),
        )

    return Decision("at_risk", turn.since, at_risk)


def _last_known(closed: Sequence[Reading], run: Run | None) -> Fact:
    if run is None or run.reading.start is None:
        evaluations = [reading.evaluation for reading in closed if reading.evaluation.has_mature_outcomes]
        if evaluations and not any(reading.reference or reading.objectives for reading in evaluations):
            return facts.OutcomesWithoutObjective()
        last = max((one for one in closed if one.decides), key=_end_and_length, default=None)
        newest = closed[-1]
        if last is None:
            return facts.NoWindowBefore()
        end, zone, degraded = last.evaluation.window.end, newest.context.timezone, last.state == "degraded"
        return facts.ConclusiveUntil(end, zone, newest=end == newest.evaluation.window.end, degraded=degraded)
    return facts.HealthyUntil(end=run.reading.evaluation.window.end, timezone=run.reading.context.timezone)


def _end_and_length(reading: Reading) -> tuple[int, int]:
    return by_time(reading.evaluation)


def _after(closed: Sequence[Reading], run: Run) -> Fact | None:
    """Return the fact until when the model is known to be healthy; None if no later window exists."""
    end = run.reading.evaluation.window.end
    if run.reading.start is None or closed[-1].evaluation.window.end <= end:
        return None
    return facts.KnownUntil(end=end, timezone=run.reading.context.timezone)


def _lone(run: Run) -> Fact | None:
    """Return the fact about the newest window, which may be chance; None without one."""
    return None if run.turn is None else facts.NewestMayBeChance(shown=run.turn.reading.signs[0].fact)


def _no_window() -> Verdict:
    return Verdict(
        "unknown",
        reasons=(facts.NoWindowClosed(),),
        certainty=(facts.NothingKnown(),),
        advice=facts.WaitForFirstWindow(),
    )


def _without_windows(
    state: VerdictState, since: int | None, context: VerdictContext, reason: Fact, certainty: Fact, advice: Fact
) -> Verdict:
    zone = context.timezone
    return Verdict(state, since, reasons=(reason,), certainty=(certainty,), advice=advice, of_days=False, timezone=zone)
