"""The read side that pages, ``/api``, ``/metrics``, derived telemetry and ``top`` render.

The read side of the state: everything it shows is in memory, so no reader ever waits for the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task

from driftline_processor.core.business import BusinessSeries, values_in
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.verdict import ModelPart, fold_verdicts, order_of_need, parts_in_use
from driftline_processor.core.versions import SideBySide
from driftline_processor.evaluation.backlog import backfill_sentence, lags_sentence, windows_wait
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.judging_queue import WaitingWindows
from driftline_processor.evaluation.stored_outcomes import OutcomeDelays
from driftline_processor.evaluation.version_comparison import VersionWatch
from driftline_processor.health import Counters, Labels
from driftline_processor.ingest.changes import SeriesTotals
from driftline_processor.ingest.completeness import Balance
from driftline_processor.ingest.transaction import Intake
from driftline_processor.ingest.watermark import Watermark
from driftline_processor.join.concept_drift import ConceptWatch
from driftline_processor.join.outcome_join import Join
from driftline_processor.maintenance.retention import Upkeep
from driftline_processor.store.baselines import NEEDED, ActiveBaseline
from driftline_processor.store.panes import performance_fold
from driftline_processor.store.series import Series

from .hints import ModelSummary, hints, unknown_model_hints
from .interruptions import Interruption
from .verdicts import Known, Verdicts


def has_performance(evaluation: Evaluation) -> bool:
    """Return True where any metric of a window is known."""
    return any(metric.value is not None for metric in evaluation.realized.values())


@dataclass(frozen=True, slots=True)
class BaselineView:
    """The baseline that windows are compared with.

    Attributes:
        rows: Its reference rows; ``learned`` < ``needed`` while it is learning.
        importance: Feature → its share of the importance to the model; empty where that is unknown.
        own: It was made for the model's own version.
        other_version: Else the one it was made for, "" = for any.
        until: Time of its newest row, unix nanoseconds; None where its rows have no times.
    """

    source: Literal["config", "event", "push", "provisional"]
    digest: str
    rows: int
    features: tuple[str, ...]
    learned: int = 0
    needed: int = 0
    own: bool = True
    other_version: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)
    until: int | None = None


@dataclass(slots=True)
class ModelView:
    """One model, version and environment as of now.

    Attributes:
        rows: Predictions kept.
        first: Their event times.
        last: Their event times.
        received: Wall time of the newest arrival, 0 where none has arrived (all unix ns).
        by_class: Weighted predictions per predicted class since the state began ("" where no class is known).
        duration: As the pane part of that name.
        by_error: Weight of failed calls per error type.
        outcomes: Rows joined.
        pending: Outcomes of this model that found no prediction yet, ``pending_since``: when the oldest of them
            arrived, 0 = none waits.
        timezone: The model's, in which its windows begin and end.
        outcome_delay: How long its outcomes may take.
        distributed: Those besides that are known from distributions only.
        balance: Rows that arrived against predictions that were counted, None where nothing counts them.
        windows: Window name → evaluations, oldest first; the last may be open.
        concept: True where its errors have become more, on the stream of its outcomes; None where nothing can or shall
            tell.
        versions: The model's challengers beside its champion, the same for each of its versions.
        waiting: How many of its windows were touched since they were evaluated: what is shown of them is older.
        unjudged: How many of those are past windows, or live ones that wait too long.
        verdict: Whether it is still right; None where nothing of it has been judged.
        shadow: Nobody acts on its predictions.
        in_use: Its verdict counts for the model: it is no shadow, and no other version has taken over its traffic.
        hints: Full sentences: what is missing, and what to do about it.
        team: Who answers for the model; "" where nobody said.
        tier: How much depends on the model, 1 (most) to 3; None where nobody said.
        interruptions: When it was silent, or its windows waited too long, the oldest first.
        currency: The currency of costs and values; "" where nobody named one, and nothing is said of money.
        training_runs: Those of all its versions, whatever their environment, the oldest first.
        business: What the company counts beside it; its windows know their values.
    """

    key: ModelKey
    task: Task
    rows: int
    first: int
    last: int
    received: int
    by_class: dict[str, float] = field(default_factory=dict)
    duration: F64 | None = None
    by_error: Mapping[str, float] = field(default_factory=dict)
    outcomes: int = 0
    pending: int = 0
    baseline: BaselineView | None = None
    watermark: int = 0
    timezone: str = "UTC"
    outcome_delay: OutcomeDelay = UNKNOWN_DELAY
    distributed: int = 0
    balance: Balance | None = None
    windows: dict[str, list[Evaluation]] = field(default_factory=dict)
    concept: ConceptDrift | None = None
    versions: tuple[SideBySide, ...] = ()
    pending_since: int = 0
    waiting: int = 0
    unjudged: int = 0
    retired: bool = False
    """Its version gave its place to a new one (``limits.versions``), so that metrics speak of it no more."""
    hints: tuple[str, ...] = ()
    verdict: Verdict | None = None
    shadow: bool = False
    in_use: bool = True
    team: str = ""
    tier: int | None = None
    interruptions: tuple[Interruption, ...] = ()
    currency: str = ""
    training_runs: tuple[TrainingRun, ...] = ()
    business: tuple[BusinessSeries, ...] = ()

    def mature(self, evaluation: Evaluation) -> bool:
        """Return True where the outcomes of a closed window have had their time, so that its performance counts."""
        had_time = self.outcome_delay.nanoseconds <= max(0, self.watermark - evaluation.window.end)
        had_time = had_time or self.outcome_delay.complete(evaluation.coverage)
        return evaluation.closed and had_time and evaluation.maturity == "mature"

    def measured(self, window: str) -> Evaluation | None:
        """Return the newest mature window with outcomes enough to tell how good the model is, else with any."""
        newest = None
        for evaluation in reversed(self.windows.get(window, ())):
            if has_performance(evaluation) and self.mature(evaluation):
                # 30: outcomes of a window from which on it is shown before an older one that has more
                if evaluation.outcome_rows >= 30:
                    return evaluation
                newest = newest or evaluation
        return newest


def verdict_of(models: Iterable[ModelView]) -> Verdict | None:
    """Return the one verdict of the versions and environments of a model; None where none of them has any."""
    return fold_verdicts(
        _part(model.key, model.windows, model.verdict, model.shadow)
        for model in models
        if model.in_use and model.verdict is not None
    )


def leading_model(models: Sequence[ModelView]) -> ModelView:
    """Return the one of versions and environments that the verdict of their model is about; else the busiest."""
    parts = [
        (_part(one.key, one.windows, one.verdict, one.shadow), one)
        for one in models
        if one.in_use and one.verdict is not None
    ]
    counted = {part.key for part in parts_in_use(part for part, _ in parts)}
    leading = [(part, one) for part, one in parts if part.key in counted]
    if leading:
        return min(leading, key=lambda pair: order_of_need(pair[0]))[1]
    return max(models, key=lambda one: one.rows + one.distributed)


def _part(key: ModelKey, windows: Mapping[str, Sequence[Evaluation]], verdict: Verdict, shadow: bool) -> ModelPart:
    """Return what counts of a version in an environment for the verdict of its model."""
    closed = (next((one for one in reversed(known) if one.closed), None) for known in windows.values())
    newest = max(filter(None, closed), key=lambda one: (one.window.end, one.window.start), default=None)
    rows, start, end = (0, None, None) if newest is None else (newest.rows, newest.window.start, newest.window.end)
    return ModelPart(key, verdict, rows, start, end, answers=not shadow)


class View(Protocol):
    """Everything a reader may ask. Never blocks the way in."""

    def models(self) -> list[ModelView]:
        """All models, busiest first."""

    def hints(self) -> tuple[str, ...]:
        """Full sentences on what belongs to no model that has been seen: what is missing, and what to do about it."""

    def counters(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return the processor's own monotonic counters and gauges: (metric name, sorted labels) → value."""


class Overview:
    """Implements :class:`View` over the parts of the state."""

    def __init__(
        self,
        intake: Intake,
        join: Join,
        concept: ConceptWatch,
        versions: VersionWatch,
        evaluations: EvaluationStore,
        upkeep: Upkeep,
        waiting: WaitingWindows,
        delays: OutcomeDelays,
        counters: Counters,
        clock: Callable[[], int],
        verdicts: Verdicts,
        processes: Callable[[], str | None] = lambda: None,
        currency: str = "",
    ) -> None:
        """Read from these parts; ``processes`` says what other processes do, ``currency`` what money is in."""
        self._intake, self._join, self._concept, self._versions = intake, join, concept, versions
        self._evaluations, self._upkeep, self._waiting, self._delays = evaluations, upkeep, waiting, delays
        self._counters, self._clock, self._verdicts, self._processes = counters, clock, verdicts, processes
        self._currency = currency

    def models(self) -> list[ModelView]:
        """All models, busiest first."""
        models, used = [], {part.key for part in self._parts_in_use()}
        for series, known in self._known():
            model = self._model(series, known)
            model.in_use = series.key in used
            models.append(model)
        return sorted(models, key=lambda model: model.rows + model.distributed, reverse=True)

    def verdicts(self) -> dict[int, tuple[ModelKey, Verdict]]:
        """Return the verdict of every series that counts for its model, by its number."""
        numbers = {series.key: series.number for series in self._intake.series}
        return {numbers[part.key]: (part.key, part.verdict) for part in self._parts_in_use() if part.key in numbers}

    def _parts_in_use(self) -> list[ModelPart]:
        """Return the versions and environments of all models that count for their verdicts."""
        by_model: dict[str, list[ModelPart]] = {}
        for series, known in self._known():
            if (verdict := self._verdict(series, known)) is not None and self._intake.limits.holds(series.key):
                part = _part(series.key, known.windows, verdict, self._shadow(series))
                by_model.setdefault(series.key.model, []).append(part)
        return [part for parts in by_model.values() for part in parts_in_use(parts)]

    def _known(self) -> list[tuple[Series, Known]]:
        """Return what the verdicts of all series are made of."""
        everything, totals = list(self._intake.series), self._intake.totals
        siblings: dict[tuple[str, str], list[int]] = {}
        for series in everything:
            siblings.setdefault((series.key.environment, series.key.model), []).append(series.number)
        found = []
        for series in everything:
            settings, mine = (
                self._intake.series.settings(series.key.model),
                siblings[series.key.environment, series.key.model],
            )
            history = self._evaluations.history(series.number)
            known = Known(
                windows={name: list(history.get(name, {}).values()) for name in settings.windows},
                concept=self._concept.concept(series),
                versions=self._versions.of(series.key),
                timezone=settings.timezone,
                backlog=self._waiting.of(series.number),
                siblings=tuple(mine),
                received=max(totals[number].received if number in totals else 0 for number in mine),
            )
            found.append((series, known))
        return found

    def _verdict(self, series: Series, known: Known) -> Verdict | None:
        return self._verdicts.of(series.number, known) if any(known.windows.values()) else None

    def _shadow(self, series: Series) -> bool:
        return self._intake.series.settings(series.key.model).versions.named.role(series.key.version) == "shadow"

    def hints(self) -> tuple[str, ...]:
        """Return the hints of no model; see :func:`~driftline_processor.queries.hints.unknown_model_hints`."""
        beyond = self._intake.limits.sentence()
        limited = () if beyond is None else (f"{beyond[0].upper()}{beyond[1:]}.",)
        return (
            *self._waiting_hints(),
            *limited,
            *unknown_model_hints(self._join.pending, {series.key.model for series in self._intake.series}),
        )

    def _waiting_hints(self) -> list[str]:
        """Return how late live windows are, how far a backfill is, and who judges, where it is worth a sentence."""
        waiting, now = self._waiting, self._clock()
        late = lags_sentence(waiting.lags(now)) if waiting.backlog.long(now) else ""
        told = [f"{late[0].upper()}{late[1:]}: there are more than the processor can judge."] if late else []
        told += [f"{backfill_sentence(waiting.backfill)}."] if waiting.backfill.long(now) else []
        busy = self._processes()
        return told if busy is None else [*told, busy]

    def counters(self) -> dict[tuple[str, Labels], float]:
        """Return the counters of the process, and the numbers of waiting outcomes and windows."""
        backlog, now = self._waiting.backlog, self._clock()
        pending = sum(self._join.pending.values())
        oldest = max((now - since for since in self._join.pending_since.values()), default=0)
        waiting: dict[tuple[str, Labels], float] = {
            (m.DRIFTLINE_PENDING_OUTCOMES, ()): float(pending),
            (m.DRIFTLINE_PENDING_OUTCOME_AGE, ()): oldest / 1e9,
            (m.DRIFTLINE_PENDING_WINDOWS, ()): float(backlog.windows),
            (m.DRIFTLINE_PENDING_WINDOW_AGE, ()): (now - backlog.since) / 1e9 if backlog.windows else 0.0,
        }
        for name, lag in self._waiting.lags(now).items():
            waiting[m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, name),)] = lag / 1e9
        return {**self._counters.snapshot(), **waiting}

    def _with_business(self, model: str, windows: Mapping[str, Sequence[Evaluation]]) -> tuple[BusinessSeries, ...]:
        """Return the business series of a model, once its windows know their values."""
        found = self._intake.business.of(model)
        for known in windows.values() if found else ():
            for evaluation in known:
                evaluation.business = values_in(found, evaluation.window)
        return found

    def _model(self, series: Series, known: Known) -> ModelView:
        key, settings, windows = series.key, self._intake.series.settings(series.key.model), known.windows
        totals = self._intake.totals.get(series.number, SeriesTotals())
        in_force, learned = self._intake.baselines.in_force(key), self._intake.baselines.known(series.number)
        latest = [evaluations[-1] for evaluations in windows.values() if evaluations]
        fullest = max(latest, key=lambda evaluation: evaluation.rows, default=None)
        outcomes, pending = self._join.joined[series.number], self._join.pending.get(key.model, 0)
        unusable = self._join.unusable[series.number, performance_fold(series.task)]
        now = self._clock()
        balance = self._intake.balances.of(series.number, self._intake.streams.reached(series.number, now))
        backlog = known.backlog
        watermark = self._intake.watermarks.get((key.environment, key.model), Watermark())
        return ModelView(
            key=key,
            task=series.task,
            rows=totals.rows - self._upkeep.expired[series.number],
            first=totals.first,
            last=totals.last,
            received=totals.received,
            by_class=totals.by_class,
            duration=totals.duration,
            by_error=totals.by_error,
            outcomes=outcomes,
            pending=pending,
            pending_since=self._join.pending_since.get(key.model, 0),
            baseline=_baseline(key, in_force, learned),
            watermark=watermark.at(now),
            timezone=settings.timezone,
            outcome_delay=self._delays.of(series),
            waiting=backlog.windows + backlog.resting,
            unjudged=backlog.unjudged(now),
            retired=not self._intake.limits.holds(key),
            distributed=totals.distributed,
            balance=balance,
            windows=windows,
            concept=known.concept,
            versions=known.versions,
            verdict=self._verdict(series, known),
            shadow=self._shadow(series),
            team=settings.team or "",
            tier=settings.tier,
            currency=self._currency,
            business=self._with_business(key.model, windows),
            interruptions=self._verdicts.interruptions(series.number),
            training_runs=self._intake.training_runs.of(key.model),
            hints=hints(
                ModelSummary(
                    series=series,
                    settings=settings,
                    in_force=in_force,
                    learned=learned,
                    totals=totals,
                    outcomes=outcomes,
                    pending=pending,
                    fullest=fullest,
                    unusable=unusable,
                    balance=balance,
                    windows=windows,
                    waiting=windows_wait(backlog, now) if backlog.long(now) else "",
                    delay=self._delays.of(series),
                )
            ),
        )


def _baseline(key: ModelKey, in_force: ActiveBaseline | None, learned: int) -> BaselineView | None:
    if in_force is None:
        return BaselineView("provisional", "", 0, (), learned, NEEDED) if learned else None
    baseline = in_force.baseline
    own, features = baseline.version == key.version, tuple(baseline.bins.features)
    other = "" if own else baseline.version
    return BaselineView(
        *(in_force.source, baseline.digest, baseline.pane.rows, features),
        own=own,
        other_version=other,
        importance=importance_of(baseline),
        until=None if baseline.extras.period is None else baseline.extras.period.last,
    )


def importance_of(baseline: Baseline) -> Mapping[str, float]:
    """Return feature → its share of the importance to the model, as the baseline knows it; empty where it does not."""
    known = baseline.extras.importance
    return (known.shares(baseline.bins.features) if known is not None else None) or {}
