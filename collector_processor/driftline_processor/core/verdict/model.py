"""The verdict of a model: which window decides, and for how long a state holds before it turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.wording import duration

from .context import NO_CONTEXT, VerdictContext
from .traffic import Traffic
from .window import Reading, read_window, usual_service, verdict_of
from .words import compose, date, since_words

STALE = 2
"""Closed windows in a row without outcomes that had their time, after which an older right is not believed: as
many as make an incident."""


class _Run(NamedTuple):
    """Windows in a row, of one length, that say the same.

    Attributes:
        reading: The newest of them.
        since: From when on they say so, unix nanoseconds.
        turned: The newest window where it says the opposite, and one alone is not enough; None = it does not.
    """

    reading: Reading
    since: int | None
    turned: Reading | None = None


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


def _read(
    evaluation: Evaluation,
    context: VerdictContext,
    earlier: Sequence[ServiceLevel],
    read: Callable[[Evaluation, VerdictContext], Reading],
) -> Reading:
    """Read a window; anew where the windows before it say otherwise whether its service fails."""
    if evaluation.service is None or service_failing(evaluation, earlier) == service_failing(evaluation):
        return read(evaluation, context)
    return read_window(evaluation, context, earlier)


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
        return verdict_of(run.reading, run.since, sure)
    ended = 0 if run is None else (run.turned or run.reading).evaluation.window.end
    if run is not None and run.turned is not None:
        return _not_borne_out(run.turned)
    risk = _run_of_risk(lengths.values(), ended, run is None)
    if risk is not None:
        quiet = "The newest window is quiet; one more has to bear that out." if risk.turned is not None else ""
        return verdict_of(risk.reading, risk.since, quiet or _last_known(run, context))
    newest = closed[-1]
    if run is None or _stale(closed, run):
        since = newest.start if run is None else run.reading.evaluation.window.end
        untold = replace(newest if run is None else _newest_without(closed, run), state="unknown", signs=())
        return verdict_of(untold, since, _last_known(run, context))
    return verdict_of(run.reading, run.since, _after(closed, run, context))


def _deciding_run(readings: Sequence[Reading], previous: Verdict | None) -> _Run | None:
    """Return the run of windows of one length that decides, after hysteresis; None where no window tells."""
    state: str = ""
    newest: Reading | None = None
    since: int | None = None
    turned: Reading | None = None
    first = readings[0].start
    if previous is not None and previous.state in ("right", "wrong") and _began_before(previous, first):
        state, since = previous.state, previous.since
    for one in readings:
        if not one.decides:
            continue
        if one.state == state:
            newest, turned = one, None
        elif not state or one.clear or (turned is not None and turned.state == one.state):
            since = one.since() if turned is None or turned.state != one.state else turned.since()
            state, newest, turned = one.state, one, None
        else:
            turned = one
    if newest is None:
        if turned is None:
            return None
        newest, since, turned = turned, turned.since(), None  # the windows of the state before are gone
    return _Run(newest, since, turned)


def _began_before(previous: Verdict, first: int | None) -> bool:
    """Return True where a state began before the first window that is at hand."""
    return previous.since is not None and first is not None and previous.since < first


def _run_of_risk(lengths: Iterable[Sequence[Reading]], ended: int, alone: bool) -> _Run | None:
    """Return the newest run of windows at risk that lasts; None where none does.

    A risk begins with two windows in a row, or with one that is clear, and ends with two that show none.

    Args:
        lengths: Closed windows by length, the oldest first.
        ended: End of the newest window whose outcomes tell; older windows do not count.
        alone: Whether no window tells at all.
    """
    found: list[_Run] = []
    for readings in lengths:
        newer = [one for one in readings if one.evaluation.window.end > ended or (alone and one.start is None)]
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
            found.append(_Run(run[-1], run[0].since(ended), quiet))
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
        if evaluation.maturity == "mature" and evaluation.outcome_rows:
            missing.clear()
        else:
            missing.append(one)
    return missing


def _newest_without(closed: Sequence[Reading], run: _Run) -> Reading:
    return _without_outcomes(closed, run)[-1]


def _not_borne_out(turned: Reading) -> Verdict:
    """Say that the newest window shows a loss, which one window alone does not prove."""
    evaluation, context = turned.evaluation, turned.context
    told = verdict_of(turned, turned.since())
    verb = "is" if told.since is None else "has been"
    head = f"The model {verb} at risk{since_words(told.since, context.timezone, days=turned.of_days)}"
    sentence = compose(head, (turned.signs[0].words, "one window alone may be chance"), "wait for the next window")
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
        next=f"Wait for the next window; if it shows the same: {told.next[:1].lower()}{told.next[1:]}",
        slice=told.slice,
        window_start=told.window_start,
        window_end=evaluation.window.end if told.window_start is not None else None,
    )


def _last_known(run: _Run | None, context: VerdictContext) -> str:
    if run is None or run.reading.start is None:
        return "No window before it has outcomes that tell."
    ended = date(run.reading.evaluation.window.end, context.timezone)
    return f"The last outcomes that tell, up to {ended}, showed it right."


def _after(closed: Sequence[Reading], run: _Run, context: VerdictContext) -> str:
    """Say for how long a right model was not looked at."""
    ended = run.reading.evaluation.window.end
    if run.reading.start is None or closed[-1].evaluation.window.end <= ended:
        return ""
    return f"That is known up to {date(ended, context.timezone)}; later windows do not tell yet."


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
