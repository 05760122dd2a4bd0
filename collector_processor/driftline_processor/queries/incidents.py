"""Incidents: problems of a model with begin and end, from its evaluations and interruptions.

Incidents of windows are not stored, so a revised window changes them. Periods without data and backlogs are
stored, see :mod:`~.interruptions`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, Generic, Literal, TypeVar

import xxhash
from driftline.tables.table import ModelKey
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.drift.incident import WHERE
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, ObjectiveState, Size, Verdict
from driftline_processor.core.policy.rule import deciding_windows
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.service_level.level import ERROR_RATE
from driftline_processor.core.verdict.reading import usual_service
from driftline_processor.core.verdict.record import Episode
from driftline_processor.present.sentences import clause
from driftline_processor.present.sentences.objectives import objective_sentence
from driftline_processor.present.sentences.verdict import verdict_cause, verdict_evidence, verdict_size
from driftline_processor.present.times import on_words
from driftline_processor.present.wording import capital, printable, short

from .model_view import ModelView

IncidentKind = Literal["verdict", "objective", "service", "labels", "drift", "latency"]

Severity = Literal["critical", "major", "minor"]
"""The model or its service fails; something drifts or breaks an objective; a small shift, or slower calls."""

KINDS: Mapping[IncidentKind, str] = {
    "verdict": "verdict",
    "objective": "objective broken",
    "service": "service fails",
    "labels": "late outcomes",
    "drift": "drift",
    "latency": "slower",
}
"""Kind of an incident → its words, the most severe kind first."""

AT_ONCE: Final = 0.1
"""Latency in seconds that users perceive as instant: slower calls below it are a minor incident.

Miller, Response time in man-computer conversational transactions, 1968.
"""

_GRAVITY = {kind: place for place, kind in enumerate(KINDS)}
_GRAVEST = ("degraded", "no_data")  # the other states of a verdict are not more severe than drift
SIZES: Mapping[Size, int] = {"": 0, "small": 1, "moderate": 2, "large": 3}
"""Size of a drift → its rank, the largest last."""

T = TypeVar("T")


class Incident(Struct, frozen=True):
    """A problem over a period.

    Attributes:
        key: Model, version and environment.
        kind: Kind of the problem.
        subject: Its subject: a state, the name of a pane's part, or the rule of an objective.
        since: Begin, unix nanoseconds.
        until: Start of the first window without it, unix nanoseconds; None while it is open.
        windows: Lengths of the windows that show it, the main one first.
        start: Start of the window to look at, unix nanoseconds; None without a window.
        sentence: The problem in words.
        ended: Its end in words, "" while it is open.
        timezone: Time zone of the model.
        minor: Whether it has no visible effect, for instance slower calls that are still instant.
        size: Largest size of the drift; "" for other kinds, and if unknown.
    """

    key: ModelKey
    kind: IncidentKind
    subject: str
    since: int | None
    until: int | None
    windows: tuple[str, ...]
    start: int | None
    sentence: str
    ended: str
    timezone: str = "UTC"
    minor: bool = False
    size: Size = ""

    @property
    def open(self) -> bool:
        """Whether it is open."""
        return not self.ended

    @property
    def severity(self) -> Severity:
        """How much it matters, whether it is open or over."""
        if self.kind == "service" or (self.kind == "verdict" and self.subject in _GRAVEST):
            return "critical"
        return "minor" if self.kind == "latency" or self.minor or self.size in ("small", "moderate") else "major"

    @property
    def name(self) -> str:
        """Id for links, stable as long as the earlier windows are."""
        parts = (self.key.model, self.key.version, self.key.environment, self.kind, self.subject, str(self.since))
        return xxhash.xxh3_64_hexdigest("\0".join(parts).encode("utf-8", "surrogatepass"))[:12]


def incidents_of(model: ModelView) -> list[Incident]:
    """Return the incidents of one version of a model, open ones first by severity.

    Windows of several lengths with the same subject at the same time are one incident.
    """
    return [*_read(model, None).incidents]


def _incidents(model: ModelView, moved: _Moved) -> list[Incident]:
    incidents = [*_verdicts(model), *_interrupted(model)]
    for windows in model.windows.values():
        incidents += [*_drifts(model, windows, moved), *_objectives(model, windows), *_late_labels(model, windows)]
        incidents += _failures(model, windows)
    if _is_replaced(model):
        end = max((evaluation.window.end for evaluation in _closed(model)), default=None)
        incidents = [_as_replaced(incident, end) for incident in incidents]
    return sorted(_folded(incidents), key=_order)


def _is_replaced(model: ModelView) -> bool:
    """Return True for a version that served, and another one serves now."""
    return not model.in_use and not model.shadow


def _as_replaced(incident: Incident, end: int | None) -> Incident:
    """Return an incident of a replaced version; an open one ends with the newest window of the version."""
    if not incident.open:
        return incident
    return replace(incident, until=incident.since if end is None else end, ended="Another version has taken over.")


def _words_of(verdict: Verdict) -> str:
    """Return the size of the effect and the cause, without the begin, which has a column of its own."""
    size = f"{verdict_size(verdict).removesuffix('.')}."
    return " ".join(dict.fromkeys(filter(None, (size, verdict_cause(verdict) or verdict_evidence(verdict)))))


def _order(incident: Incident) -> tuple[bool, bool, int, int, int]:
    """Return the sort key: open incidents by severity and size, then the others, newest first."""
    if not incident.open:
        return True, False, 0, 0, -(incident.since or 0)
    kind = "drift" if incident.kind == "verdict" and incident.subject not in _GRAVEST else incident.kind
    size = (
        len(SIZES) if kind != incident.kind else SIZES[incident.size]
    )  # incidents of the verdict come before incidents of columns
    return False, incident.minor, _GRAVITY[kind], -size, -(incident.since or 0)


class IncidentLog:
    """Cached incidents of all models, updated for changed models. Thread-safe."""

    def __init__(self) -> None:
        self._read_versions: dict[ModelKey, _Read] = {}

    def of(self, models: Sequence[ModelView]) -> list[Incident]:
        """Return the incidents of these models, open ones first by severity."""
        before, current, incidents = self._read_versions, dict(self._read_versions), list[Incident]()
        for model in models:
            known_reading = before.get(model.key)
            if known_reading is None or not known_reading.holds(model):
                current[model.key] = known_reading = _read(model, known_reading)
            incidents += known_reading.incidents
        self._read_versions = current
        return sorted(incidents, key=_order)


_Moved = dict[int, tuple[Evaluation, Mapping[str, tuple[Size, bool]]]]
"""Id of a window with an incident → the window, and per column of it its size, and whether it drifts there."""


class _Read(Struct, frozen=True):
    """The incidents of a model, and their input.

    Attributes:
        closed: Its closed windows; a copy, because the lists of windows change in place.
        episodes: The states of its record.
        facts: Other inputs, for a comparison.
        drift_sizes: Sizes of drift in windows with an incident.
    """

    closed: Sequence[Evaluation]
    episodes: Sequence[Episode]
    facts: tuple[object, ...]
    drift_sizes: _Moved
    incidents: Sequence[Incident]

    def holds(self, model: ModelView) -> bool:
        """Return True if the incidents are unchanged."""
        closed = _closed(model)
        is_same = len(self.closed) == len(closed) and all(map(operator.is_, self.closed, closed))
        return is_same and self.facts == _facts(model) and self.episodes == model.record.episodes()


def _closed(model: ModelView) -> list[Evaluation]:
    return [evaluation for window in model.windows.values() for evaluation in window if evaluation.closed]


def _read(model: ModelView, before: _Read | None) -> _Read:
    """Compute the incidents of a model; results of known closed windows are reused."""
    moved = _sizes_by_window(model, {} if before is None else before.drift_sizes)
    return _Read(_closed(model), model.record.episodes(), _facts(model), moved, _incidents(model, moved))


def _facts(model: ModelView) -> tuple[object, ...]:
    """Return what incidents depend on besides closed windows: the state of the model, and facts of open windows."""
    open_windows = [
        (
            *(name, evaluation.window, evaluation.incident),
            {
                part: "" if (column := _column(evaluation, part)) is None else column.size
                for part in evaluation.incident
            },
            evaluation.label_sla
            and (evaluation.label_sla.state, evaluation.label_sla if evaluation.label_sla.state == "broken" else None),
        )
        for name, window in model.windows.items()
        for evaluation in window
        if not evaluation.closed
    ]
    return model.verdict, model.in_use, model.shadow, model.timezone, model.interruptions, open_windows


class _Stretch(Struct, Generic[T]):
    """Consecutive windows with one subject.

    Attributes:
        subject: The subject.
        windows: Each window with its value.
        ended: The first window without it; None while it is open.
    """

    subject: str
    windows: list[tuple[Evaluation, T]] = field(default_factory=list)
    ended: Evaluation | None = None


def _stretches(
    windows: Sequence[Evaluation],
    shown_in: Callable[[Evaluation], Mapping[str, T]],
    ends: Callable[[Evaluation, str], bool],
) -> Iterator[_Stretch[T]]:
    """Yield the runs of windows per subject.

    Args:
        windows: Windows of one length, oldest first.
        shown_in: Returns subject → value in a window.
        ends: Whether a window without a subject ends its run, as opposed to an inconclusive window.
    """
    lasting_stretches: dict[str, _Stretch[T]] = {}
    for evaluation in windows:
        now = shown_in(evaluation)
        for subject, shown_value in now.items():
            lasting_stretches.setdefault(subject, _Stretch(subject)).windows.append((evaluation, shown_value))
        for subject in [
            lasting_subject
            for lasting_subject in lasting_stretches
            if lasting_subject not in now and ends(evaluation, lasting_subject)
        ]:
            over = lasting_stretches.pop(subject)
            over.ended = evaluation
            yield over
    yield from lasting_stretches.values()


def _verdicts(model: ModelView) -> Iterator[Incident]:
    """Yield the periods in which the model was degraded, or at risk in several windows, and its current verdict."""
    now = model.verdict
    for episode in model.record.episodes():
        is_unwell = episode.state == "degraded" or (episode.state == "at_risk" and episode.first < episode.last)
        verdict = model.record.as_of(episode.last) if is_unwell else None
        if verdict is not None and (episode.until is not None or _is_replaced(model)):
            yield _of_verdict(model, verdict, episode.until)
    if model.in_use and now is not None and now.state in ("degraded", "at_risk", "no_data", "lagging"):
        yield _of_verdict(model, now, None)


def _of_verdict(model: ModelView, verdict: Verdict, until: int | None) -> Incident:
    name, decided = deciding_windows(verdict, model.windows)
    return Incident(
        key=model.key,
        kind="verdict",
        subject=verdict.state,
        since=verdict.since,
        until=until,
        windows=(name,) if decided else (),
        start=verdict.window_start if decided else None,
        sentence=_words_of(verdict),
        ended="" if until is None else "Later windows no longer showed it.",
        timezone=model.timezone,
    )


def _interrupted(model: ModelView) -> Iterator[Incident]:
    """Yield the periods without data and with a lag."""
    for interruption in model.interruptions:
        over = interruption.until is not None
        if interruption.kind == "no_data":
            sentence = f"{capital(clause(facts.NoPrediction(pause=interruption.pause)))}."
            end_words = "Predictions arrived again."
        else:
            sentence = f"Its windows {'waited' if over else 'wait'} too long for their evaluation."
            end_words = "Windows were evaluated in time again."
        yield Incident(
            key=model.key,
            kind="verdict",
            subject=interruption.kind,
            since=interruption.since,
            until=interruption.until,
            windows=(),
            start=None,
            sentence=sentence,
            ended=end_words if over else "",
            timezone=model.timezone,
        )


def _sizes_by_window(model: ModelView, before: _Moved) -> _Moved:
    """Return the sizes of all columns with an incident per window; details of a window are read once."""
    moved: _Moved = {}
    for evaluation in chain.from_iterable(model.windows.values()):
        if evaluation.incident:
            evaluation_before, sizes = before.get(id(evaluation), (None, {}))
            if evaluation_before is not evaluation:
                columns = {part: _column(evaluation, part) for part in evaluation.incident}
                sizes = {
                    part: (column.size, column.state == "drift")
                    for part, column in columns.items()
                    if column is not None
                }
            moved[id(evaluation)] = evaluation, sizes
    return moved


def _drifts(model: ModelView, windows: Sequence[Evaluation], moved: _Moved) -> Iterator[Incident]:
    for stretch in _stretches(windows, lambda evaluation: evaluation.incident, lambda evaluation, _: evaluation.closed):
        evaluation, largest = stretch.windows[0][0], None
        for column, _ in stretch.windows:
            size, _ = moved[id(column)][1].get(stretch.subject, (None, False))
            if size is not None and (largest is None or SIZES[size] > SIZES[largest]):
                evaluation, largest = column, size
        how = f": {largest} shift" if largest else ""
        name = part_words(
            stretch.subject, None if stretch.subject.startswith("feature:") else _column(evaluation, stretch.subject)
        )
        incident = _of_stretch(model, "drift", stretch, f"{name} drifts{how}.", _quiet(stretch))
        if incident.until is not None:
            incident = replace(incident, until=_last_drift(stretch, moved) or incident.until)
        window = evaluation.window
        yield replace(
            incident, since=stretch.windows[0][1], windows=(window.name,), start=window.start, size=largest or ""
        )


def _last_drift(stretch: _Stretch[int], moved: _Moved) -> int | None:
    """Return the end of the last window in which a column drifts, not of a quiet one; None if unknown."""
    drifting = (one for one, _ in stretch.windows if moved[id(one)][1].get(stretch.subject, ("", False))[1])
    return max((one.window.end for one in drifting), default=None)


def _quiet(stretch: _Stretch[int]) -> str:
    if stretch.ended is None:
        return ""
    column = _column(stretch.ended, stretch.subject)
    is_gone = column is None and WHERE not in stretch.subject
    return "This is no longer measured." if is_gone else "No drift was found in two windows."


def _objectives(model: ModelView, windows: Sequence[Evaluation]) -> Iterator[Incident]:
    def broken(evaluation: Evaluation) -> dict[str, ObjectiveState]:
        return (
            {objective.rule: objective for objective in evaluation.objectives if objective.state == "broken"}
            if evaluation.closed
            else {}
        )

    def met(evaluation: Evaluation, rule: str) -> bool:
        return evaluation.closed and any(
            objective.rule == rule and objective.state == "met" for objective in evaluation.objectives
        )

    for stretch in _stretches(windows, broken, met):
        first, objective = stretch.windows[0]
        value_words = printable(objective_sentence(objective))
        where = f" where {short(objective.slice, 80)}" if objective.slice else ""
        when = "" if objective.since else f"{_on(first, model)}, "
        sentence = f"{short(objective.rule, 120)} is broken{where}{f': {when}{value_words}' if value_words else ''}."
        incident = _of_stretch(model, "objective", stretch, sentence, "The objective was met again.")
        since = objective.since or _begin(model, windows, stretch, met)
        yield replace(incident, since=since)


def _late_labels(model: ModelView, windows: Sequence[Evaluation]) -> Iterator[Incident]:
    def broken(evaluation: Evaluation) -> dict[str, str]:
        sla = evaluation.label_sla
        if sla is None or sla.state != "broken":
            return {}
        late = clause(facts.OutcomesInTime(at_most=sla.high, agreed=sla.coverage))
        return {"outcomes": f"Outcomes are late: {late}."}

    def kept(evaluation: Evaluation, _: str) -> bool:
        return evaluation.label_sla is not None and evaluation.label_sla.state == "met"

    for stretch in _stretches(windows, broken, kept):
        yield _of_stretch(model, "labels", stretch, stretch.windows[0][1], "Outcomes arrived in time again.")


def _failures(model: ModelView, windows: Sequence[Evaluation]) -> Iterator[Incident]:
    called_windows = usual_service(window for window in windows if window.service is not None and window.closed)
    failing = {id(called_window): service_failing(called_window, earlier) for called_window, earlier in called_windows}

    def failed(evaluation: Evaluation) -> dict[str, facts.ServiceFailing]:
        failing_call = failing.get(id(evaluation))
        return {} if failing_call is None else {failing_call.metric: failing_call}

    def answered(evaluation: Evaluation, _: str) -> bool:
        return id(evaluation) in failing

    for stretch in _stretches(windows, failed, answered):
        first, failure = stretch.windows[0]
        sentence = f"{capital(_on(first, model))}, {clause(failure)}."
        if failure.metric == ERROR_RATE:
            failed_calls = _of_stretch(model, "service", stretch, sentence, "Calls succeed as before.")
            yield replace(failed_calls, since=_begin(model, windows, stretch, answered))
        else:
            slower = _of_stretch(model, "latency", stretch, sentence, "Calls are as fast as before.")
            is_minor = all(failing_call.value < AT_ONCE for _, failing_call in stretch.windows)
            yield replace(slower, minor=is_minor)


def _on(first: Evaluation, model: ModelView) -> str:
    """Return when the first window of a problem was, whose numbers its sentence has."""
    window = first.window
    return on_words(window.start, window.end, model.timezone, days=window.name.endswith(("d", "w", "mo")))


def _begin(
    model: ModelView,
    windows: Sequence[Evaluation],
    stretch: _Stretch[T],
    denies: Callable[[Evaluation, str], bool],
) -> int:
    """Return since when windows show a problem: the begin of the degradation of which it is a part, as recorded.

    The record has the begin by the windows of all lengths. A problem that a window in between denies began later.

    Args:
        model: The model.
        windows: All windows of the length.
        stretch: Those that show it.
        denies: Whether a window shows that it has no such problem.
    """
    first = stretch.windows[0][0].window
    for episode in model.record.episodes():
        began, until = episode.since, first.end if episode.until is None else episode.until
        if episode.state != "degraded" or began is None or not (began < first.end and first.start < until):
            continue
        between = (one for one in windows if began <= one.window.start < first.start)
        if not any(denies(one, stretch.subject) for one in between):
            return began
    return first.start


def _of_stretch(model: ModelView, kind: IncidentKind, stretch: _Stretch[T], sentence: str, ended: str) -> Incident:
    """Return the incident of a run of windows, shown by its first window."""
    over, window = stretch.ended, stretch.windows[0][0].window
    return Incident(
        key=model.key,
        kind=kind,
        subject=stretch.subject,
        since=window.start,
        until=None if over is None else over.window.start,
        windows=(window.name,),
        start=window.start,
        sentence=sentence,
        ended="" if over is None else ended,
        timezone=model.timezone,
    )


def _folded(incidents: Sequence[Incident]) -> list[Incident]:
    """Merge incidents of one subject that overlap in time, because longer windows show the same as shorter ones.

    The main windows are those of the earliest incident, or for drift those with the largest size.
    """
    folded: dict[tuple[str, str], list[Incident]] = {}
    for incident in sorted(incidents, key=lambda incident: incident.since or 0):
        folded_incidents = folded.setdefault((incident.kind, incident.subject), [])
        last = folded_incidents[-1] if folded_incidents else None
        # states of the model follow each other; windows of two lengths may end where others begin
        ended = None if last is None or last.until is None else last.until - (incident.kind == "verdict")
        if last is None or (ended is not None and (incident.since or 0) > ended):
            folded_incidents.append(incident)
            continue
        lasts = last if last.open or (not incident.open and (last.until or 0) >= (incident.until or 0)) else incident
        telling, folded_incident = (incident, last) if SIZES[incident.size] > SIZES[last.size] else (last, incident)
        folded_incidents[-1] = replace(
            telling,
            since=last.since,
            until=lasts.until,
            ended=lasts.ended,
            windows=tuple(dict.fromkeys((*telling.windows, *folded_incident.windows))),
            minor=last.minor and incident.minor,
        )
    return [incident for folded_incidents in folded.values() for incident in folded_incidents]


def part_words(part: str, column: ColumnDrift | None = None) -> str:
    """Return the name of a drifted part of a pane; ``column``: its drift, if a window has it.

    >>> part_words("feature:temp where origin=JFK"), part_words("score"), part_words("class")
    ('temp where origin=JFK', 'The score', 'The predicted class')
    """
    name, where, place = part.partition(WHERE)
    words = {"score": "score", "class": "predicted class"}.get(name, "")
    if words:
        words = f"The {words if column is None else column.words}"
    words = words or short(name.removeprefix("feature:"), 80)
    return f"{words}{where}{short(place, 80)}"


def _column(evaluation: Evaluation, part: str) -> ColumnDrift | None:
    """Return the drift of a part in a window; None if there is none."""
    name, _, place = part.partition(WHERE)
    drift = evaluation.slices.get(place) if place else evaluation
    if drift is None:
        return None
    if name in ("score", "class"):
        return drift.score if name == "score" else drift.predicted
    return drift.features.get(name.removeprefix("feature:"))
