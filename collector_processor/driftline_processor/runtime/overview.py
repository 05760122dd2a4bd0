"""The read side of the state: everything it shows is in memory, so no reader ever waits for the store."""

from __future__ import annotations

from collections.abc import Callable

from driftline.semconv import metrics as m
from driftline.tables import ModelKey

from .baselines import NEEDED, InForce
from .beliefs import Beliefs
from .concept import ConceptWatch
from .health import Counters, Labels
from .hints import hints, strangers
from .intake import Intake
from .join import Join
from .news import Totals
from .outcome_delays import OutcomeDelays
from .panes import performance_fold
from .series import Series
from .upkeep import Upkeep
from .versions import VersionWatch
from .view import BaselineView, ModelView
from .waiting_windows import WaitingWindows, windows_wait
from .watermark import Watermark


class Overview:
    """Implements :class:`.view.View` over the parts of the state."""

    def __init__(
        self,
        intake: Intake,
        join: Join,
        concept: ConceptWatch,
        versions: VersionWatch,
        beliefs: Beliefs,
        upkeep: Upkeep,
        waiting: WaitingWindows,
        delays: OutcomeDelays,
        counters: Counters,
        clock: Callable[[], int],
    ) -> None:
        self._intake, self._join, self._concept, self._versions = intake, join, concept, versions
        self._beliefs, self._upkeep, self._waiting, self._delays = beliefs, upkeep, waiting, delays
        self._counters, self._clock = counters, clock

    def models(self) -> list[ModelView]:
        """All models, busiest first."""
        models = [self._model(series) for series in self._intake.series]
        return sorted(models, key=lambda model: model.rows + model.distributed, reverse=True)

    def hints(self) -> tuple[str, ...]:
        """What no model's own hints can say, see :func:`.hints.strangers`."""
        beyond = self._intake.limits.sentence()
        limited = () if beyond is None else (f"{beyond[0].upper()}{beyond[1:]}.",)
        return (*limited, *strangers(self._join.pending, {series.key.model for series in self._intake.series}))

    def counters(self) -> dict[tuple[str, Labels], float]:
        """The counters of the process, and how many outcomes and windows wait."""
        backlog, now = self._waiting.backlog, self._clock()
        pending = sum(self._join.pending.values())
        oldest = max((now - since for since in self._join.pending_since.values()), default=0)
        waiting: dict[tuple[str, Labels], float] = {
            (m.DRIFTLINE_OUTCOMES_PENDING, ()): float(pending),
            (m.DRIFTLINE_OUTCOMES_PENDING_AGE, ()): oldest / 1e9,
            (m.DRIFTLINE_WINDOWS_PENDING, ()): float(backlog.windows),
            (m.DRIFTLINE_WINDOWS_PENDING_AGE, ()): (now - backlog.since) / 1e9 if backlog.windows else 0.0,
        }
        return {**self._counters.snapshot(), **waiting}

    def _model(self, series: Series) -> ModelView:
        key, settings = series.key, self._intake.series.settings(series.key.model)
        totals = self._intake.totals.get(series.number, Totals())
        in_force, learned = self._intake.baselines.in_force(key), self._intake.baselines.known(series.number)
        history = self._beliefs.history(series.number)
        windows = {name: list(history.get(name, {}).values()) for name in settings.windows}
        latest = [evaluations[-1] for evaluations in windows.values() if evaluations]
        fullest = max(latest, key=lambda evaluation: evaluation.rows, default=None)
        outcomes, pending = self._join.joined[series.number], self._join.pending.get(key.model, 0)
        unusable = self._join.unusable[series.number, performance_fold(series.task)]
        now = self._clock()
        balance = self._intake.balances.of(series.number, self._intake.streams.reached(series.number, now))
        backlog = self._waiting.of(series.number)
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
            outcomes=outcomes,
            pending=pending,
            pending_since=self._join.pending_since.get(key.model, 0),
            baseline=_baseline(key, in_force, learned),
            watermark=watermark.at(now),
            timezone=settings.timezone,
            outcome_delay=self._delays.of(series),
            waiting=backlog.windows,
            retired=not self._intake.limits.holds(key),
            distributed=totals.distributed,
            balance=balance,
            windows=windows,
            concept=self._concept.concept(series),
            versions=self._versions.of(key),
            hints=hints(
                *(series, settings, in_force, learned, totals, outcomes, pending, fullest, unusable, balance, windows),
                waiting=windows_wait(backlog, now) if backlog.long(now) else "",
                delay=self._delays.of(series),
            ),
        )


def _baseline(key: ModelKey, in_force: InForce | None, learned: int) -> BaselineView | None:
    if in_force is None:
        return BaselineView("provisional", "", 0, (), learned, NEEDED) if learned else None
    baseline = in_force.baseline
    own, features = baseline.version == key.version, tuple(baseline.bins.features)
    other = "" if own else baseline.version
    return BaselineView(in_force.source, baseline.digest, baseline.pane.rows, features, own=own, other_version=other)
