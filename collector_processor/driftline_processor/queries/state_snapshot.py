"""The data of all models for pages, API, policies and exporters: one immutable snapshot per turn of the state.

Readers take :attr:`SnapshotPublisher.newest` once and never wait. The view of a model is rebuilt if something
of it changed, or after ten seconds, because parts of it depend on the current time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from operator import is_
from typing import Any

import msgspec
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.business import values_in
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.outcomes.resolution import possible_actuals_text
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.verdict.context import lacks_outcomes
from driftline_processor.core.verdict.parts import parts_in_use
from driftline_processor.core.verdict.rises import confirmed_concept
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.settings import OutcomeDelays
from driftline_processor.evaluation.version_comparison import VersionWatch
from driftline_processor.evaluation.window_queue import (
    Backlog,
    WaitingWindows,
    backfill_sentence,
    lags_at,
    lags_sentence,
    windows_wait,
)
from driftline_processor.health import Labels
from driftline_processor.ingest.changes import SeriesTotals
from driftline_processor.ingest.transaction import Intake, Watermark
from driftline_processor.join.concept_drift import ConceptWatch
from driftline_processor.join.outcome_join import Join
from driftline_processor.maintenance.retention import Upkeep
from driftline_processor.present.names import handle
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.panes import performance_fold
from driftline_processor.store.series import Series

from .hints import ModelSummary, hints, unknown_model_hints, unmarked_hints
from .model_view import ModelView, baseline_view, part_of_model
from .other_processors import predictions_may_be_elsewhere, rows_may_be_elsewhere
from .repeated_ids import RepeatedIdWatch
from .unknown_outcomes import OutcomeReview
from .verdicts import VerdictInputs, Verdicts

REFRESH = 10 * 10**9
"""Nanoseconds after which the view of a model is rebuilt without changes, for its watermark and waiting times."""

REVIEW_EVERY = 60 * 10**9
"""Nanoseconds between two reviews of the waiting outcomes of a model, of 30 ms each; one per publication."""

PENDING_LONG = 60 * 10**9
"""Nanoseconds after which a waiting outcome is a hint; the SDK sends a prediction within seconds."""

NO_TOTALS = SeriesTotals()
NO_WATERMARK = Watermark()
NO_BACKLOG = Backlog()


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """The data of all models at one time.

    Attributes:
        models: All versions and environments of all models, the busiest first.
        hints: Sentences on missing settings and data that belong to no known model.
        pending: Number of outcomes without a prediction.
        pending_since: Arrival of the oldest of them, unix nanoseconds; 0 without any.
        backlog: The windows that wait for evaluation.
            first_due: Name of windows → since when the oldest pending window has been due; None without pending
            windows.
            loading: Handles of the models that are not loaded yet after the start, and are missing in the other
            attributes.
            by_handle: Handle of a model's name (:func:`~driftline_processor.present.names.handle`) → its versions
            and environments, the busiest first.
    """

    models: Sequence[ModelView] = ()
    hints: tuple[str, ...] = ()
    pending: int = 0
    pending_since: int = 0
    backlog: Backlog = NO_BACKLOG
    first_due: Mapping[str, int | None] = field(default_factory=dict)
    loading: frozenset[str] = frozenset()
    by_handle: Mapping[str, Sequence[ModelView]] = field(init=False)

    def __post_init__(self) -> None:
        """Index the models by name."""
        by_handle: dict[str, list[ModelView]] = {}
        for model in self.models:
            by_handle.setdefault(handle(model.key.model), []).append(model)
        object.__setattr__(self, "by_handle", by_handle)

    def versions_of(self, name: str) -> Sequence[ModelView]:
        """Return the versions and environments of the model with this handle; empty if there is none.

        Raises StorageOutage if the model is not loaded yet after the start.
        """
        if name in self.loading:
            raise StorageOutage(f"{name} is being loaded after the start of the processor; try again in a few seconds")
        return self.by_handle.get(name, ())

    def gauges(self, now: int) -> dict[tuple[str, Labels], float]:
        """Return (metric name, labels) → value of pending work; ages are relative to ``now``, unix nanoseconds."""
        backlog = self.backlog
        found: dict[tuple[str, Labels], float] = {
            (m.DRIFTLINE_PENDING_OUTCOMES, ()): float(self.pending),
            (m.DRIFTLINE_PENDING_OUTCOME_AGE, ()): (now - self.pending_since) / 1e9 if self.pending_since else 0.0,
            (m.DRIFTLINE_PENDING_WINDOWS, ()): float(backlog.windows),
            (m.DRIFTLINE_PENDING_WINDOW_AGE, ()): (now - backlog.since) / 1e9 if backlog.windows else 0.0,
        }
        for name, lag in lags_at(self.first_due, now).items():
            found[m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, name),)] = lag / 1e9
        return found


class _Inputs(Struct, frozen=True):
    """Input of the view of a series.

    Attributes:
        objects: Parts that are replaced as a whole when they change.
        values: Parts that are compared.
        verdict_inputs: Input of its verdict.
        verdict: None if nothing has been evaluated.
    """

    series: Series
    objects: tuple[object, ...]
    values: tuple[object, ...]
    verdict_inputs: VerdictInputs
    verdict: Verdict | None

    def equal(self, inputs: _Inputs) -> bool:
        """Return True if the view is unchanged."""
        return (
            self.verdict is inputs.verdict
            and all(map(is_, self.objects, inputs.objects))
            and self.values == inputs.values
        )


class _Model(Struct, frozen=True):
    """All versions and environments of a model: the views, their inputs, and their time."""

    inputs: Sequence[_Inputs]
    made: int
    views: Sequence[ModelView]


class _Review(Struct, frozen=True):
    """Why outcomes of a model wait, by its newest ones; ``pending``: the number that waited at that time."""

    pending: int
    made: int
    unknown: tuple[UnknownOutcomes, ...]

    def is_old(self, pending: int, now: int) -> bool:
        """Return True if another number of outcomes waits, and the last review was a minute ago."""
        return pending != self.pending and now - self.made >= REVIEW_EVERY


class SnapshotPublisher(Struct, kw_only=True):
    """Create snapshots. One thread at a time publishes; any may read :attr:`newest`.

    Attributes:
        currency: Currency of money; "" if not configured.
        clock: Returns unix nanoseconds.
        newest: The newest snapshot.
    """

    intake: Intake
    join: Join
    concept: ConceptWatch
    versions: VersionWatch
    evaluations: EvaluationStore
    upkeep: Upkeep
    waiting: WaitingWindows
    delays: OutcomeDelays
    verdicts: Verdicts
    outcome_review: OutcomeReview
    repeated_ids: RepeatedIdWatch
    clock: Callable[[], int]
    currency: str = ""
    newest: StateSnapshot = msgspec.field(default_factory=StateSnapshot)
    _models: dict[str, _Model] = msgspec.field(default_factory=dict)
    _reviews: dict[str, _Review] = msgspec.field(default_factory=dict)
    _may_review: bool = True
    _waiting: dict[str, None] = msgspec.field(default_factory=dict)
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def publish(self) -> StateSnapshot:
        """Create and return a snapshot of the current state, with all models."""
        self.load()
        return self.publish_loaded()

    def start(self, at_once: int | None) -> None:
        """Publish a first snapshot with ``at_once`` models, those with a problem first; None = with all models.

        :meth:`load` adds the others.
        """
        urgency = {"degraded": 0, "at_risk": 1}
        ranks = {
            name: min(urgency.get(self.verdicts.stored_state(series.number), 2) for series in all_series)
            for name, all_series in self._by_name().items()
        }
        self._waiting = dict.fromkeys(sorted(ranks, key=ranks.__getitem__))
        self.load(at_once)
        self.publish_loaded()

    def load(self, most: int | None = None, ended: Callable[[], bool] = lambda: False) -> bool:
        """Load models for the next snapshot; return True if others are left.

        Args:
            most: Maximum number of models; None = all.
            ended: Checked before each group of models; if it returns True, the others are left.
        """
        while self._waiting and most != 0 and not ended():
            with self._lock:
                names = [*self._waiting][: min(self.evaluations.series_at_once, most or len(self._waiting))]
                by_name, now = self._by_name(), self.clock()
                groups = {name: by_name[name] for name in names if name in by_name}
                with self.evaluations.read_with_details([one.number for group in groups.values() for one in group]):
                    loaded = {name: self._model(name, all_series, now) for name, all_series in groups.items()}
                self._models = {**self._models, **loaded}
                for name in names:
                    self._waiting.pop(name, None)
            most = None if most is None else most - len(names)
        return bool(self._waiting)

    @property
    def is_loading(self) -> bool:
        """True if models are not loaded yet after the start."""
        return bool(self._waiting)

    def loading_sentence(self) -> str | None:
        """Return a sentence about the models that are not loaded yet after the start; None if all are."""
        waiting, loaded = len(self._waiting), len(self._models)
        if not waiting:
            return None
        return (
            f"loading after the start: {loaded:,} of {loaded + waiting:,} models; pages, API and alerts do not include"
            " the others yet, and their data is received"
        )

    def _by_name(self) -> dict[str, list[Series]]:
        by_name: dict[str, list[Series]] = {}
        for series in self.intake.series:
            by_name.setdefault(series.key.model, []).append(series)
        return by_name

    def publish_loaded(self) -> StateSnapshot:
        """Create and return a snapshot of the current state, without the models that are not loaded yet."""
        with self._lock:
            now, self._may_review = self.clock(), True
            self.repeated_ids.update(now)
            by_name = self._by_name()
            self._models = {
                name: self._model(name, all_series, now)
                for name, all_series in by_name.items()
                if name not in self._waiting
            }
            views = {
                made_of.series.number: view
                for model in self._models.values()
                for made_of, view in zip(model.inputs, model.views, strict=True)
            }
            by_age = [views[number] for number in sorted(views)]
            self.newest = StateSnapshot(
                models=tuple(sorted(by_age, key=lambda view: view.rows + view.distributed, reverse=True)),
                hints=self._hints(by_name, now),
                pending=sum(self.join.pending.values()),
                pending_since=min(self.join.pending_since.values(), default=0),
                backlog=self.waiting.backlog,
                first_due=self.waiting.first_due,
                loading=frozenset(map(handle, self._waiting)),
            )
        return self.newest

    def verdicts_in_use(self) -> dict[int, tuple[ModelKey, Verdict]]:
        """Return the verdict of every series in use of the newest snapshot, by its number."""
        return {
            made_of.series.number: (view.key, view.verdict)
            for model in self._models.values()
            for made_of, view in zip(model.inputs, model.views, strict=True)
            if view.in_use and view.verdict is not None
        }

    def _model(self, name: str, all_series: Sequence[Series], now: int) -> _Model:
        """Return the views of all versions and environments of a model, reused if nothing has changed."""
        before = self._models.get(name)
        known_before = {} if before is None else {one.series.number: one.verdict_inputs for one in before.inputs}
        inputs = [self._inputs(series, all_series, known_before.get(series.number), now) for series in all_series]
        if (
            before is not None
            and now - before.made < REFRESH
            and len(before.inputs) == len(inputs)
            and all(one.equal(other) for one, other in zip(inputs, before.inputs, strict=True))
        ):
            return before
        counted = {
            part.key
            for part in parts_in_use(
                part_of_model(one.series.key, one.verdict_inputs.windows, one.verdict, self._shadow(one.series))
                for one in inputs
                if one.verdict is not None and self.intake.limits.holds(one.series.key)
            )
        }
        return _Model(inputs, now, [self._view(one, one.series.key in counted, now) for one in inputs])

    def _inputs(self, series: Series, all_series: Sequence[Series], before: VerdictInputs | None, now: int) -> _Inputs:
        """Return the input of a series' view; ``before``: input of the previous snapshot, to reuse its windows."""
        intake, key, number = self.intake, series.key, series.number
        settings, totals = intake.series.settings(key.model), intake.totals
        siblings = tuple(one.number for one in all_series if one.key.environment == key.environment)
        history, backlog = self.evaluations.history(number), self.waiting.of(number)
        if before is not None and before.history is history:
            windows = before.windows
        else:
            windows = {name: list(history.get(name, {}).values()) for name in settings.windows}
        in_force = intake.baselines.in_force(key)
        known_windows = VerdictInputs(
            windows=windows,
            concept=confirmed_concept(self.concept.concept(series), chain.from_iterable(windows.values())),
            versions=self.versions.of(key),
            timezone=settings.timezone,
            backlog=backlog,
            siblings=siblings,
            received=max(totals.get(sibling, NO_TOTALS).received for sibling in siblings),
            history=history,
            unknown=self._unknown(series, windows, now),
            provisional=in_force is not None and in_force.source == "provisional",
            improbable_times=intake.prediction_times.of(key, now),
            lag=intake.watermarks.get((key.environment, key.model), NO_WATERMARK).lag,
        )
        verdict = self.verdicts.of(number, known_windows) if any(windows.values()) else None
        interruptions, business = self.verdicts.interruptions(number), intake.business.of(key.model)
        runs = intake.training_runs.of(key.model)
        baseline = None if in_force is None else in_force.baseline
        objects = (
            series,
            totals.get(number, NO_TOTALS),
            windows,
            known_windows.versions,
            baseline,
            runs,
            interruptions,
            intake.pane_sources.get(number, ()),
            *business,
        )
        values = (
            *(
                None if in_force is None else in_force.source,
                intake.baselines.series_number(number),
                known_windows.concept,
                known_windows.unknown,
                known_windows.improbable_times,
                known_windows.lag,
                backlog,
            ),
            *(self.join.joined[number], self.join.pending.get(key.model, 0), self.join.pending_since.get(key.model, 0)),
            *(self.join.unusable[number, performance_fold(series.task)], self.upkeep.expired[number]),
            *(intake.balances.of(number, intake.streams.reached(number, now)), self.delays.of(series)),
            *(intake.limits.holds(key), backlog.pending_windows(now), len(business)),
            intake.unmarked_points.of(key, now),
            intake.incomplete_rows.of(key, now),
            self.repeated_ids.of(number),
        )
        return _Inputs(series, objects, values, known_windows, verdict)

    def _unknown(
        self, series: Series, windows: Mapping[str, Sequence[Evaluation]], now: int
    ) -> tuple[UnknownOutcomes, ...]:
        """Return why nearly no outcome of the newest windows of a series is known; () if they are, or none arrived."""
        model, pending = series.key.model, self.join.pending.get(series.key.model, 0)
        unusable = self.join.unusable[series.number, performance_fold(series.task)]
        newest = [
            next((one for one in reversed(of_name) if one.closed), of_name[-1])
            for of_name in windows.values()
            if of_name
        ]
        if not (pending or unusable) or not any(map(lacks_outcomes, newest)):
            return ()
        impossible = UnknownOutcomes("actual", unusable, unusable, possible=possible_actuals_text(series.task))
        review = self._reviews.get(model)
        if pending and self._may_review and (review is None or review.is_old(pending, now)):
            self._may_review = False  # others follow at the next publication
            with suppress(StorageOutage):
                waiting = self.outcome_review.waiting(model)
                rows = sum(reason.rows for reason in waiting)
                waiting = [replace(reason, rows=round(pending * reason.rows / rows)) for reason in waiting]
                self._reviews[model] = review = _Review(pending, now, tuple(waiting))
        return (*((impossible,) if unusable else ()), *(review.unknown if pending and review is not None else ()))

    def _view(self, inputs: _Inputs, in_use: bool, now: int) -> ModelView:
        series, known_windows, intake = inputs.series, inputs.verdict_inputs, self.intake
        key, number, windows, backlog = series.key, series.number, known_windows.windows, known_windows.backlog
        settings, totals = intake.series.settings(key.model), intake.totals.get(number, NO_TOTALS)
        in_force, learned = intake.baselines.in_force(key), intake.baselines.series_number(number)
        latest = [evaluations[-1] for evaluations in windows.values() if evaluations]
        sources = intake.pane_sources.get(number, ())
        outcomes = self.join.joined[number] + sum(source.outcomes for source in sources)
        pending = self.join.pending.get(key.model, 0)
        balance = intake.balances.of(number, intake.streams.reached(number, now))
        times = known_windows.improbable_times
        refused = times is not None and times.kind == "refused"
        joined = sum(self.join.joined[sibling] for sibling in known_windows.siblings)
        rows_elsewhere = rows_may_be_elsewhere(balance, refused)
        predictions_elsewhere = predictions_may_be_elsewhere(pending, joined, known_windows.unknown, totals, refused)
        summary = ModelSummary(
            series=series,
            settings=settings,
            in_force=in_force,
            learned=learned,
            totals=totals,
            outcomes=outcomes,
            pending=pending,
            fullest=max(latest, key=lambda evaluation: evaluation.rows, default=None),
            unusable=self.join.unusable[number, performance_fold(series.task)],
            balance=balance,
            windows=windows,
            waiting=windows_wait(backlog, now) if backlog.is_long(now) else "",
            delay=self.delays.of(series),
            unknown=known_windows.unknown,
            times=times,
            unmarked=intake.unmarked_points.of(key, now),
            incomplete_rows=intake.incomplete_rows.of(key, now),
            repeated=self.repeated_ids.of(number),
            rows_elsewhere=rows_elsewhere,
            predictions_elsewhere=predictions_elsewhere,
            is_pending_long=now - self.join.pending_since.get(key.model, 0) >= PENDING_LONG,
        )
        return ModelView(
            key=key,
            task=series.task,
            rows=totals.rows - self.upkeep.expired[number],
            first=totals.first,
            last=totals.last,
            received=totals.received,
            by_class=totals.by_class,
            duration=totals.duration,
            by_error=totals.by_error,
            outcomes=outcomes,
            pending=pending,
            pending_since=self.join.pending_since.get(key.model, 0),
            baseline=baseline_view(key, in_force, learned),
            watermark=intake.watermarks.get((key.environment, key.model), NO_WATERMARK).at(now),
            timezone=settings.timezone,
            outcome_delay=self.delays.of(series),
            waiting=backlog.windows + backlog.resting,
            pending_windows=backlog.pending_windows(now),
            retired=not intake.limits.holds(key),
            distributed=totals.distributed,
            balance=balance,
            windows=windows,
            concept=known_windows.concept,
            versions=known_windows.versions,
            verdict=inputs.verdict,
            record=self.verdicts.record(number),
            shadow=self._shadow(series),
            in_use=in_use,
            team=settings.team or "",
            tier=settings.tier,
            currency=self.currency,
            business=self._business(key.model, windows),
            interruptions=self.verdicts.interruptions(number),
            training_runs=intake.training_runs.of(key.model),
            hints=hints(summary),
            rows_elsewhere=rows_elsewhere,
            predictions_elsewhere=predictions_elsewhere,
            pane_sources=sources,
        )

    def _business(self, model: str, windows: Mapping[str, Sequence[Evaluation]]) -> Any:
        """Return the business series of a model once its windows have values."""
        metrics = self.intake.business.of(model)
        for evaluations in windows.values() if metrics else ():
            for evaluation in evaluations:
                evaluation.business = values_in(metrics, evaluation.window)
        return metrics

    def _shadow(self, series: Series) -> bool:
        return self.intake.series.settings(series.key.model).versions.names.role(series.key.version) == "shadow"

    def _hints(self, models: Mapping[str, object], now: int) -> tuple[str, ...]:
        beyond = self.intake.limits.sentence()
        limited = () if beyond is None else (f"{beyond[0].upper()}{beyond[1:]}.",)
        unmarked = self.intake.unmarked_points.by_model(now, without=models.keys())
        loading = self.loading_sentence()
        return (
            *(() if loading is None else (f"{loading[0].upper()}{loading[1:]}.",)),
            *self._waiting_hints(now),
            *limited,
            *unmarked_hints(unmarked),
            *unknown_model_hints(self.join.pending, models.keys()),
        )

    def _waiting_hints(self, now: int) -> Iterator[str]:
        """Yield sentences on late live windows and on the progress of a backfill, if relevant."""
        waiting = self.waiting
        late = lags_sentence(waiting.lags(now)) if waiting.backlog.is_long(now) else ""
        if late:
            yield f"{late[0].upper()}{late[1:]}: there are more than the processor can evaluate."
        if waiting.backfill.is_long(now):
            yield f"{backfill_sentence(waiting.backfill)}."
