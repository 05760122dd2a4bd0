"""The verdict of a model: which window decides, and for how long a state holds before it turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from driftline_processor.core.dates import date_words
from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.wording import duration

from .context import NO_CONTEXT, VerdictContext
from .traffic import Traffic
from .window import Reading, harmless_parts, head_of, read_outcomes, read_window, usual_service, verdict_of
from .words import compose, since_words

STALE = 2
"""Closed windows in a row without outcomes that had their time, after which an older right is not believed: as
many as make an incident."""


class _Run(NamedTuple):
    """Windows in a row, of one length, that say the same.

    Attributes:
        reading: The newest of them.
        since: From when on they say so, unix nanoseconds.
        turned: The newest window where it says the opposite, and one alone is not enough; None = it does not.
        windows: Closed windows of this length that are at hand.
    """

    reading: Reading
    since: int | None
    turned: Reading | None = None
    windows: int = 0

    @property
    def alone(self) -> bool:
        """Whether no other window says since when it is so."""
        return self.windows == 1 and self.since == self.reading.start


def verdict_of_model(
    evaluations: Iterable[Evaluation],
    traffic: Traffic | None = None,
    previous: Verdict | None = None,
    context: VerdictContext = NO_CONTEXT,
    read: Callable[[Evaluation, VerdictContext], Reading] = read_window,
) -> Verdict:
    """Say whether a model is right, by all its windows, its traffic and its backlog.

    The newest window whose outcomes tell decides between right and wrong; the closed windows after it decide whether
    the model is at risk. A state turns once a second window bears the new one out, or at once where its interval is
    clear of the limit. Silence and backlog go before everything but a wrong model.

    Args:
        evaluations: Windows of one version in one environment, of any lengths, in any order.
        traffic: What the processor knows of rows and backlog; None = nothing is known, as of files.
        previous: The verdict before this one; it keeps ``since`` where older windows are no longer at hand.
        context: What is known beside windows.
        read: Reads a window, as :func:`~.window.read_window` does; one that remembers what it has read is quicker.
    """
    windows = usual_service(sorted(evaluations, key=_by_time))
    readings = [_read(one, context, earlier, read) for one, earlier in windows]
    verdict = _of_windows(readings, previous, context)
    if traffic is None or verdict.state == "wrong":
        return verdict
    if traffic.silent:
        return _silent(traffic, context)
    if traffic.behind:
        return _behind(traffic, context)
    return verdict


class StateSpan(NamedTuple):
    """A time in which a model was right, or wrong, by its windows of one length.

    Attributes:
        verdict: By the newest window of that time.
        window: Name of the length.
        until: When the opposite began, unix nanoseconds; None where it has not.
    """

    verdict: Verdict
    window: str
    until: int | None


def state_spans(
    evaluations: Iterable[Evaluation],
    timezone: str = "UTC",
    read: Callable[[Evaluation, VerdictContext], Reading] = read_outcomes,
) -> list[StateSpan]:
    """Return the times in which a model was right and wrong, of each length of windows the oldest first.

    The same windows decide, with the same hysteresis, as for the verdict of today. A restated window changes the past.

    Args:
        evaluations: Windows of one version in one environment, of any lengths, in any order.
        timezone: The clock by which sentences write dates.
        read: Reads a window, as :func:`~.window.read_outcomes` does; one that remembers what it has read is quicker.
    """
    context = VerdictContext(timezone=timezone)
    lengths: dict[str, list[Reading]] = {}
    for one, earlier in usual_service(sorted((one for one in evaluations if one.closed), key=_by_time)):
        lengths.setdefault(one.window.name, []).append(_read(one, context, earlier, read, read_outcomes))
    spans = []
    for name, readings in lengths.items():
        runs = _runs_of_states(readings, None)
        ends = [*(run.since for run in runs[1:]), None][: len(runs)]
        for run, until in zip(runs, ends, strict=True):
            spans.append(StateSpan(verdict_of(run.reading, run.since), name, until))
    return spans


def _read(
    evaluation: Evaluation,
    context: VerdictContext,
    earlier: Sequence[ServiceLevel],
    read: Callable[[Evaluation, VerdictContext], Reading],
    anew: Callable[[Evaluation, VerdictContext, Sequence[ServiceLevel]], Reading] = read_window,
) -> Reading:
    """Read a window; anew where the windows before it say otherwise whether its service fails."""
    if evaluation.service is None or service_failing(evaluation, earlier) == service_failing(evaluation):
        return read(evaluation, context)
    return anew(evaluation, context, earlier)


def _by_time(evaluation: Evaluation) -> tuple[int, int]:
    window = evaluation.window
    return window.end, window.end - window.start


def _of_windows(readings: Sequence[Reading], previous: Verdict | None, context: VerdictContext) -> Verdict:
    closed = [one for one in readings if one.evaluation.closed] or list(readings[-1:])
    if not closed:
        return _no_window()
    lengths: dict[str, list[Reading]] = {}
    for one in closed:
        lengths.setdefault(one.evaluation.window.name, []).append(one)
    runs = [run for of_length in lengths.values() if (run := _deciding_run(of_length, previous)) is not None]
    run = max(runs, key=lambda run: _by_time((run.turned or run.reading).evaluation), default=None)
    if run is not None and run.reading.state == "wrong":
        sure = "The newest window looks right again; one more has to bear that out." if run.turned else ""
        return verdict_of(run.reading, run.since, sure, alone=run.alone)
    lone = _lone_loss(lengths.values()) if run is None else None
    if lone is not None and lone.stands_out:
        return _not_borne_out(lone, alone=False)
    ended = 0 if run is None else (run.turned or run.reading).evaluation.window.end
    if run is not None and run.turned is not None and run.turned.stands_out:
        return _not_borne_out(run.turned, alone=run.windows == 1)
    harmless = harmless_parts(run.reading) if run is not None else frozenset()
    risk = _run_of_risk(lengths.values(), ended, run is None, harmless)
    if risk is not None:
        quiet = "The newest window is quiet; one more has to bear that out." if risk.turned is not None else ""
        return verdict_of(risk.reading, risk.since, quiet or _last_known(closed, run, context), alone=risk.alone)
    newest = closed[-1]
    if run is None or _stale(closed, run):
        since = newest.start if run is None else run.reading.evaluation.window.end
        untold = replace(newest if run is None else _newest_without(closed, run), state="unknown", signs=())
        alone = sum(one.evaluation.window.name == untold.evaluation.window.name for one in closed) == 1
        return verdict_of(untold, since, _last_known(closed, run, context), alone=alone and since == untold.start)
    sure = f"{_after(closed, run, context)} {_lone(run)}".strip()
    return verdict_of(run.reading, run.since, sure, alone=run.alone)


def _deciding_run(readings: Sequence[Reading], previous: Verdict | None) -> _Run | None:
    """Return the run of windows of one length that decides; None where no window tells."""
    runs = _runs_of_states(readings, previous)
    return runs[-1] if runs else None


def _runs_of_states(readings: Sequence[Reading], previous: Verdict | None) -> list[_Run]:
    """Return the runs of right and wrong windows of one length, after hysteresis, the oldest first.

    A loss that is not clear begins the first run by itself only where no window before it could have told one.
    """
    runs: list[_Run] = []
    state: str = ""
    newest: Reading | None = None
    since: int | None = None
    turned: Reading | None = None
    first, undecided = readings[0].start, False
    if previous is not None and previous.state in ("right", "wrong") and _began_before(previous, first):
        state, since = previous.state, previous.since
    for one in readings:
        if not one.decides:
            if _could_tell(one.evaluation):
                turned, undecided = None, True  # the next window does not bear it out
            continue
        if one.state == state:
            newest, turned = one, None
        elif (
            one.clear
            or (not state and (one.state == "right" or not undecided))
            or (turned is not None and turned.state == one.state)
        ):
            if newest is not None:
                runs.append(_Run(newest, since, None, len(readings)))
            since = one.since() if turned is None or turned.state != one.state else turned.since()
            state, newest, turned = one.state, one, None
        else:
            turned = one
    if newest is None:
        if turned is None or not state:
            return runs
        newest, since, turned = turned, turned.since(), None  # the windows of the state before are gone
    return [*runs, _Run(newest, since, turned, len(readings))]


def _lone_loss(lengths: Iterable[Sequence[Reading]]) -> Reading | None:
    """Return the newest window that tells where it shows a loss, of windows of which none makes a run."""
    shown: list[Reading] = []
    for readings in lengths:
        telling = [one for one in readings if one.decides or _could_tell(one.evaluation)]
        shown += [one for one in telling[-1:] if one.decides]
    return max(shown, key=lambda one: _by_time(one.evaluation), default=None)


def _could_tell(evaluation: Evaluation) -> bool:
    """Return True where the outcomes of a window had their time, and came."""
    return evaluation.maturity == "mature" and bool(evaluation.outcome_rows)


def _began_before(previous: Verdict, first: int | None) -> bool:
    """Return True where a state began before the first window that is at hand."""
    return previous.since is not None and first is not None and previous.since < first


def _run_of_risk(
    lengths: Iterable[Sequence[Reading]], ended: int, alone: bool, harmless: frozenset[str]
) -> _Run | None:
    """Return the newest run of windows at risk that lasts; None where none does.

    A risk begins with two windows in a row, or with one that is clear, and ends with two that show none. What the
    outcomes of the deciding window showed to be harmless is none as long as it lasts.

    Args:
        lengths: Closed windows by length, the oldest first.
        ended: End of the newest window whose outcomes tell; older windows do not count.
        alone: Whether no window tells at all.
        harmless: What moved in the deciding window, without a loss.
    """
    found: list[_Run] = []
    for readings in lengths:
        newer = [
            one.without(harmless)
            for one in readings
            if one.evaluation.window.end > ended or (alone and one.start is None)
        ]
        run: list[Reading] = []
        quiet: Reading | None = None
        sure = len(readings) == 1
        for one in newer:
            if one.state == "at_risk":
                sure = sure or one.clear or (bool(run) and quiet is None)
                run.append(one)
                quiet = None
            elif one.evaluation.rows and run and quiet is None:
                quiet = one
            elif one.evaluation.rows:
                run, quiet, sure = [], None, False
        if run and sure:
            found.append(_Run(run[-1], run[0].since(ended), quiet, len(readings)))
    return max(found, key=lambda run: _by_time(run.reading.evaluation), default=None)


def _stale(closed: Sequence[Reading], run: _Run) -> bool:
    """Return True where outcomes stopped coming after the window that decided."""
    return len(_without_outcomes(closed, run)) >= STALE


def _without_outcomes(closed: Sequence[Reading], run: _Run) -> list[Reading]:
    """Return the newest windows of the deciding length whose outcomes had their time and did not come."""
    name, ended = run.reading.evaluation.window.name, run.reading.evaluation.window.end
    newer = [one for one in closed if one.evaluation.window.name == name and one.evaluation.window.end > ended]
    missing: list[Reading] = []
    for one in newer:
        evaluation = one.evaluation
        if evaluation.young or not evaluation.rows:
            continue
        if _could_tell(evaluation):
            missing.clear()
        else:
            missing.append(one)
    return missing


def _newest_without(closed: Sequence[Reading], run: _Run) -> Reading:
    return _without_outcomes(closed, run)[-1]


def _not_borne_out(turned: Reading, *, alone: bool) -> Verdict:
    """Say that the newest window shows a loss, which one window alone does not prove."""
    evaluation = turned.evaluation
    told = verdict_of(turned, turned.since())
    head = head_of(turned, told.since, alone=alone, state="at risk")
    sentence = compose(head, (turned.signs[0].words, "one window alone may be chance"), "look again in the next window")
    return Verdict(
        state="at_risk",
        since=told.since,
        metric=told.metric,
        effect=told.effect,
        low=told.low,
        high=told.high,
        cause=told.cause,
        kind=told.kind,
        sure=f"{told.sure} A second window has to bear it out.",
        sentence=sentence,
        next=f"Look again in the next window; if it shows the same: {told.next[:1].lower()}{told.next[1:]}",
        slice=told.slice,
        window_start=told.window_start,
        window_end=evaluation.window.end if told.window_start is not None else None,
    )


def _last_known(closed: Sequence[Reading], run: _Run | None, context: VerdictContext) -> str:
    if run is None or run.reading.start is None:
        came = [one.evaluation for one in closed if _could_tell(one.evaluation)]
        if came and not any(one.reference or one.objectives for one in came):
            return "Outcomes came, but nobody said what is good enough."
        return "No window before it has outcomes that tell."
    ended = date_words(run.reading.evaluation.window.end, context.timezone)
    return f"The last outcomes that tell, up to {ended}, showed it right."


def _after(closed: Sequence[Reading], run: _Run, context: VerdictContext) -> str:
    """Say for how long a right model was not looked at."""
    ended = run.reading.evaluation.window.end
    if run.reading.start is None or closed[-1].evaluation.window.end <= ended:
        return ""
    return f"That is known up to {date_words(ended, context.timezone)}; later windows do not tell yet."


def _lone(run: _Run) -> str:
    """Say what the newest window shows where that may well be chance."""
    if run.turned is None:
        return ""
    return f"In the newest window that tells {run.turned.signs[0].words}: that may be chance, unless the next shows it."


def _plain(
    state: Literal["silent", "behind", "unknown"], since: int | None, sentence: str, sure: str, do: str
) -> Verdict:
    return Verdict(state, since, "", None, None, None, "", "", sure, sentence, do)


def _no_window() -> Verdict:
    sentence = compose("Whether the model is right is unknown", ("no window of it has closed yet",), "wait for one")
    return _plain("unknown", None, sentence, "Nothing is known yet.", "Wait until a window closes.")


def _silent(traffic: Traffic, context: VerdictContext) -> Verdict:
    head = f"The model has been silent{since_words(traffic.silent_since, context.timezone)}"
    pause = f"no prediction came, and in its usual hours it pauses for {duration(traffic.pause)} at most"
    sentence = compose(head, (pause,), "look whether its service runs")
    sure = "Its own traffic of four weeks makes so long a pause unlikely; a holiday may be one."
    do = "Look whether the service runs, and whether it reaches the processor."
    return _plain("silent", traffic.silent_since, sentence, sure, do)


def _behind(traffic: Traffic, context: VerdictContext) -> Verdict:
    many = "1 window waits" if traffic.waiting == 1 else f"{traffic.waiting:,} windows wait"
    head = f"Whether the model is right has been unknown{since_words(traffic.waiting_since, context.timezone)}"
    sentence = compose(head, (f"{many} to be evaluated",), "wait, or give the processor more CPU")
    sure = "What is shown of the model is older than its rows."
    do = "Wait until the processor has caught up; if it never does, give it more CPU, or judge fewer windows."
    return _plain("behind", traffic.waiting_since, sentence, sure, do)
